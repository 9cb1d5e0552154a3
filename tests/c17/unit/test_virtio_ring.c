/* SPDX-License-Identifier: MIT */
/* libos/virtio/ring.c: what a device finds in the queue, and what is believed of its answers. */
// links: libos/virtio/ring.c
#include "libos/virtio/virtio.h"
#include "test_framework.h"

#define SIZE 8u

static uint8_t memory[VIRTQUEUE_BYTES] __attribute__((aligned(4096)));
static struct virtqueue q;
static struct virtq_desc tables[64][4];
static uint16_t bell, seen, answered;

static void fresh(bool indirect)
{
    memset(memory, 0, sizeof memory);
    virtqueue_init(&q, memory, SIZE, indirect);
    q.bell = &bell;
    q.number = 3;
    bell = seen = answered = 0;
}

static bool put(uint16_t count, uint16_t token)
{
    struct virtio_part parts[4];

    for (uint16_t i = 0; i < count; i++)
        parts[i] = (struct virtio_part){0x1000u * token + i, 16, i + 1 == count};
    return virtqueue_put(&q, parts, count, tables[token], 0x100000u + token, token);
}

/* The device: takes the next chain, checks it and says that it is done. */
static uint16_t device_take(uint16_t count)
{
    const volatile uint16_t *avail = q.avail;
    uint16_t head = avail[2 + seen % SIZE], at = head, length = 1;

    ASSERT_TRUE(avail[1] != seen);
    ASSERT_TRUE(head < SIZE);
    seen++;
    if (q.desc[head].flags & 4) {
        ASSERT_EQ(q.desc[head].bytes, count * 16);
        return head;
    }
    while (q.desc[at].flags & 1) {
        at = q.desc[at].next;
        length++;
        ASSERT_TRUE(at < SIZE && length <= count);
    }
    ASSERT_EQ(length, count);
    ASSERT_EQ(q.desc[at].flags, 2);
    return head;
}

static void device_answer(uint32_t head)
{
    volatile uint32_t *pair = (volatile uint32_t *)(volatile void *)(q.used + 2);

    pair[2 * (answered % SIZE)] = head;
    answered++;
    ((volatile uint16_t *)(uintptr_t)q.used)[1] = answered;
}

int main(void)
{
    uint16_t token = 99;

    TEST_BEGIN("a direct chain goes through, in any order, for ever");
    fresh(false);
    for (unsigned round = 0; round < 40000; round++) {
        ASSERT_TRUE(put(3, 1) && put(4, 2));
        ASSERT_FALSE(put(2, 3)); /* one descriptor is left */
        virtqueue_kick(&q);
        ASSERT_EQ(bell, 3);
        uint16_t a = device_take(3), b = device_take(4);
        ASSERT_FALSE(virtqueue_take(&q, &token));
        device_answer(b);
        device_answer(a);
        ASSERT_TRUE(virtqueue_take(&q, &token) && token == 2);
        ASSERT_TRUE(virtqueue_take(&q, &token) && token == 1);
        ASSERT_FALSE(virtqueue_take(&q, &token));
        ASSERT_EQ(q.free_count, SIZE);
    }
    TEST_END();

    TEST_BEGIN("with tables each request takes one descriptor");
    fresh(true);
    for (uint16_t i = 0; i < SIZE; i++)
        ASSERT_TRUE(put(4, i));
    ASSERT_FALSE(put(1, 8));
    virtqueue_kick(&q);
    for (uint16_t i = 0; i < SIZE; i++) {
        uint16_t head = device_take(4);

        ASSERT_EQ(q.desc[head].address, 0x100000u + i);
        ASSERT_EQ(tables[i][3].flags, 2);
        ASSERT_EQ(tables[i][0].next, 1);
        device_answer(head);
    }
    for (uint16_t i = 0; i < SIZE; i++)
        ASSERT_TRUE(virtqueue_take(&q, &token) && token == i);
    TEST_END();

    TEST_BEGIN("the device is told only if there is something, and if it wants to be");
    fresh(true);
    virtqueue_kick(&q);
    ASSERT_EQ(bell, 0);
    ((volatile uint16_t *)(uintptr_t)q.used)[0] = 1;
    ASSERT_TRUE(put(1, 1));
    virtqueue_kick(&q);
    ASSERT_EQ(bell, 0);
    ASSERT_EQ(q.avail[1], 1);
    TEST_END();

    TEST_BEGIN("an answer to what was never asked is nothing");
    fresh(false);
    device_answer(SIZE);
    device_answer(UINT32_MAX);
    ASSERT_FALSE(virtqueue_take(&q, &token));
    ASSERT_TRUE(put(2, 5));
    virtqueue_kick(&q);
    device_answer(device_take(2));
    ASSERT_TRUE(virtqueue_take(&q, &token) && token == 5);
    TEST_END();
}
