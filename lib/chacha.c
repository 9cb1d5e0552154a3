/* SPDX-License-Identifier: MIT */
/*
 * ChaCha20 (D. J. Bernstein, 2008; RFC 8439) as a random generator with "fast key erasure": the
 * first 32 bytes of every batch become the next key at once, and bytes given away are cleared, so
 * the state never holds what made earlier output.
 *
 * Large requests are made in place with a key of their own, not through the small store.
 *
 * Tests: tests/c17/unit/test_lib_chacha.c
 */
#include <lib/chacha.h>
#include <lib/string.h>

static inline uint32_t rotate(uint32_t word, unsigned by)
{
    return word << by | word >> (32 - by);
}

#define QUARTER(a, b, c, d)                                                                     \
    a += b, d = rotate(d ^ a, 16), c += d, b = rotate(b ^ c, 12), a += b, d = rotate(d ^ a, 8), \
            c += d, b = rotate(b ^ c, 7)

static void chacha_rounds(uint32_t x[16])
{
    for (unsigned i = 0; i < 10; i++) {
        QUARTER(x[0], x[4], x[8], x[12]);
        QUARTER(x[1], x[5], x[9], x[13]);
        QUARTER(x[2], x[6], x[10], x[14]);
        QUARTER(x[3], x[7], x[11], x[15]);
        QUARTER(x[0], x[5], x[10], x[15]);
        QUARTER(x[1], x[6], x[11], x[12]);
        QUARTER(x[2], x[7], x[8], x[13]);
        QUARTER(x[3], x[4], x[9], x[14]);
    }
}

void chacha_block(const uint32_t key[8], uint64_t counter, uint64_t nonce, uint8_t to[64])
{
    uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    uint32_t x[16];

    memcpy(start + 4, key, 32);
    start[12] = (uint32_t)counter;
    start[13] = (uint32_t)(counter >> 32);
    start[14] = (uint32_t)nonce;
    start[15] = (uint32_t)(nonce >> 32);
    memcpy(x, start, sizeof x);
    chacha_rounds(x);
    for (unsigned i = 0; i < 16; i++) {
        uint32_t word = x[i] + start[i];

        for (unsigned byte = 0; byte < 4; byte++)
            to[4 * i + byte] = (uint8_t)(word >> (8 * byte));
    }
}

/* A batch: the key is replaced by its first bytes, the rest can be given away. */
static void refill(struct random *r)
{
    for (unsigned i = 0; i < sizeof r->ready / 64; i++)
        chacha_block(r->key, i, r->nonce, r->ready + 64 * (size_t)i);
    memcpy(r->key, r->ready, sizeof r->key);
    memset(r->ready, 0, sizeof r->key);
    r->used = sizeof r->key;
    r->nonce++;
}

void random_seed(struct random *r, const uint8_t seed[RANDOM_SEED_BYTES])
{
    memcpy(r->key, seed, sizeof r->key);
    r->nonce = 0;
    refill(r);
}

void random_stir(struct random *r, const void *from, size_t bytes)
{
    const uint8_t *at = from;

    while (bytes > 0) {
        size_t part = bytes < sizeof r->key ? bytes : sizeof r->key;

        for (size_t i = 0; i < part; i++)
            ((uint8_t *)r->key)[i] ^= at[i];
        refill(r);
        at += part;
        bytes -= part;
    }
}

/* Whole blocks straight to their place, with a key that is forgotten. */
static void fill_large(struct random *r, uint8_t *to, size_t blocks)
{
    uint32_t key[8];

    random_bytes(r, key, sizeof key);
    for (size_t i = 0; i < blocks; i++)
        chacha_block(key, i, 0, to + 64 * i);
    memset(key, 0, sizeof key);
    __asm__ volatile("" : : "r"(key) : "memory"); /* or the compiler would leave the memset out */
}

void random_bytes(struct random *r, void *to, size_t bytes)
{
    uint8_t *at = to;

    if (bytes >= sizeof r->ready) {
        fill_large(r, at, bytes / 64);
        at += bytes / 64 * 64;
        bytes %= 64;
    }
    while (bytes > 0) {
        size_t part = sizeof r->ready - r->used;

        if (part == 0) {
            refill(r);
            continue;
        }
        if (part > bytes)
            part = bytes;
        memcpy(at, r->ready + r->used, part);
        memset(r->ready + r->used, 0, part);
        r->used += (uint32_t)part;
        at += part;
        bytes -= part;
    }
}
