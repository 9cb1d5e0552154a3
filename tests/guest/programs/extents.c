// SPDX-License-Identifier: MIT
/*
 * What a program can do with the capability behind an open partition, by native calls: nothing outside of
 * its sectors, and nothing that harms the driver or its other clients.
 *
 *     extents PARTITION
 */
#include <exo.h>
#include <fcntl.h>
#include <proto/block.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tap.h"

#define PAGES 64u

static exo_cap extent, queue, memory;
static struct block_info info;
static const struct block_page *page;

static int64_t ask(exo_cap to, uint32_t label, uint64_t w0, uint64_t w1, uint64_t w2)
{
    struct exo_message m = {EXO_TAG(label, 0, 0), {w0, w1, w2, 0}};

    return exo_call(to, &m) < 0 ? -1000 : (int64_t)m.w[0];
}

/* Of what a call answered, as many as came. */
static exo_cap came(unsigned index)
{
    return exo_utcb()->received[index];
}

static int64_t ask_for_caps(exo_cap to, uint32_t label, uint64_t w0, uint64_t w1, uint64_t w2)
{
    int64_t result;

    exo_utcb()->recv_caps = 2;
    result = ask(to, label, w0, w1, w2);
    exo_utcb()->recv_caps = 0;
    return result;
}

/* The LibOS does not tell which handle it is; any program can look. */
static bool find_extent(void)
{
    struct exo_cap_info cap;

    for (uint32_t slot = 1; slot < 4096; slot++) {
        for (uint32_t generation = 1; generation < 64; generation++) {
            exo_cap handle = EXO_HANDLE(slot, generation);

            if (exo_cap_info(handle, &cap) != EXO_OK)
                continue;
            if (cap.type == EXO_ENDPOINT && (cap.badge & BLOCK_BADGE_EXTENT) &&
                ask(handle, BLOCK_INFO, 0, 0, 0) == 0) {
                memcpy(&info, exo_utcb()->msg, sizeof info);
                extent = handle;
                return true;
            }
        }
    }
    return false;
}

static int64_t give_buffer(uint64_t number, exo_cap cap)
{
    struct exo_message m = {EXO_TAG(BLOCK_BUFFER, 0, 1), {number, 0, 0, 0}};

    exo_utcb()->send[0] = (struct exo_send){cap, EXO_SEND_COPY};
    return exo_call(queue, &m) < 0 ? -1000 : (int64_t)m.w[0];
}

/* One request: 0 and it is done, or the errno, of the submit or of the completion. */
static uint32_t last_tag;
static int64_t do_request(struct block_request r)
{
    struct exo_message m = {.tag = EXO_TAG(BLOCK_SUBMIT, sizeof r, 0)};
    uint64_t done;

    r.tag = ++last_tag;
    memcpy(exo_utcb()->msg, &r, sizeof r);
    if (exo_call(queue, &m) < 0)
        return -1000;
    if (m.w[0] != 1)
        return -(int64_t)m.w[1];
    while (BLOCK_DONE_TAG(done = atomic_load(&page->done[r.slot])) != r.tag)
        exo_yield(0);
    return -(int64_t)BLOCK_DONE_ERROR(done);
}

#define DO(...) do_request((struct block_request){__VA_ARGS__})

static void parts_only_shrink(void)
{
    begin("parts of an extent only shrink");
    uint64_t all = info.sectors;

    CHECK(ask_for_caps(extent, BLOCK_PART, 0, all + 1, BLOCK_READ) == -EINVAL);
    CHECK(ask_for_caps(extent, BLOCK_PART, all, 1, BLOCK_READ) == -EINVAL);
    CHECK(ask_for_caps(extent, BLOCK_PART, all - 1, 2, BLOCK_READ) == -EINVAL);
    CHECK(ask_for_caps(extent, BLOCK_PART, UINT64_MAX, 2, BLOCK_READ) == -EINVAL);
    CHECK(ask_for_caps(extent, BLOCK_PART, 1, UINT64_MAX, BLOCK_READ) == -EINVAL);
    CHECK(ask_for_caps(extent, BLOCK_PART, 0, 1, 0) == -EINVAL);
    CHECK(ask_for_caps(extent, BLOCK_PART, 0, 1, ~0ull) == -EINVAL);
    CHECK(ask(extent, BLOCK_DISK, 0, 0, 0) < 0); /* for servers */
    CHECK(ask(extent, BLOCK_SUBMIT, 0, 0, 0) < 0);
    CHECK(ask_for_caps(extent, BLOCK_PART, 1, 10, BLOCK_READ) == 0);
    exo_cap part = came(0);
    CHECK(ask_for_caps(part, BLOCK_PART, 0, 11, BLOCK_READ) == -EINVAL);
    CHECK(ask_for_caps(part, BLOCK_PART, 0, 10, BLOCK_READ | BLOCK_WRITE) == -EPERM);
    CHECK(ask(part, BLOCK_INFO, 0, 0, 0) == 0);
    CHECK(((struct block_info *)(void *)exo_utcb()->msg)->first == info.first + 1);
    CHECK(exo_cap_derive(part, EXO_R_CALL, BLOCK_BADGE_EXTENT, 0, 0) <
          0); /* no badge of one's own */
    exo_cap_delete(part, 0);
    end();
}

static void requests_stay_inside(void)
{
    begin("requests stay inside");
    uint64_t all = info.sectors;

    CHECK(DO(.kind = BLOCK_OP_WRITE, .first = all, .sectors = 1) == -EINVAL);
    CHECK(DO(.kind = BLOCK_OP_WRITE, .first = all - 1, .sectors = 2) == -EINVAL);
    CHECK(DO(.kind = BLOCK_OP_WRITE, .first = ~0ull, .sectors = 2) == -EINVAL);
    CHECK(DO(.kind = BLOCK_OP_DISCARD, .first = all, .sectors = 1) == -EINVAL);
    CHECK(DO(.kind = BLOCK_OP_READ, .first = 0, .sectors = 8) == 0);
    CHECK(DO(.kind = BLOCK_OP_FLUSH) == 0);
    end();
}

static void memory_must_be_lent(void)
{
    begin("memory must be there and be lent");
    exo_cap reader = (exo_cap)exo_cap_derive(memory, EXO_R_READ | EXO_R_GRANT, 0, 0, 0);
    int64_t other = exo_region_create(0, 4, 0);

    CHECK(give_buffer(1, reader) == 0);
    CHECK(DO(.kind = BLOCK_OP_READ, .sectors = 1, .buffer = 1) == -EFAULT);
    CHECK(DO(.kind = BLOCK_OP_WRITE, .sectors = 1, .buffer = 1) == 0);
    CHECK(give_buffer(2, (exo_cap)other) == 0);
    CHECK(DO(.kind = BLOCK_OP_READ, .sectors = 1, .buffer = 2) == -EFAULT); /* nothing in it */
    CHECK(DO(.kind = BLOCK_OP_READ, .sectors = 1, .buffer = 3) == -EINVAL);
    CHECK(DO(.kind = BLOCK_OP_READ, .sectors = 1, .offset = PAGES * EXO_PAGE_SIZE) == -EFAULT);
    CHECK(give_buffer(1, extent) == 0); /* no memory at all */
    CHECK(DO(.kind = BLOCK_OP_READ, .sectors = 1, .buffer = 1) == -EFAULT);
    CHECK(give_buffer(BLOCK_BUFFERS, memory) == -EINVAL);
    exo_cap_delete(reader, 0);
    exo_cap_delete((exo_cap)other, 0);
    end();
}

/* Memory that is taken away under the disk's hands is nobody else's before the disk is done. */
static void memory_may_go_while_it_is_read_into(void)
{
    begin("memory may go while the disk reads into it");
    bool ended = true;

    for (unsigned round = 0; round < 50; round++) {
        struct block_request r = {
            .kind = BLOCK_OP_READ, .slot = 1, .tag = ++last_tag, .sectors = 256};
        struct exo_message m = {.tag = EXO_TAG(BLOCK_SUBMIT, sizeof r, 0)};

        memcpy(exo_utcb()->msg, &r, sizeof r);
        ended = ended && exo_call(queue, &m) >= 0 && m.w[0] == 1;
        exo_region_punch(memory, 0, PAGES);
        while (BLOCK_DONE_TAG(atomic_load(&page->done[1])) != r.tag)
            exo_yield(0);
    }
    CHECK(ended);
    end();
}

static uint64_t random_state = 88172645463325252u;
static uint64_t next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static void nonsense_is_survived(void)
{
    begin("3000 messages of nonsense are survived");
    for (unsigned round = 0; round < 3000; round++) {
        uint32_t bytes = (uint32_t)next() % 2100;
        struct exo_message m = {EXO_TAG(next() % 4 ? BLOCK_SUBMIT : next() % 64, bytes, 0),
                                {next(), next() % 8, next(), next()}};
        uint64_t *at = (uint64_t *)(void *)exo_utcb()->msg;

        for (unsigned i = 0; i < bytes / 8; i++) {
            at[i] = next() >> next() % 64;
            if (i % 4 == 0 && next() % 2) /* a kind that is one; reading only, into what there is */
                at[i] = (at[i] & ~(uint64_t)UINT32_MAX) | (next() % BLOCK_SLOTS) << 16;
            else if (i % 4 == 0)
                at[i] |= 0x80;
        }
        exo_call(next() % 3 ? queue : extent, &m);
    }
    CHECK(ask(extent, BLOCK_INFO, 0, 0, 0) == 0);
    end();
}

int main(int argc, char **argv)
{
    int fd = open(argc == 2 ? argv[1] : "", O_RDWR);

    if (fd < 0 || !find_extent()) {
        perror("extents");
        return 2;
    }
    memory = (exo_cap)exo_region_create(0, PAGES, 1);
    begin("a queue is had for an extent, its page to read only");
    CHECK(ask_for_caps(extent, BLOCK_QUEUE, 0, 0, 0) == 0);
    queue = came(0);
    exo_cap region = came(1);
    void *at = mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(exo_map(0, (uint64_t)at, 1, region, 0, EXO_MAP_READ | EXO_MAP_WRITE) == EXO_ERIGHTS);
    CHECK(exo_map(0, (uint64_t)at, 1, region, 0, EXO_MAP_READ) == EXO_OK);
    page = at;
    CHECK(give_buffer(0, memory) == 0);
    end();

    parts_only_shrink();
    requests_stay_inside();
    memory_must_be_lent();
    memory_may_go_while_it_is_read_into();
    nonsense_is_survived();
    return finish();
}
