/* SPDX-License-Identifier: MIT */
/*
 * Random bytes that nobody can predict or reconstruct: the ChaCha20 stream as a generator.
 *
 *     struct random r;
 *     random_seed(&r, seed);        // 32 bytes from exo_entropy
 *     random_bytes(&r, to, bytes);
 *
 * Whoever sees the state later cannot tell what it gave before. After a copy of the state was made
 * (fork) each copy must be stirred with something of its own.
 */
#ifndef LIB_CHACHA_H
#define LIB_CHACHA_H

#include <stddef.h>
#include <stdint.h>

#define RANDOM_SEED_BYTES 32u

struct random {
    uint32_t key[8];
    uint64_t nonce;
    uint8_t ready[256]; /* made and not given away; used up from the start */
    uint32_t used;
};

void random_seed(struct random *r, const uint8_t seed[RANDOM_SEED_BYTES]);
/** Mixes `bytes` bytes of anything into the state; never makes it more predictable. */
void random_stir(struct random *r, const void *from, size_t bytes);
void random_bytes(struct random *r, void *to, size_t bytes);

/** One block of the ChaCha20 stream (RFC 8439 section 2.3, with the 64-bit counter and nonce of the
 *  original): 64 bytes. */
void chacha_block(const uint32_t key[8], uint64_t counter, uint64_t nonce, uint8_t to[64]);

#endif
