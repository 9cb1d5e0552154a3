/* SPDX-License-Identifier: MIT */
/* libos/posix: the ring inside pipes and sockets. */
// links: libos/posix/ring.c
#include "test_framework.h"

#include <libos/posix/ring.h>

static struct ring ring;
static uint8_t data[RING_BYTES];
static bool faulty;
static int copies;

static int64_t copy_out(uint64_t to, const void *from, size_t bytes)
{
    copies++;
    if (faulty)
        return -1;
    memcpy((void *)to, from, bytes);
    return 0;
}

static int64_t copy_in(void *to, uint64_t from, size_t bytes)
{
    copies++;
    if (faulty)
        return -1;
    memcpy(to, (const void *)from, bytes);
    return 0;
}

static int64_t put(const void *from, size_t bytes)
{
    return ring_write(&ring, data, (uint64_t)from, bytes, copy_in);
}

static int64_t get(void *to, size_t bytes)
{
    return ring_read(&ring, data, (uint64_t)to, bytes, copy_out);
}

static void fresh(uint32_t position)
{
    memset(&ring, 0, sizeof ring);
    ring.head = ring.tail = position;
    faulty = false;
    copies = 0;
}

static uint8_t big[2 * RING_BYTES], back[2 * RING_BYTES];

static void test_order(void)
{
    TEST_BEGIN("bytes come out in the order they went in, across both wraps");
    uint32_t sent = 0, received = 0, random = 1;

    fresh(UINT32_MAX - 100000); /* the positions wrap, too */
    for (int i = 0; i < 4000; i++) {
        random = random * 1664525 + 1013904223;
        size_t size = (random >> 8) % 9000 + 1;
        for (size_t k = 0; k < size; k++)
            big[k] = (uint8_t)((sent + k) * 31 >> 3);
        int64_t moved = put(big, size);
        ASSERT_GE(moved, 0);
        sent += (uint32_t)moved;
        random = random * 1664525 + 1013904223;
        moved = get(back, (random >> 8) % 9000 + 1);
        ASSERT_GE(moved, 0);
        for (int64_t k = 0; k < moved; k++)
            ASSERT_EQ(back[k], (uint8_t)((received + (uint32_t)k) * 31 >> 3));
        received += (uint32_t)moved;
        ASSERT_EQ(ring_used(&ring), sent - received);
    }
    TEST_END();
}

static void test_limits(void)
{
    TEST_BEGIN("an empty ring gives nothing and a full one takes nothing");
    fresh(77);
    ASSERT_EQ(get(back, 10), 0);
    ASSERT_EQ(put(big, sizeof big), RING_BYTES);
    ASSERT_EQ(ring_free(&ring), 0);
    ASSERT_EQ(put(big, 1), 0);
    ASSERT_EQ(put(big, sizeof big), 0);
    ASSERT_EQ(get(back, sizeof back), RING_BYTES);
    ASSERT_EQ(ring_used(&ring), 0);
    TEST_END();
    TEST_BEGIN("a small write is not torn, a large one takes what room there is");
    fresh(0);
    ASSERT_EQ(put(big, RING_BYTES - 100), RING_BYTES - 100);
    ASSERT_EQ(put(big, 101), 0);
    ASSERT_EQ(put(big, RING_ATOMIC), 0);
    ASSERT_EQ(put(big, RING_ATOMIC + 1), 100);
    TEST_END();
}

static void test_failures(void)
{
    TEST_BEGIN("a fault moves nothing");
    fresh(RING_BYTES - 5);
    ASSERT_EQ(put("0123456789", 10), 10);
    faulty = true;
    ASSERT_EQ(get(back, 10), RING_FAULT);
    ASSERT_EQ(put(big, 10), RING_FAULT);
    faulty = false;
    ASSERT_EQ(ring_used(&ring), 10);
    ASSERT_EQ(get(back, 100), 10);
    ASSERT_MEMEQ(back, "0123456789", 10);
    TEST_END();
    TEST_BEGIN("positions that make no sense are an error and touch no memory");
    fresh(0);
    ring.tail = RING_BYTES + 1;
    ASSERT_EQ(get(back, 1), RING_BROKEN);
    ASSERT_EQ(put(big, 1), RING_BROKEN);
    ASSERT_EQ(ring_free(&ring), 0);
    ring.tail = 0;
    ring.head = 1;
    ASSERT_EQ(get(back, 1), RING_BROKEN);
    ASSERT_EQ(put(big, 1), RING_BROKEN);
    ASSERT_EQ(copies, 0);
    TEST_END();
}

static void test_peek(void)
{
    TEST_BEGIN("peeking leaves the bytes");
    fresh(RING_BYTES - 2);
    ASSERT_EQ(put("abcd", 4), 4);
    ASSERT_EQ(ring_peek(&ring, data, (uint64_t)back, 3, copy_out), 3);
    ASSERT_MEMEQ(back, "abc", 3);
    ASSERT_EQ(ring_used(&ring), 4);
    TEST_END();
}

static void test_waking(void)
{
    TEST_BEGIN("readers are woken once for each time they asked");
    fresh(0);
    ASSERT_FALSE(ring_wake_readers(&ring));
    ring.readers_wait = 1;
    ASSERT_TRUE(ring_wake_readers(&ring));
    ASSERT_FALSE(ring_wake_readers(&ring));
    TEST_END();
    TEST_BEGIN("writers are woken when a small write would fit");
    fresh(0);
    put(big, RING_BYTES);
    ring.writers_wait = 1;
    get(back, RING_ATOMIC - 1);
    ASSERT_FALSE(ring_wake_writers(&ring));
    ASSERT_EQ(ring.writers_wait, 1);
    get(back, 1);
    ASSERT_TRUE(ring_wake_writers(&ring));
    ASSERT_FALSE(ring_wake_writers(&ring));
    TEST_END();
}

int main(void)
{
    test_order();
    test_limits();
    test_failures();
    test_peek();
    test_waking();
}
