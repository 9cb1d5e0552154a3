/* SPDX-License-Identifier: MIT */
/* Bits of a bitmap block, a word at a time where that is possible. */
#include "servers/fs/ext4/private.h"

uint32_t bits_next(const uint8_t *map, uint32_t from, uint32_t limit, bool set)
{
    const uint64_t flip = set ? 0 : UINT64_MAX;

    while (from < limit) {
        uint64_t word;

        if (from % 64 == 0 && limit - from >= 64) {
            memcpy(&word, map + from / 8, 8);
            if (word == flip) {
                from += 64;
                continue;
            }
        }
        if (bit_get(map, from) == set)
            return from;
        from++;
    }
    return limit;
}

void bits_fill(uint8_t *map, uint32_t from, uint32_t count, bool set)
{
    for (uint32_t i = from; i < from + count; i++) {
        if (i % 8 == 0 && from + count - i >= 8) {
            map[i / 8] = set ? 0xff : 0;
            i += 7;
        } else {
            map[i / 8] = (uint8_t)(set ? map[i / 8] | 1u << i % 8 : map[i / 8] & ~(1u << i % 8));
        }
    }
}
