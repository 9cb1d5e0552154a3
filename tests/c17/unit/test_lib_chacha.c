/* SPDX-License-Identifier: MIT */
/* lib/chacha.c: the published test vectors, and the properties of the generator. */
// links: lib/chacha.c
#include "lib/chacha.h"
#include "test_framework.h"

static struct random r;

static void vectors(void)
{
    /* RFC 8439 A.1, test vector 1: key, counter and nonce all zero. */
    static const uint8_t zero_block[16] = {0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90,
                                           0x40, 0x5d, 0x6a, 0xe5, 0x53, 0x86, 0xbd, 0x28};
    /* The same, test vector 2: counter 1. */
    static const uint8_t next_block[16] = {0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51, 0x38, 0x7a,
                                           0x98, 0xba, 0x97, 0x7c, 0x73, 0x2d, 0x08, 0x0d};
    uint32_t key[8] = {0};
    uint8_t block[64];

    TEST_BEGIN("the stream is ChaCha20");
    chacha_block(key, 0, 0, block);
    ASSERT_MEMEQ(block, zero_block, 16);
    chacha_block(key, 1, 0, block);
    ASSERT_MEMEQ(block, next_block, 16);
    TEST_END();
}

static void generator(void)
{
    uint8_t seed[RANDOM_SEED_BYTES] = {1, 2, 3};
    static uint8_t a[4096], b[4096];
    unsigned ones = 0;

    TEST_BEGIN("equal seeds give equal bytes, a stirred one others");
    random_seed(&r, seed);
    random_bytes(&r, a, sizeof a);
    random_seed(&r, seed);
    random_bytes(&r, b, sizeof b);
    ASSERT_MEMEQ(a, b, sizeof a);
    random_seed(&r, seed);
    random_stir(&r, "x", 1);
    random_bytes(&r, b, sizeof b);
    ASSERT_NE(memcmp(a, b, 16), 0);
    TEST_END();

    TEST_BEGIN("bytes that were given away are not in the state");
    for (size_t bytes = 8; bytes <= 255; bytes++) {
        random_bytes(&r, a, bytes);
        for (size_t at = 0; at + 8 <= sizeof r; at++)
            ASSERT_NE(memcmp((uint8_t *)&r + at, a, 8), 0);
    }
    TEST_END();

    TEST_BEGIN("half of the bits are ones");
    random_bytes(&r, a, sizeof a);
    for (size_t i = 0; i < sizeof a; i++)
        ones += (unsigned)__builtin_popcount(a[i]);
    ASSERT_GT(ones, sizeof a * 4 - 400);
    ASSERT_LT(ones, sizeof a * 4 + 400);
    TEST_END();
}

int main(void)
{
    vectors();
    generator();
}
