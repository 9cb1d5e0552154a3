/* SPDX-License-Identifier: MIT */
/*
 * drivers/virtio_blk: extents and queues, on a disk that the test plays. Whoever holds an extent reaches
 * no sector outside; and whichever of the driver's calls is its last, in its next life all that it had
 * taken is done.
 */
// links: drivers/virtio_blk/extent.c drivers/virtio_blk/queue.c
#define _GNU_SOURCE
#include "drivers/virtio_blk/blk.h"
#include "test_framework.h"

#include <setjmp.h>
#include <sys/mman.h>

struct exo_utcb test_utcb;
struct state state;

/* ---- the kernel and the disk ------------------------------------------------------------------------ */

static jmp_buf death;
static uint64_t steps_left = UINT64_MAX; /* calls out of the driver until it dies */
static uint64_t next_handle;
static uint32_t revoked;
static exo_cap lent; /* the only one that somebody holds */

static void step(void)
{
    if (steps_left-- == 0) {
        steps_left = UINT64_MAX;
        longjmp(death, 1);
    }
}

int64_t test_trap(uint64_t number, const uint64_t a[6])
{
    step();
    switch (number) {
    case EXO_NR_map:
        if (mmap((void *)a[1], 4096, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED)
            return EXO_OK; /* mapped in an earlier life */
        return EXO_OK;
    case EXO_NR_cap_derive:
    case EXO_NR_region_create: return (int64_t)(1000 + next_handle++);
    case EXO_NR_cap_revoke: revoked++; return EXO_OK;
    case EXO_NR_cap_info:
        *(struct exo_cap_info *)a[1] =
            (struct exo_cap_info){.flags = a[0] == lent ? EXO_CAP_LENT : 0};
        return EXO_OK;
    default: return EXO_OK;
    }
}

#define DISK_SECTORS 1000u
static struct {
    bool under_way;
    struct block_request what;
} device[REQUESTS];
static uint32_t room = REQUESTS, flushes_are_done;
static uint32_t times[16]; /* that a request with this tag was done */

bool disk_info(uint32_t disk, struct block_info *out)
{
    *out = (struct block_info){.sectors = DISK_SECTORS, .rights = 7};
    return disk == 0;
}

int64_t disk_submit(uint32_t disk, uint32_t request)
{
    const struct block_request *r = &state.records[disk][request].what;

    step();
    if (r->kind == BLOCK_OP_FLUSH && flushes_are_done)
        return DISK_DONE;
    if (room == 0)
        return -EAGAIN;
    ASSERT_FALSE(device[request].under_way);
    ASSERT_TRUE(r->kind == BLOCK_OP_FLUSH ||
                (r->first < DISK_SECTORS && r->sectors <= DISK_SECTORS - r->first));
    room--;
    device[request].under_way = true;
    device[request].what = *r;
    return 0;
}

void disk_kick(uint32_t disk)
{
    (void)disk;
    step();
}

/* The device does what it has; the driver hears of it. */
static void device_work(void)
{
    for (uint32_t i = 0; i < REQUESTS; i++) {
        if (!device[i].under_way)
            continue;
        device[i].under_way = false;
        room++;
        times[device[i].what.tag % 16]++;
        step(); /* done, and the driver dies before it hears of it */
        request_done(0, i, 0);
    }
    queues_tell();
}

static void device_reset(void)
{
    memset(device, 0, sizeof device);
    room = REQUESTS;
}

static struct queue *open_queue(uint64_t first, uint64_t sectors, uint32_t rights)
{
    int64_t e = extent_make(0, first, sectors, rights), index;

    ASSERT_TRUE(e >= 0);
    index = queue_make(&state.extents[e], 1, 0);
    ASSERT_TRUE(index >= 0);
    ASSERT_EQ(queue_set_buffer(&state.queues[index], 0, 77), 0);
    memset(queue_page((uint32_t)index), 0, 4096);
    return &state.queues[index];
}

static void fresh(void)
{
    memset(&state, 0, sizeof state);
    memset(times, 0, sizeof times);
    device_reset();
    flushes_are_done = 0;
}

/* What one request comes to: 0, or the errno. */
static uint32_t ask(struct queue *q, struct block_request r)
{
    uint32_t error = 0;
    uint64_t taken = queue_submit(q, &r, 1, &error);

    ASSERT_EQ(taken, error == 0);
    device_work();
    return error;
}

#define ASK(...) ask(q, (struct block_request){.tag = ++tag, __VA_ARGS__})

/* ---- the tests --------------------------------------------------------------------------------------- */

static void bounds(void)
{
    struct queue *q;
    uint32_t tag = 0;

    TEST_BEGIN("an extent's sectors are all that its holder reaches");
    fresh();
    q = open_queue(100, 50, BLOCK_READ | BLOCK_WRITE);
    ASSERT_EQ(ASK(.kind = BLOCK_OP_READ, .first = 0, .sectors = 50), 0);
    ASSERT_EQ(ASK(.kind = BLOCK_OP_WRITE, .first = 49, .sectors = 1), 0);
    ASSERT_EQ(ASK(.kind = BLOCK_OP_READ, .first = 50, .sectors = 1), EINVAL);
    ASSERT_EQ(ASK(.kind = BLOCK_OP_READ, .first = 49, .sectors = 2), EINVAL);
    ASSERT_EQ(ASK(.kind = BLOCK_OP_READ, .first = UINT64_MAX, .sectors = 2), EINVAL);
    ASSERT_EQ(ASK(.kind = BLOCK_OP_WRITE, .first = 1, .sectors = UINT64_MAX), EINVAL);
    ASSERT_EQ(ASK(.kind = BLOCK_OP_WRITE, .first = 0, .sectors = 0), EINVAL);
    ASSERT_EQ(ASK(.kind = BLOCK_OP_DISCARD, .first = 0, .sectors = 1), EOPNOTSUPP);
    TEST_END();

    TEST_BEGIN("rights are needed");
    fresh();
    q = open_queue(100, 50, BLOCK_READ);
    ASSERT_EQ(ASK(.kind = BLOCK_OP_READ, .sectors = 1), 0);
    ASSERT_EQ(ASK(.kind = BLOCK_OP_WRITE, .sectors = 1), EPERM);
    ASSERT_EQ(ASK(.kind = BLOCK_OP_DISCARD, .sectors = 1), EPERM);
    ASSERT_EQ(ASK(.kind = BLOCK_OP_FLUSH), 0);
    q = open_queue(100, 50, BLOCK_WRITE | BLOCK_DISCARD);
    ASSERT_EQ(ASK(.kind = BLOCK_OP_READ, .sectors = 1), EPERM);
    ASSERT_EQ(ASK(.kind = BLOCK_OP_DISCARD, .first = 49, .sectors = 1), 0);
    ASSERT_EQ(ASK(.kind = BLOCK_OP_DISCARD, .first = 49, .sectors = 2), EINVAL);
    TEST_END();

    TEST_BEGIN("what makes no sense is refused");
    fresh();
    q = open_queue(0, DISK_SECTORS, BLOCK_READ | BLOCK_WRITE);
    ASSERT_EQ(ASK(.kind = 4, .sectors = 1), EINVAL);
    ASSERT_EQ(ASK(.kind = BLOCK_OP_READ, .sectors = 1, .buffer = 1), EINVAL);
    ASSERT_EQ(ASK(.kind = BLOCK_OP_READ, .sectors = 1, .buffer = 255), EINVAL);
    ASSERT_EQ(ASK(.kind = BLOCK_OP_READ, .sectors = 1, .slot = BLOCK_SLOTS), EINVAL);
    ASSERT_EQ(ASK(.kind = BLOCK_OP_READ, .sectors = 1, .offset = 100), EINVAL);
    ASSERT_EQ(ASK(.kind = BLOCK_OP_READ, .sectors = 513), EINVAL);
    ASSERT_EQ(ASK(.kind = BLOCK_OP_READ, .sectors = 512, .offset = 512), EINVAL);
    ASSERT_EQ(ASK(.kind = BLOCK_OP_READ, .sectors = 8, .offset = ~(uint64_t)511), EINVAL);
    ASSERT_EQ(ASK(.kind = BLOCK_OP_READ, .sectors = 512), 0);
    tag = UINT32_MAX;
    ASSERT_EQ(ASK(.kind = BLOCK_OP_READ, .sectors = 1), EINVAL); /* tag 0 */
    TEST_END();

    TEST_BEGIN("a badge of another generation, or of nothing, is nobody's");
    fresh();
    q = open_queue(0, 10, BLOCK_READ);
    uint64_t index = (uint64_t)(q - state.queues);
    ASSERT_TRUE(queue_of_badge(BADGE(BLOCK_BADGE_QUEUE, q->generation, index)) == q);
    ASSERT_TRUE(queue_of_badge(BADGE(BLOCK_BADGE_QUEUE, q->generation + 1, index)) == 0);
    ASSERT_TRUE(queue_of_badge(BADGE(BLOCK_BADGE_EXTENT, q->generation, index)) == 0);
    ASSERT_TRUE(queue_of_badge(BADGE(BLOCK_BADGE_QUEUE, q->generation, 0xffff)) == 0);
    ASSERT_TRUE(extent_of_badge(BADGE(BLOCK_BADGE_EXTENT, 12345, 0)) == 0);
    ASSERT_TRUE(extent_of_badge(BADGE(BLOCK_BADGE_EXTENT, 1, 0xffff)) == 0);
    TEST_END();
}

static void life(void)
{
    struct block_request r = {.kind = BLOCK_OP_READ, .sectors = 1, .tag = 1};
    struct queue *q;
    uint32_t error;

    TEST_BEGIN("a slot takes one request at a time, and a full disk none");
    fresh();
    q = open_queue(0, 10, BLOCK_READ);
    ASSERT_EQ(queue_submit(q, &r, 1, &error), 1);
    r.tag = 2;
    ASSERT_EQ(queue_submit(q, &r, 1, &error), 0);
    ASSERT_EQ(error, EBUSY);
    ASSERT_EQ(queue_set_buffer(q, 0, 5), -EBUSY);
    device_work();
    ASSERT_EQ(queue_page(0)->done[0], BLOCK_DONE(1, 0));
    ASSERT_EQ(queue_set_buffer(q, 0, 5), 0);
    room = 0;
    ASSERT_EQ(queue_submit(q, &r, 1, &error), 0);
    ASSERT_EQ(error, EAGAIN);
    TEST_END();

    TEST_BEGIN("a queue that nobody holds goes when its last request is done, its page with it");
    fresh();
    q = open_queue(0, 10, BLOCK_READ);
    extent_unheld(&state.extents[0]);
    ASSERT_TRUE(state.extents[0].valid);
    ASSERT_EQ(queue_submit(q, &r, 1, &error), 1);
    revoked = 0;
    queue_unheld(q);
    ASSERT_TRUE(q->valid);
    ASSERT_EQ(revoked, 0);
    device_work();
    ASSERT_FALSE(q->valid || state.extents[0].valid);
    ASSERT_EQ(revoked, 1);
    TEST_END();

    TEST_BEGIN("extents and queues end in an error, not beyond their tables");
    fresh();
    for (uint32_t i = 0; i < EXTENTS; i++)
        ASSERT_EQ(extent_make(0, i, 1, BLOCK_READ), i);
    ASSERT_EQ(extent_make(0, 0, 1, BLOCK_READ), -ENFILE);
    for (uint32_t i = 0; i < QUEUES; i++)
        ASSERT_EQ(queue_make(&state.extents[0], 0, 0), i);
    ASSERT_EQ(queue_make(&state.extents[0], 0, 0), -ENFILE);
    TEST_END();

    TEST_BEGIN("what was made and never lent makes room");
    lent = state.extents[2].cap;
    ASSERT_TRUE(queues_sweep());
    ASSERT_EQ(state.extents[0].users, 0);
    ASSERT_TRUE(extents_sweep(&state.extents[1]));
    for (uint32_t i = 0; i < EXTENTS; i++)
        ASSERT_EQ(state.extents[i].valid, i == 1 || i == 2);
    ASSERT_FALSE(queues_sweep());
    ASSERT_FALSE(extents_sweep(&state.extents[1]));
    TEST_END();
}

/* One client, three requests in two batches; the driver dies at its n-th call out. What the client was
 * told was taken, and what it asks again, is done. */
static bool die_at(uint64_t n)
{
    static volatile bool died;
    struct block_request r[3] = {
        {.kind = BLOCK_OP_WRITE, .slot = 0, .tag = 1, .first = 3, .sectors = 2},
        {.kind = BLOCK_OP_FLUSH, .slot = 1, .tag = 2},
        {.kind = BLOCK_OP_WRITE, .slot = 2, .tag = 3, .first = 7, .sectors = 1, .offset = 4096},
    };
    struct queue *q;
    uint32_t error;

    fresh();
    q = open_queue(100, 50, BLOCK_READ | BLOCK_WRITE);
    died = false;
    steps_left = n;
    if (setjmp(death) == 0) {
        ASSERT_EQ(queue_submit(q, r, 2, &error), 2);
        device_work();
        ASSERT_EQ(queue_submit(q, r + 2, 1, &error), 1);
        device_work();
        steps_left = UINT64_MAX;
    } else {
        died = true;
        device_reset();
        queues_recover();
        /* The client's call came back with ERESTARTED: it asks again, for the first two only if it had
         * not seen them done. */
        if (queue_page(0)->done[2] == 0 && times[3] == 0) {
            if (queue_page(0)->done[0] == 0 || queue_page(0)->done[1] == 0)
                ASSERT_EQ(queue_submit(q, r, 2, &error), 2);
            device_work();
            ASSERT_EQ(queue_submit(q, r + 2, 1, &error), 1);
        }
        device_work();
    }
    for (uint32_t i = 0; i < 3; i++) {
        ASSERT_EQ(queue_page(0)->done[i], BLOCK_DONE(i + 1, 0));
        ASSERT_TRUE(times[i + 1] == 1 || (died && times[i + 1] == 2));
    }
    ASSERT_EQ(q->under_way, 0);
    ASSERT_EQ(q->busy, 0);
    for (uint32_t i = 0; i < REQUESTS; i++)
        ASSERT_FALSE(state.records[0][i].valid);
    return died;
}

static void rebirth(void)
{
    uint64_t n = 0;

    TEST_BEGIN("the driver may die at each of its calls");
    while (die_at(n))
        n++;
    ASSERT_EQ(n, 10);
    TEST_END();
}

int main(void)
{
    bounds();
    life();
    rebirth();
}
