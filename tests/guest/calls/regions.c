// SPDX-License-Identifier: MIT
/* region_create, region_insert, region_punch, region_limit, region_write, region_read,
 * region_harvest. */
#include "contract.h"

#include <lib/string.h>

static uint32_t word_of(exo_cap region, uint64_t offset)
{
    uint32_t word = 0xbad;

    EXPECT(exo_region_read(region, offset, &word, 4), 4);
    return word;
}

static void put_word(exo_cap region, uint64_t offset, uint32_t word)
{
    EXPECT(exo_region_write(region, offset, &word, 4), 4);
}

static void what_is_written_is_read(void)
{
    exo_cap region = OK(exo_region_create(0, 1000, 0));
    char text[6000], back[6000];

    for (unsigned i = 0; i < sizeof text; i++)
        text[i] = (char)(i * 7);
    EXPECT(exo_region_write(region, 3 * PAGE - 100, text, sizeof text), sizeof text);
    EXPECT(exo_region_read(region, 3 * PAGE - 100, back, sizeof back), sizeof back);
    EXPECT(memcmp(text, back, sizeof text), 0);
    EXPECT(word_of(region, 999 * PAGE), 0); /* absent: reads as zeros, and stays absent */
    OK(exo_map(0, page(0), 1, region, 999, EXO_MAP_READ));
    EXPECT(exo_log(EXO_CAP_PLATFORM, (char *)page(0), 1), EXO_EFAULT);
    OK(exo_unmap(0, page(0), 1));
    EXPECT(exo_region_write(region, 5, text, 0), 0);
    EXPECT(exo_region_read(region, 1000 * PAGE, back, 0), 0);
    drop(region);
}

static void regions_are_sparse_and_deep(void)
{
    static const uint64_t places[] = {
        0, 511, 512, 262143, 262144, 134217728, ((uint64_t)1 << 36) - 1};
    exo_cap region = OK(exo_region_create(0, (uint64_t)1 << 36, 0));

    for (unsigned i = 0; i < COUNT(places); i++)
        put_word(region, places[i] * PAGE, 100 + i);
    for (unsigned i = 0; i < COUNT(places); i++)
        EXPECT(word_of(region, places[i] * PAGE), 100 + i);
    EXPECT(exo_region_punch(region, 1, ((uint64_t)1 << 36) - 2), EXO_OK);
    EXPECT(word_of(region, 0), 100);
    EXPECT(word_of(region, 511 * PAGE), 0);
    EXPECT(word_of(region, places[6] * PAGE), 106);
    drop(region);
}

static void zero_fill_is_a_choice(void)
{
    exo_cap plain = OK(exo_region_create(0, 4, 0)), filling = OK(exo_region_create(0, 4, 1));

    OK(exo_map(0, page(0), 4, plain, 0, RW));
    OK(exo_map(0, page(4), 4, filling, 0, RW));
    EXPECT(exo_log(EXO_CAP_PLATFORM, (char *)page(0), 1), EXO_EFAULT);
    WORD(page(4)) = 8;
    EXPECT(word_of(filling, 0), 8);
    drop(plain);
    drop(filling);
}

static void inserted_frames_show_through_both(void)
{
    exo_cap region = OK(exo_region_create(0, 64, 0)), frame = OK(exo_frame_alloc(0, 8));

    OK(exo_map(0, page(0), 8, frame, 0, RW));
    for (unsigned i = 0; i < 8; i++)
        WORD(page(i)) = 10 + i;
    EXPECT(exo_region_insert(region, 20, frame, 2, 4), EXO_OK);
    EXPECT(word_of(region, 20 * PAGE), 12);
    EXPECT(word_of(region, 23 * PAGE), 15);
    EXPECT(word_of(region, 24 * PAGE), 0);
    put_word(region, 20 * PAGE, 99);
    EXPECT(WORD(page(2)), 99);
    drop(frame); /* the region's share keeps four of them */
    EXPECT(word_of(region, 21 * PAGE), 13);
    OK(exo_map(0, page(0), 8, 0, 0, RW));
    for (unsigned i = 0; i < 8; i++)
        WORD(page(i)) = 0;
    EXPECT(word_of(region, 22 * PAGE), 14);
    OK(exo_unmap(0, page(0), 8));
    drop(region);
}

static void insert_checks_its_arguments(void)
{
    exo_cap region = OK(exo_region_create(0, 1024, 0)), frame = OK(exo_frame_alloc(0, 1024));
    exo_cap device = OK(exo_device_frame(EXO_CAP_PLATFORM, 0xfed00000, 1));

    EXPECT(exo_region_insert(region, 0, frame, 0, 0), EXO_EINVAL);
    EXPECT(exo_region_insert(region, 0, frame, 0, 513), EXO_EINVAL);
    EXPECT(exo_region_insert(region, 1023, frame, 0, 2), EXO_EINVAL);
    EXPECT(exo_region_insert(region, 1024, frame, 0, 1), EXO_EINVAL);
    EXPECT(exo_region_insert(region, UINT64_MAX, frame, 0, 2), EXO_EINVAL);
    EXPECT(exo_region_insert(region, 0, frame, 1023, 2), EXO_EINVAL);
    EXPECT(exo_region_insert(region, 0, frame, UINT64_MAX, 2), EXO_EINVAL);
    EXPECT(exo_region_insert(region, 0, device, 0, 1), EXO_EINVAL);
    CAP_ERRORS(exo_region_insert(C, 0, frame, 0, 1), some_note, region, EXO_R_WRITE);
    CAP_ERRORS(exo_region_insert(region, 0, C, 0, 1), some_note, frame, EXO_R_WRITE);
    EXPECT(exo_region_insert(region, 5, frame, 0, 1), EXO_OK);
    EXPECT(exo_region_insert(region, 5, frame, 1, 1), EXO_EEXIST);
    EXPECT(exo_region_insert(region, 3, frame, 1, 4), EXO_EEXIST);
    EXPECT(word_of(region, 3 * PAGE), 0);
    OK(exo_map(0, page(0), 1, region, 3, EXO_MAP_READ)); /* nothing of it was put in */
    EXPECT(exo_log(EXO_CAP_PLATFORM, (char *)page(0), 1), EXO_EFAULT);
    OK(exo_unmap(0, page(0), 1));
    drop(device);
    drop(frame);
    drop(region);
}

static void a_frame_that_cannot_be_read_does_not_become_readable(void)
{
    exo_cap region = OK(exo_region_create(0, 4, 0)), frame = OK(exo_frame_alloc(0, 1));

    CAP_ERRORS(exo_region_insert(region, 0, C, 0, 1), some_note, frame, EXO_R_READ);
    drop(frame);
    drop(region);
}

static void punch_unmaps_everywhere(void)
{
    exo_cap region = OK(exo_region_create(0, 4, 0));
    struct child c;

    for (unsigned i = 0; i < 4; i++)
        put_word(region, i * PAGE, i + 1);
    child_make(&c, 64, 8);
    OK(exo_map(0, page(0), 4, region, 0, RW));
    OK(exo_map(0, page(8), 2, region, 1, RW));
    OK(exo_map(c.env, page(0), 4, region, 0, RW | EXO_MAP_EAGER));
    EXPECT(WORD(page(1)) + WORD(page(8)), 4);
    EXPECT(exo_region_punch(region, 1, 1), EXO_OK);
    EXPECT(exo_log(EXO_CAP_PLATFORM, (char *)page(1), 1), EXO_EFAULT);
    EXPECT(exo_log(EXO_CAP_PLATFORM, (char *)page(8), 1), EXO_EFAULT);
    EXPECT(WORD(page(2)), 3);
    EXPECT(WORD(page(9)), 3);
    put_word(region, PAGE, 50); /* another frame takes the place */
    EXPECT(WORD(page(1)), 50);
    EXPECT(WORD(page(8)), 50);
    drop(region);
    child_drop(&c);
}

static void punch_goes_in_pieces_of_512(void)
{
    exo_cap region = OK(exo_region_create(0, 2000, 1));

    for (unsigned i = 0; i < 600; i++)
        put_word(region, 3 * i * PAGE, 1);
    EXPECT(exo_region_punch(region, 0, 2000), EXO_EAGAIN);
    EXPECT(exo_region_punch(region, 0, 2000), EXO_OK);
    EXPECT(word_of(region, 0), 0);
    CAP_ERRORS(exo_region_punch(C, 0, 1), some_frame, region, EXO_R_WRITE);
    EXPECT(exo_region_punch(region, 0, 0), EXO_EINVAL);
    EXPECT(exo_region_punch(region, 2000, 1), EXO_EINVAL);
    EXPECT(exo_region_punch(region, 1999, 2), EXO_EINVAL);
    EXPECT(exo_region_punch(region, UINT64_MAX, 2), EXO_EINVAL);
    EXPECT(exo_region_punch(region, 1, UINT64_MAX), EXO_EINVAL);
    drop(region);
}

static void limit_ends_the_filling(void)
{
    exo_cap region = OK(exo_region_create(0, 8, 1)), bare = OK(exo_region_create(0, 8, 0));

    OK(exo_map(0, page(0), 8, region, 0, RW));
    WORD(page(3)) = 3;
    EXPECT(exo_region_limit(region, 2), EXO_OK);
    EXPECT(WORD(page(1)), 0);
    EXPECT(WORD(page(3)), 3); /* what is there stays */
    EXPECT(exo_log(EXO_CAP_PLATFORM, (char *)page(2), 1), EXO_EFAULT);
    put_word(region, 5 * PAGE, 5);
    EXPECT(WORD(page(5)), 5);
    EXPECT(exo_region_limit(region, 8), EXO_OK);
    EXPECT(WORD(page(2)), 0);
    EXPECT(WORD(page(7)), 0);
    EXPECT(exo_region_limit(region, 0), EXO_OK);
    CAP_ERRORS(exo_region_limit(C, 1), some_frame, region, EXO_R_CONTROL);
    EXPECT(exo_region_limit(region, 9), EXO_EINVAL);
    EXPECT(exo_region_limit(region, UINT64_MAX), EXO_EINVAL);
    EXPECT(exo_region_limit(bare, 1), EXO_EINVAL);
    drop(bare);
    drop(region);
}

static void create_checks_its_arguments(void)
{
    exo_cap account = OK(exo_account_create(0, 10, 10));

    EXPECT(exo_region_create(0, 0, 0), EXO_EINVAL);
    EXPECT(exo_region_create(0, ((uint64_t)1 << 36) + 1, 0), EXO_EINVAL);
    EXPECT(exo_region_create(0, UINT64_MAX, 0), EXO_EINVAL);
    EXPECT(exo_region_create(0, 1, 2), EXO_EINVAL);
    EXPECT(exo_region_create(0, 1, UINT32_MAX), EXO_EINVAL);
    CAP_ERRORS(exo_region_create(C, 1, 0), some_frame, account, EXO_R_CHARGE);
    drop(account);
}

static void read_and_write_check_their_arguments(void)
{
    exo_cap region = OK(exo_region_create(0, 4, 0));
    char byte = 1;

    CAP_ERRORS(exo_region_write(C, 0, &byte, 1), some_frame, region, EXO_R_WRITE);
    CAP_ERRORS(exo_region_read(C, 0, &byte, 1), some_frame, region, EXO_R_READ);
    EXPECT(exo_region_write(region, 4 * PAGE, &byte, 1), EXO_EINVAL);
    EXPECT(exo_region_write(region, 4 * PAGE - 1, &byte, 2), EXO_EINVAL);
    EXPECT(exo_region_write(region, UINT64_MAX, &byte, 2), EXO_EINVAL);
    EXPECT(exo_region_write(region, 0, &byte, 65537), EXO_EINVAL);
    EXPECT(exo_region_write(region, 0, &byte, UINT64_MAX), EXO_EINVAL);
    EXPECT(exo_region_read(region, 4 * PAGE, &byte, 1), EXO_EINVAL);
    EXPECT(exo_region_read(region, UINT64_MAX, &byte, 2), EXO_EINVAL);
    EXPECT(exo_region_read(region, 0, &byte, 65537), EXO_EINVAL);
    EFAULTS(exo_region_write(region, 0, P, 8));
    put_word(region, 0, 1);
    EFAULTS(exo_region_read(region, 0, P, 8));
    EXPECT(exo_region_read(region, 0, (void *)0x400000, 8), EXO_EFAULT); /* text is not writable */
    OK(exo_map(0, page(0), 1, 0, 0, RW)); /* the second page of the buffer is missing */
    EXPECT(exo_region_read(region, 0, (void *)(page(1) - 4), 8), EXO_EFAULT);
    EXPECT(exo_region_write(region, 0, (void *)(page(1) - 4), 8), EXO_EFAULT);
    OK(exo_unmap(0, page(0), 1));
    drop(region);
}

static void a_region_may_be_copied_onto_itself(void)
{
    exo_cap region = OK(exo_region_create(0, 16, 1));

    OK(exo_map(0, page(0), 16, region, 0, RW));
    WORD(page(0)) = 123;
    EXPECT(exo_region_write(region, 8 * PAGE, (void *)page(0), 8 * PAGE), 8 * PAGE);
    EXPECT(WORD(page(8)), 123);
    EXPECT(exo_region_read(region, 0, (void *)page(4), 4), 4);
    EXPECT(WORD(page(4)), 123);
    drop(region);
}

static void harvest_tells_and_clears_what_is_dirty(void)
{
    exo_cap region = OK(exo_region_create(0, 100, 1));
    uint64_t bits[8] = {0};

    OK(exo_map(0, page(0), 100, region, 0, RW));
    OK(exo_map(0, page(200), 100, region, 0, RW));
    for (unsigned i = 0; i < 100; i++)
        EXPECT(WORD(page(i)), 0); /* reading does not make it dirty */
    EXPECT(exo_region_harvest(region, 0, 100, bits, 0), 0);
    WORD(page(3)) = 1;
    WORD(page(200 + 65)) = 1;
    EXPECT(exo_region_harvest(region, 0, 100, bits, 0), 2);
    EXPECT(bits[0], 1 << 3);
    EXPECT(bits[1], 1 << 1);
    EXPECT(exo_region_harvest(region, 0, 100, bits, 0), 0);
    WORD(page(3)) = 2; /* again: the processor must have forgotten that it was dirty */
    EXPECT(exo_region_harvest(region, 3, 1, bits, 0), 1);
    EXPECT(bits[0], 1);
    CAP_ERRORS(exo_region_harvest(C, 0, 1, bits, 0), some_frame, region, EXO_R_CONTROL);
    EXPECT(exo_region_harvest(region, 0, 0, bits, 0), EXO_EINVAL);
    EXPECT(exo_region_harvest(region, 0, 101, bits, 0), EXO_EINVAL);
    EXPECT(exo_region_harvest(region, 100, 1, bits, 0), EXO_EINVAL);
    EFAULTS(exo_region_harvest(region, 0, 64, (uint64_t *)P, 0));
    drop(region);
    exo_unmap(0, page(0), 300);
}

/* Which pages were used since they were last asked about: read, written, by whichever mapping. */
static void harvest_tells_and_clears_what_is_used(void)
{
    exo_cap region = OK(exo_region_create(0, 100, 1));
    uint64_t dirty[2] = {0}, used[2] = {0};

    OK(exo_map(0, page(0), 100, region, 0, RW));
    OK(exo_map(0, page(200), 100, region, 0, EXO_MAP_READ));
    EXPECT(exo_region_harvest(region, 0, 100, 0, used), 0); /* nothing is in a mapping yet */
    for (unsigned i = 0; i < 100; i++) {
        EXPECT(WORD(page(i)), 0);
        EXPECT(WORD(page(200 + i)), 0);
    }
    EXPECT(exo_region_harvest(region, 0, 100, 0, used), 100);
    EXPECT(exo_region_harvest(region, 0, 100, 0, used), 0);
    for (unsigned turn = 0; turn < 2; turn++) { /* the processor must have forgotten that, too */
        EXPECT(WORD(page(3)), 0);
        EXPECT(WORD(page(200 + 65)), 0);
        EXPECT(exo_region_harvest(region, 0, 100, dirty, used), 2);
        EXPECT(dirty[0] | dirty[1], 0);
        EXPECT(used[0], 1 << 3);
        EXPECT(used[1], 1 << 1);
    }
    WORD(page(7)) = 0; /* a write is a use; and neither takes the other's word away */
    EXPECT(exo_region_harvest(region, 0, 100, 0, used), 1);
    EXPECT(used[0], 1 << 7);
    EXPECT(exo_region_harvest(region, 0, 100, dirty, used), 1);
    EXPECT(dirty[0], 1 << 7);
    EXPECT(used[0], 0);
    WORD(page(8)) = 0;
    EXPECT(exo_region_harvest(region, 8, 1, dirty, 0), 1);
    EXPECT(exo_region_harvest(region, 8, 1, dirty, used), 1);
    EXPECT(dirty[0], 0);
    EXPECT(used[0], 1);
    OK(exo_protect(0, page(0), 1, EXO_MAP_READ));
    EXPECT(exo_region_harvest(region, 0, 100, dirty, used), 1);
    EXPECT(used[0], 1);
    EXPECT(WORD(page(9)), 0);
    EXPECT(exo_region_harvest(region, 0, 100, UNMAPPED, used), EXO_EFAULT);
    EXPECT(exo_region_harvest(region, 0, 100, dirty, UNMAPPED), EXO_EFAULT);
    EXPECT(exo_region_harvest(region, 0, 100, dirty, used), 1);
    EXPECT(used[0], 1 << 9);
    EXPECT(exo_region_harvest(region, 0, 100, 0, 0), EXO_EINVAL);
    EFAULTS(exo_region_harvest(region, 0, 64, 0, (uint64_t *)P));
    drop(region);
    exo_unmap(0, page(0), 300);
}

/* What was dirtied through a mapping is not forgotten with the mapping, nor by a change of it, nor by
 * a harvest that could not tell anybody. */
static void dirt_is_not_lost(void)
{
    exo_cap region = OK(exo_region_create(0, 8, 1));
    uint64_t bits[1];

    OK(exo_map(0, page(0), 8, region, 0, RW));
    WORD(page(1)) = 1;
    OK(exo_protect(0, page(0), 8, EXO_MAP_READ));
    EXPECT(exo_region_harvest(region, 0, 8, bits, 0), 1);
    OK(exo_protect(0, page(0), 8, RW));
    WORD(page(2)) = 1;
    OK(exo_unmap(0, page(0), 8));
    EXPECT(exo_region_harvest(region, 0, 8, bits, 0), 1);
    OK(exo_map(0, page(0), 8, region, 0, RW));
    WORD(page(3)) = 1;
    EXPECT(exo_region_harvest(region, 0, 8, UNMAPPED, 0), EXO_EFAULT);
    EXPECT(exo_region_harvest(region, 0, 8, bits, 0), 1);
    drop(region);
}

static int64_t region_charged(exo_cap account)
{
    int64_t region = exo_region_create(account, 1 << 20, 0), st = region;
    uint32_t word = 1;

    if (region < 0)
        return region;
    for (unsigned i = 0; i < 3 && st >= 0; i++)
        st = exo_region_write((exo_cap)region, (uint64_t)i * 300000 * PAGE, &word, 4);
    drop((exo_cap)region);
    return st;
}

static int64_t insert_charged(exo_cap account)
{
    int64_t region = exo_region_create(account, 1 << 20, 0), st = region;

    if (region < 0)
        return region;
    st = exo_region_insert((exo_cap)region, 1000000, some_frame, 0, 1);
    drop((exo_cap)region);
    return st;
}

static void account_that_runs_out_gets_everything_back(void)
{
    exhaust("region_write", region_charged, 32);
    exhaust("region_insert", insert_charged, 32);
}

static void destroying_a_mapped_region_leaves_nothing(void)
{
    struct child c;
    exo_cap region = OK(exo_region_create(0, 3000, 1));

    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    for (unsigned i = 0; i < 3000; i += 3)
        put_word(region, i * PAGE, 1);
    OK(exo_map(c.env, page(0), 3000, region, 0, RW | EXO_MAP_EAGER));
    drop(region);
    EXPECT(exo_unmap(c.env, page(0), 3000), EXO_OK);
    child_drop(&c);
}

int main(void)
{
    static const struct test tests[] = {
        T(what_is_written_is_read),
        T(regions_are_sparse_and_deep),
        T(zero_fill_is_a_choice),
        T(inserted_frames_show_through_both),
        T(insert_checks_its_arguments),
        T(a_frame_that_cannot_be_read_does_not_become_readable),
        T(punch_unmaps_everywhere),
        T(punch_goes_in_pieces_of_512),
        T(limit_ends_the_filling),
        T(create_checks_its_arguments),
        T(read_and_write_check_their_arguments),
        T(a_region_may_be_copied_onto_itself),
        T(harvest_tells_and_clears_what_is_dirty),
        T(harvest_tells_and_clears_what_is_used),
        T(dirt_is_not_lost),
        T(account_that_runs_out_gets_everything_back),
        T(destroying_a_mapped_region_leaves_nothing),
    };
    return contract_run(tests, COUNT(tests));
}
