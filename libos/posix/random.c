// SPDX-License-Identifier: MIT
/* Random bytes: the ChaCha20 generator, seeded from the kernel's pool at first use and after fork. */
#include "core.h"

#include <lib/chacha.h>

#define GRND_NONBLOCK 1u
#define GRND_RANDOM   2u
#define GRND_INSECURE 4u

static struct random state;
static bool seeded;

void random_forked(void)
{
    seeded = false; /* the parent has the same state */
}

void random_fill(void *to, uint64_t bytes)
{
    if (!seeded) {
        uint64_t seed[RANDOM_SEED_BYTES / 8];

        for (uint32_t i = 0; i < sizeof seed / sizeof seed[0]; i++)
            exo_entropy(&seed[i]);
        random_seed(&state, (const uint8_t *)seed);
        seeded = true;
    }
    random_bytes(&state, to, bytes);
}

DEFINE_CALL3(getrandom, buffer, bytes, flags)
{
    uint8_t piece[256];
    uint64_t done = 0;

    if (flags & ~(uint64_t)(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE))
        return -EINVAL;
    if ((flags & (GRND_RANDOM | GRND_INSECURE)) == (GRND_RANDOM | GRND_INSECURE))
        return -EINVAL;
    if (bytes > 0x1ffffff)
        bytes = 0x1ffffff;
    while (done < bytes) {
        uint64_t now = bytes - done < sizeof piece ? bytes - done : sizeof piece;

        random_fill(piece, now);
        if (user_write(buffer + done, piece, now) < 0)
            return done ? (int64_t)done : -EFAULT;
        done += now;
        if (done < bytes && (done & 0xffff) == 0 && signal_waiting())
            break;
    }
    return (int64_t)done;
}
