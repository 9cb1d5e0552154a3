/* SPDX-License-Identifier: MIT */
/*
 * Hashes of names. Each fills words from the name, mixes them into a state that begins with the
 * volume's seed, and gives two numbers: the major hash, which finds the leaf, and the minor one.
 */
#include "servers/fs/ext4/private.h"

static uint32_t rotate(uint32_t v, unsigned by)
{
    return v << by | v >> (32 - by);
}

/* The first rounds of MD4 (RFC 1320) over half of its block; G is written as the majority. */
static void half_md4(uint32_t state[4], const uint32_t in[8])
{
    static const uint8_t order[3][8] = {
        {0, 1, 2, 3, 4, 5, 6, 7}, {1, 3, 5, 7, 0, 2, 4, 6}, {3, 7, 2, 6, 1, 5, 0, 4}};
    static const uint8_t shift[3][4] = {{3, 7, 11, 19}, {3, 5, 9, 13}, {3, 9, 11, 15}};
    static const uint32_t add[3] = {0, 0x5a827999, 0x6ed9eba1};
    uint32_t s[4] = {state[0], state[1], state[2], state[3]};

    for (int round = 0; round < 3; round++) {
        for (int k = 0; k < 8; k++) {
            uint32_t *a = &s[(4 - k % 4) % 4], b = s[(5 - k % 4) % 4], c = s[(6 - k % 4) % 4],
                     d = s[(7 - k % 4) % 4];
            uint32_t f = round == 0   ? (b & c) | (~b & d)
                         : round == 1 ? (b & c) | (b & d) | (c & d)
                                      : b ^ c ^ d;

            *a = rotate(*a + f + in[order[round][k]] + add[round], shift[round][k % 4]);
        }
    }
    for (int k = 0; k < 4; k++)
        state[k] += s[k];
}

/* The Tiny Encryption Algorithm (Wheeler and Needham, 1994), 16 rounds. */
static void tea(uint32_t state[4], const uint32_t in[4])
{
    uint32_t sum = 0, y = state[0], z = state[1];

    for (int round = 0; round < 16; round++) {
        sum += 0x9e3779b9;
        y += ((z << 4) + in[0]) ^ (z + sum) ^ ((z >> 5) + in[1]);
        z += ((y << 4) + in[2]) ^ (y + sum) ^ ((y >> 5) + in[3]);
    }
    state[0] += y;
    state[1] += z;
}

static uint32_t byte_of(const char *name, size_t at, bool is_unsigned)
{
    return is_unsigned ? (uint8_t)name[at] : (uint32_t)(int32_t)(int8_t)name[at];
}

static uint32_t legacy(const char *name, size_t length, bool is_unsigned)
{
    uint32_t last = 0x12a3fe2d, previous = 0x37abe8f9;

    for (size_t k = 0; k < length; k++) {
        uint32_t h = previous + (last ^ byte_of(name, k, is_unsigned) * 7152373u);

        if (h & 0x80000000u)
            h -= 0x7fffffffu;
        previous = last;
        last = h;
    }
    return last << 1;
}

/* `words` words of the name, most significant byte first; what is missing is made of its length. */
static void fill_words(const char *name, size_t length, uint32_t *to, size_t words,
                       bool is_unsigned)
{
    uint32_t pad = (uint32_t)length * 0x01010101u;

    for (size_t word = 0; word < words; word++) {
        uint32_t value = pad;

        for (size_t k = word * 4; k < word * 4 + 4 && k < length; k++)
            value = byte_of(name, k, is_unsigned) + (value << 8);
        to[word] = value;
    }
}

struct name_hash name_hash(const struct ext4 *fs, uint8_t version, const char *name, size_t length)
{
    static const uint32_t start[4] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
    bool is_unsigned = fs->hash_unsigned, seeded = false, md4 = version == DX_HASH_HALF_MD4;
    uint32_t state[4], in[8];
    struct name_hash out;

    for (int k = 0; k < 4; k++)
        seeded |= fs->hash_seed[k] != 0;
    memcpy(state, seeded ? fs->hash_seed : start, sizeof(state));
    if (version == DX_HASH_LEGACY) {
        out = (struct name_hash){legacy(name, length, is_unsigned), 0};
    } else {
        size_t words = md4 ? 8 : 4;

        for (size_t at = 0; at < length; at += words * 4) {
            fill_words(name + at, length - at, in, words, is_unsigned);
            if (md4)
                half_md4(state, in);
            else
                tea(state, in);
        }
        out = (struct name_hash){md4 ? state[1] : state[0], md4 ? state[2] : state[1]};
    }
    out.major &= ~1u;
    if (out.major == 0xfffffffeu) /* stands for the end of a directory */
        out.major = 0xfffffffcu;
    return out;
}
