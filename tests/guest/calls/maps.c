// SPDX-License-Identifier: MIT
/* map, unmap, protect, discard. */
#include "contract.h"

/* True if the kernel may read (write) there for us. */
static bool readable(uint64_t va)
{
    return exo_log(EXO_CAP_PLATFORM, (const char *)va, 0) == 0 &&
           exo_region_write(SHARED->value[0], 0, (const void *)va, 1) == 1;
}
static bool writable(uint64_t va)
{
    return exo_entropy((uint64_t *)va) == EXO_OK;
}
static exo_cap scratch(void)
{
    exo_cap region = OK(exo_region_create(0, 1, 1));

    SHARED->value[0] = region;
    return region;
}

static void anonymous_memory_reads_as_zeros(void)
{
    OK(exo_map(0, page(0), 64, 0, 0, RW));
    for (unsigned i = 0; i < 64; i++) {
        EXPECT(WORD(page(i) + 4092), 0);
        WORD(page(i) + 4092) = i + 1;
    }
    for (unsigned i = 0; i < 64; i++)
        EXPECT(WORD(page(i) + 4092), i + 1);
    EXPECT(exo_unmap(0, page(0), 64), EXO_OK);
    OK(exo_map(0, page(0), 64, 0, 0, RW));
    for (unsigned i = 0; i < 64; i++) /* frames that were used before */
        EXPECT(WORD(page(i) + 4092), 0);
    EXPECT(exo_unmap(0, page(0), 64), EXO_OK);
}

static void map_replaces_what_was_there(void)
{
    exo_cap region = OK(exo_region_create(0, 8, 1));

    OK(exo_map(0, page(0), 10, 0, 0, RW));
    for (unsigned i = 0; i < 10; i++)
        WORD(page(i)) = 100 + i;
    EXPECT(exo_map(0, page(3), 4, region, 1, RW), EXO_OK);
    WORD(page(3)) = 5;
    EXPECT(WORD(page(2)), 102);
    EXPECT(WORD(page(4)), 0);
    EXPECT(WORD(page(7)), 107);
    EXPECT(exo_map(0, page(0), 10, 0, 0, RW | EXO_MAP_KEEP), EXO_EEXIST);
    EXPECT(exo_map(0, page(9), 2, 0, 0, RW | EXO_MAP_KEEP), EXO_EEXIST);
    EXPECT(exo_map(0, page(10), 2, 0, 0, RW | EXO_MAP_KEEP), EXO_OK);
    EXPECT(WORD(page(3)), 5);
    EXPECT(exo_unmap(0, page(0), 12), EXO_OK);
    uint32_t word;
    EXPECT(exo_region_read(region, PAGE, &word, 4), 4); /* page 1 of it was at page(3) */
    EXPECT(word, 5);
    drop(region);
}

static void rights_are_those_asked_for(void)
{
    exo_cap region = scratch();

    OK(exo_map(0, page(0), 1, 0, 0, EXO_MAP_READ));
    EXPECT_TRUE(readable(page(0)));
    EXPECT_TRUE(!writable(page(0)));
    EXPECT(exo_protect(0, page(0), 1, RW), EXO_OK);
    EXPECT_TRUE(writable(page(0)));
    EXPECT(exo_protect(0, page(0), 1, 0), EXO_OK);
    EXPECT_TRUE(!readable(page(0)) && !writable(page(0)));
    EXPECT(exo_protect(0, page(0), 1, EXO_MAP_EXEC | EXO_MAP_READ), EXO_OK);
    EXPECT_TRUE(readable(page(0)) && !writable(page(0)));
    OK(exo_unmap(0, page(0), 1));
    EXPECT_TRUE(!readable(page(0)));
    drop(region);
}

static void a_mapping_never_has_more_than_its_capability(void)
{
    exo_cap region = OK(exo_region_create(0, 4, 1));
    exo_cap reader = without(region, EXO_R_WRITE | EXO_R_EXEC),
            writer = without(region, EXO_R_READ);
    exo_cap frame = OK(exo_frame_alloc(0, 2)), frame_reader = without(frame, EXO_R_WRITE);

    EXPECT(exo_map(0, page(0), 4, reader, 0, RW), EXO_ERIGHTS);
    EXPECT(exo_map(0, page(0), 4, reader, 0, EXO_MAP_READ | EXO_MAP_EXEC), EXO_ERIGHTS);
    EXPECT(exo_map(0, page(0), 4, writer, 0, EXO_MAP_READ), EXO_ERIGHTS);
    EXPECT(exo_map(0, page(0), 4, reader, 0, EXO_MAP_READ), EXO_OK);
    EXPECT(exo_protect(0, page(0), 4, RW), EXO_ERIGHTS);
    EXPECT(exo_protect(0, page(0), 4, EXO_MAP_READ | EXO_MAP_EXEC), EXO_ERIGHTS);
    EXPECT(exo_map(0, page(0), 4, reader, 0, RW | EXO_MAP_PRIVATE), EXO_OK);
    EXPECT(exo_protect(0, page(0), 4, EXO_MAP_EXEC), EXO_ERIGHTS);
    EXPECT(exo_map(0, page(0), 2, frame_reader, 0, RW), EXO_ERIGHTS);
    EXPECT(exo_map(0, page(0), 2, frame_reader, 0, RW | EXO_MAP_PRIVATE), EXO_OK);
    /* over two mappings, one of which does not allow it: neither changes */
    OK(exo_map(0, page(0), 2, region, 0, EXO_MAP_READ));
    OK(exo_map(0, page(2), 2, reader, 2, EXO_MAP_READ));
    EXPECT(exo_protect(0, page(0), 4, RW), EXO_ERIGHTS);
    EXPECT_TRUE(!writable(page(0)));
    OK(exo_unmap(0, page(0), 4));
    drop(reader);
    drop(writer);
    drop(frame_reader);
    drop(frame);
    drop(region);
}

static void private_writes_go_to_copies(void)
{
    exo_cap region = OK(exo_region_create(0, 20, 1));
    uint32_t word = 77;

    for (unsigned i = 0; i < 20; i++)
        OK(exo_region_write(region, i * PAGE, &word, 4));
    OK(exo_map(0, page(0), 20, region, 0, RW | EXO_MAP_PRIVATE));
    EXPECT(WORD(page(1)), 77); /* enters its neighbours too */
    for (unsigned i = 0; i < 20; i++)
        WORD(page(i)) = 78;
    for (unsigned i = 0; i < 20; i++) {
        OK(exo_region_read(region, i * PAGE, &word, 4));
        EXPECT(word, 77);
    }
    /* rights taken away and given back must not make a borrowed page writable */
    OK(exo_map(0, page(0), 20, region, 0, RW | EXO_MAP_PRIVATE));
    EXPECT(WORD(page(0)), 77);
    OK(exo_protect(0, page(0), 20, EXO_MAP_READ));
    OK(exo_protect(0, page(0), 20, RW));
    OK(exo_protect(0, page(0), 20, 0));
    OK(exo_protect(0, page(0), 20, RW));
    WORD(page(1)) = 79;
    OK(exo_region_read(region, PAGE, &word, 4));
    EXPECT(word, 77);
    EXPECT(exo_region_punch(region, 0, 20),
           EXO_OK); /* the copy stays, what was not copied reads 0 */
    EXPECT(WORD(page(1)), 79);
    EXPECT(WORD(page(2)), 0);
    OK(exo_unmap(0, page(0), 20));
    drop(region);
}

static void eager_mappings_are_there_at_once(void)
{
    exo_cap region = OK(exo_region_create(0, 40, 0));
    uint32_t word = 5;

    for (unsigned i = 0; i < 40; i++)
        OK(exo_region_write(region, i * PAGE, &word, 4));
    OK(exo_map(0, page(0), 40, region, 0, EXO_MAP_READ | EXO_MAP_EAGER));
    uint64_t faults = exo_view()->entries;
    (void)faults;
    for (unsigned i = 0; i < 40; i++)
        EXPECT(WORD(page(i)), 5);
    OK(exo_map(0, page(0), 40, 0, 0, RW | EXO_MAP_EAGER));
    EXPECT(WORD(page(39)), 0);
    OK(exo_unmap(0, page(0), 40));
    drop(region);
}

/* Nothing of the size of the range may be done for pages that do not exist. */
static void huge_eager_mapping_of_nothing_is_quick(void)
{
    exo_cap region = OK(exo_region_create(0, (uint64_t)1 << 34, 0));
    struct child c;
    exo_time start = now();

    child_make(&c, 64, 8);
    EXPECT(exo_map(c.env, page(0), (uint64_t)1 << 34, region, 0, EXO_MAP_READ | EXO_MAP_EAGER),
           EXO_OK);
    EXPECT(exo_unmap(c.env, page(0), (uint64_t)1 << 34), EXO_OK);
    EXPECT_TRUE(now() - start < 2000 * (exo_time)MS); /* not a speed, but not the 17e9 either */
    child_drop(&c);
    drop(region);
}

static void map_checks_its_arguments(void)
{
    exo_cap region = OK(exo_region_create(0, 4, 1));
    struct child c;
    static const struct {
        uint64_t va, pages;
    } bad[] = {{AREA + 1, 1},
               {AREA + 2048, 1},
               {AREA, 0},
               {EXO_VIEW_VA, 1},
               {EXO_VIEW_VA - PAGE, 2},
               {EXO_USER_TOP, 1},
               {(uintptr_t)KERNEL_VA - 0x1000, 1},
               {(uintptr_t)NONCANONICAL, 1},
               {UINT64_MAX - 4095, 1},
               {UINT64_MAX - 4095, 2},
               {AREA, UINT64_MAX},
               {AREA, (uint64_t)1 << 52},
               {AREA, ((uint64_t)1 << 52) - 1},
               {AREA, (EXO_VIEW_VA - AREA) / PAGE + 1}};

    child_make(&c, 64, 8);
    for (unsigned i = 0; i < COUNT(bad); i++) {
        EXPECT(exo_map(0, bad[i].va, bad[i].pages, 0, 0, RW), EXO_EINVAL);
        EXPECT(exo_unmap(0, bad[i].va, bad[i].pages), EXO_EINVAL);
        EXPECT(exo_protect(0, bad[i].va, bad[i].pages, RW), EXO_EINVAL);
        EXPECT(exo_discard(0, bad[i].va, bad[i].pages), EXO_EINVAL);
    }
    EXPECT(exo_map(0, page(0), 5, region, 0, RW), EXO_EINVAL);
    EXPECT(exo_map(0, page(0), 1, region, 4, RW), EXO_EINVAL);
    EXPECT(exo_map(0, page(0), 2, region, UINT64_MAX, RW), EXO_EINVAL);
    EXPECT(exo_map(0, page(0), 4, region, 1, RW), EXO_EINVAL);
    EXPECT(exo_map(0, page(0), 1, 0, 0, RW | 0x80), EXO_EINVAL);
    EXPECT(exo_map(0, page(0), 1, 0, 0, UINT32_MAX), EXO_EINVAL);
    EXPECT(exo_protect(0, page(0), 1, EXO_MAP_PRIVATE), EXO_EINVAL);
    EXPECT(exo_map(0, page(0), 1, stale, 0, RW), EXO_ECAP);
    EXPECT(exo_map(0, page(0), 1, some_note, 0, RW), EXO_ETYPE);
    CAP_ERRORS(exo_map(C, page(0), 1, 0, 0, RW), some_frame, c.env, EXO_R_CONTROL);
    CAP_ERRORS(exo_unmap(C, page(0), 1), some_frame, c.env, EXO_R_CONTROL);
    CAP_ERRORS(exo_protect(C, page(0), 1, RW), some_frame, c.env, EXO_R_CONTROL);
    CAP_ERRORS(exo_discard(C, page(0), 1), some_frame, c.env, EXO_R_CONTROL);
    OK(exo_env_destroy(c.env, 0));
    EXPECT(exo_map(c.env, page(0), 1, 0, 0, RW), EXO_EDEAD);
    EXPECT(exo_unmap(c.env, page(0), 1), EXO_EDEAD);
    EXPECT(exo_protect(c.env, page(0), 1, RW), EXO_EDEAD);
    EXPECT(exo_discard(c.env, page(0), 1), EXO_EDEAD);
    EXPECT(exo_protect(0, page(0), 1, RW), EXO_ENOENT); /* nothing of all this mapped anything */
    child_drop(&c);
    drop(region);
}

static void the_whole_address_space_can_be_mapped_and_unmapped(void)
{
    struct child c;

    child_make(&c, 64, 8);
    EXPECT(exo_map(c.env, 0, EXO_VIEW_VA / PAGE, 0, 0, RW), EXO_OK);
    EXPECT(exo_protect(c.env, 0, EXO_VIEW_VA / PAGE, EXO_MAP_READ), EXO_OK);
    EXPECT(exo_discard(c.env, 0, EXO_VIEW_VA / PAGE), EXO_OK);
    EXPECT(exo_unmap(c.env, 0, EXO_VIEW_VA / PAGE), EXO_OK);
    child_drop(&c);
}

static void protect_needs_the_range_without_holes(void)
{
    OK(exo_map(0, page(0), 3, 0, 0, RW));
    OK(exo_unmap(0, page(1), 1));
    EXPECT(exo_protect(0, page(0), 3, EXO_MAP_READ), EXO_ENOENT);
    EXPECT_TRUE(writable(page(0)) && writable(page(2)));
    EXPECT(exo_protect(0, page(2), 2, EXO_MAP_READ), EXO_ENOENT);
    EXPECT_TRUE(writable(page(2)));
    OK(exo_unmap(0, page(0), 3));
    EXPECT(exo_unmap(0, page(0), 3), EXO_OK); /* nothing there is fine */
}

static void mappings_split_and_join(void)
{
    exo_cap region = scratch();

    OK(exo_map(0, page(0), 64, 0, 0, RW));
    for (unsigned i = 0; i < 64; i++)
        WORD(page(i)) = i;
    for (unsigned i = 0; i < 64; i += 2)
        OK(exo_protect(0, page(i), 1, EXO_MAP_READ));
    for (unsigned i = 0; i < 64; i++) {
        EXPECT_TRUE(writable(page(i) + 8) == (i % 2 == 1));
        EXPECT(WORD(page(i)), i);
    }
    OK(exo_protect(0, page(0), 64, RW));
    for (unsigned i = 0; i < 64; i++)
        EXPECT_TRUE(writable(page(i) + 8));
    for (unsigned i = 1; i < 64; i += 2)
        OK(exo_unmap(0, page(i), 1));
    for (unsigned i = 0; i < 64; i++)
        EXPECT_TRUE(readable(page(i)) == (i % 2 == 0));
    OK(exo_unmap(0, page(0), 64));
    drop(region);
}

static void discard_throws_private_pages_away(void)
{
    exo_cap region = OK(exo_region_create(0, 2, 1));
    uint32_t word = 9;

    OK(exo_region_write(region, 0, &word, 4));
    OK(exo_map(0, page(0), 4, 0, 0, RW));
    OK(exo_map(0, page(4), 2, region, 0, RW | EXO_MAP_PRIVATE));
    for (unsigned i = 0; i < 6; i++)
        WORD(page(i)) = 1 + i;
    EXPECT(exo_discard(0, page(1), 4), EXO_OK);
    EXPECT(WORD(page(0)), 1);
    EXPECT(WORD(page(1)), 0);
    EXPECT(WORD(page(3)), 0);
    EXPECT(WORD(page(4)), 9);
    EXPECT(WORD(page(5)), 6);
    EXPECT(exo_discard(0, page(60), 1), EXO_OK); /* nothing mapped */
    OK(exo_unmap(0, page(0), 6));
    drop(region);
}

static void counts_tell_what_is_there(void)
{
    exo_cap region = OK(exo_region_create(0, 8, 1));
    struct child c;
    uint64_t n[4] = {0};

    OK(exo_map(0, page(0), 32, 0, 0, RW));
    OK(exo_map(0, page(32), 8, region, 0, RW));
    EXPECT(exo_space_count(0, page(0), 64, n), 0);
    EXPECT(n[0], 0);
    for (unsigned i = 0; i < 5; i++)
        WORD(page(2 * i)) = 1;
    WORD(page(33)) = 1;
    EXPECT(WORD(page(34)), 0);
    EXPECT(exo_space_count(0, page(0), 64, n), 0);
    EXPECT(n[0], 7);
    EXPECT(n[1], 5);
    EXPECT(n[2] >= 6, true);
    EXPECT(n[3], 5);
    EXPECT(exo_space_count(0, page(2), 1, n), 0); /* one more */
    EXPECT(n[0], 8);
    child_make(&c, 64, 8);
    OK(exo_map(c.env, page(0), 4, region, 1, EXO_MAP_READ | EXO_MAP_EAGER));
    EXPECT(exo_unmap(0, page(0), 40), EXO_OK);
    EXPECT(exo_space_count(c.env, page(0), 8, n), 0);
    EXPECT(n[0], 10); /* pages 1 and 2 of the region */
    drop(region);
    for (int64_t at = 0; at >= 0 && (uint64_t)at < EXO_VIEW_VA;) {
        int64_t next = exo_space_count(0, (uint64_t)at, (EXO_VIEW_VA - (uint64_t)at) / PAGE, n);

        EXPECT_TRUE(next == 0 || next > at); /* in pieces */
        at = next == 0 ? (int64_t)EXO_VIEW_VA : next;
    }
    EXPECT(exo_space_count(0, page(0), 1, (uint64_t *)UNMAPPED), EXO_EFAULT);
    EXPECT(exo_space_count(0, page(0), 0, n), EXO_EINVAL);
    EXPECT(exo_space_count(0, page(0) + 1, 1, n), EXO_EINVAL);
    CAP_ERRORS(exo_space_count(C, page(0), 1, n), some_frame, c.env, EXO_R_READ);
    child_drop(&c);
}

static void view_cannot_be_touched(void)
{
    EXPECT_TRUE(!writable(EXO_VIEW_VA));
    EXPECT(exo_unmap(0, EXO_VIEW_VA, 1), EXO_EINVAL);
    EXPECT(exo_protect(0, EXO_VIEW_VA, 1, RW), EXO_EINVAL);
    EXPECT(exo_discard(0, EXO_VIEW_VA, 1), EXO_EINVAL);
    EXPECT(exo_view()->version, EXO_VIEW_VERSION);
}

/* ---- over the UTCB ----------------------------------------------------------------------------- */

static int64_t map_over_my_utcb(uint64_t how)
{
    struct exo_cap_info info;

    switch (how) {
    case 0: exo_unmap(0, CHILD_UTCB_VA, 2); break;
    case 1: exo_map(0, CHILD_UTCB_VA, 2, 0, 0, RW); break;
    case 2: exo_map(0, CHILD_UTCB_VA + PAGE, 1, 0, 0, EXO_MAP_READ); break;
    case 3: exo_protect(0, CHILD_UTCB_VA, 2, EXO_MAP_READ); break;
    case 4: exo_discard(0, CHILD_UTCB_VA, 2); break;
    default: exo_protect(0, CHILD_UTCB_VA, 2, 0); break;
    }
    /* Calls that use the UTCB go on with the frames that the thread holds. */
    exo_notify(EXO_CAP_THREAD, 1);
    exo_wait(0, 0, EXO_FOREVER);
    return exo_cap_info(EXO_CAP_ENV, &info) == EXO_OK ? 7 : 8;
}

static void mapping_over_the_utcb_hurts_nobody_else(void)
{
    for (unsigned how = 0; how < 6; how++) {
        struct child c;

        child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
        child_go(&c, map_over_my_utcb, how);
        struct exo_env_info info = child_wait(&c);
        EXPECT_TRUE(info.cause == EXO_EXITED || info.cause == EXO_CRASHED);
        child_drop(&c);
    }
}

static void utcb_needs_a_free_place(void)
{
    struct child c;
    struct exo_thread_args args = {.utcb = page(0), .priority = 1};

    child_make(&c, 64, 16);
    OK(exo_map(c.env, page(1), 1, 0, 0, RW | EXO_MAP_EAGER));
    EXPECT(exo_thread_create(c.env, &args), EXO_EEXIST);
    OK(exo_unmap(c.env, page(1), 1));
    drop(OK(exo_thread_create(c.env, &args)));
    EXPECT(exo_thread_create(c.env, &args), EXO_EEXIST); /* another's UTCB */
    EXPECT(exo_map(c.env, page(1), 1, 0, 0, RW | EXO_MAP_KEEP), EXO_EEXIST);
    child_drop(&c);
}

/* ---- accounts ---------------------------------------------------------------------------------- */

static int64_t map_charged(exo_cap account)
{
    int64_t env = exo_env_create(account), st = 0;

    if (env < 0)
        return env;
    for (unsigned i = 0; i < 600 && st == EXO_OK; i++) /* more than fit one page of the array */
        st = exo_map((exo_cap)env, page(2 * i), 1, 0, 0, RW);
    if (st == EXO_OK) /* from here on, splits */
        st = exo_map((exo_cap)env, page(2000), 1600, 0, 0, RW);
    for (unsigned i = 0; i < 700 && st == EXO_OK; i++)
        st = exo_protect((exo_cap)env, page(2000 + 2 * i), 1, EXO_MAP_READ);
    OK(exo_env_destroy((exo_cap)env, 0));
    drop((exo_cap)env);
    counters();
    return st;
}

static void account_that_runs_out_is_enomem(void)
{
    exhaust("map", map_charged, 64);
}

static int64_t touch_until_it_ends(uint64_t va)
{
    /* the kernel as the toucher: a fault of ours would end us */
    uint64_t n = 0;

    while (exo_entropy((uint64_t *)(va + n * PAGE)) == EXO_OK && n < 4096)
        n++;
    if (exo_region_create(0, 1, 1) < 0) /* objects are not frames */
        return -1;
    if (exo_discard(0, va, 4096) != EXO_OK || exo_entropy((uint64_t *)va) != EXO_OK)
        return -2;
    return (int64_t)n;
}

static void touching_stops_at_the_budget(void)
{
    struct child c;
    struct budget b;

    child_make(&c, 100, CHILD_OBJECTS);
    OK(exo_map(c.env, page(0), 4096, 0, 0, RW));
    child_go(&c, touch_until_it_ends, page(0));
    int64_t n = child_wait(&c).status;
    EXPECT_TRUE(n > 50 && n < 100);
    counters();
    b = budget_of(c.account);
    EXPECT_TRUE(b.frames_used <= b.frames);
    child_drop(&c);
}

int main(void)
{
    static const struct test tests[] = {
        T(anonymous_memory_reads_as_zeros),
        T(map_replaces_what_was_there),
        T(rights_are_those_asked_for),
        T(a_mapping_never_has_more_than_its_capability),
        T(private_writes_go_to_copies),
        T(eager_mappings_are_there_at_once),
        T(huge_eager_mapping_of_nothing_is_quick),
        T(map_checks_its_arguments),
        T(the_whole_address_space_can_be_mapped_and_unmapped),
        T(protect_needs_the_range_without_holes),
        T(mappings_split_and_join),
        T(discard_throws_private_pages_away),
        T(counts_tell_what_is_there),
        T(view_cannot_be_touched),
        T(mapping_over_the_utcb_hurts_nobody_else),
        T(utcb_needs_a_free_place),
        T(account_that_runs_out_is_enomem),
        T(touching_stops_at_the_budget),
    };
    return contract_run(tests, COUNT(tests));
}
