/* SPDX-License-Identifier: MIT */
/* Pages for devices: see dma.h. A call pins or unpins a bounded batch, all of it or nothing. */
#include <kernel/env/env.h>
#include <kernel/irq/dma.h>
#include <kernel/mem/frame.h>
#include <kernel/mem/region.h>
#include <kernel/sys.h>

#define WORDS (EXO_DMA_PINS / 64)

static pfn_t *table(const struct dma *dma)
{
    return hal_frame_ptr(dma->table);
}

static bool is_used(const struct dma *dma, uint32_t place)
{
    return dma->used[place / 64] >> place % 64 & 1;
}

static void release(struct dma *dma, uint32_t place)
{
    dma->used[place / 64] &= ~((uint64_t)1 << place % 64);
    frame_unshare(table(dma)[place]);
}

/* At most EXO_DMA_PINS pages. */
static void release_all(struct dma *dma)
{
    for (uint32_t w = 0; w < WORDS; w++) {
        while (dma->used[w] != 0)
            release(dma, w * 64 + (uint32_t)__builtin_ctzll(dma->used[w]));
    }
}

void dma_destroy(struct dma *dma)
{
    if (dma->table == PFN_NONE)
        return;
    release_all(dma);
    frame_unshare(dma->table);
}

/* The first `count` free places. False: there are fewer. */
static bool find_places(const struct dma *dma, uint32_t count, uint16_t *places)
{
    uint32_t found = 0;

    for (uint32_t w = 0; w < WORDS; w++) {
        uint64_t vacant = ~dma->used[w];

        for (; vacant != 0 && found < count; vacant &= vacant - 1)
            places[found++] = (uint16_t)(w * 64 + (uint32_t)__builtin_ctzll(vacant));
        if (found == count)
            return true;
    }
    return false;
}

/* ---- calls ------------------------------------------------------------------------------------- */

int64_t sys_dma_create(exo_cap account_cap)
{
    struct account *account;
    void *made;
    int64_t st;

    if ((st = env_account(env_current(), account_cap, EXO_R_CHARGE, &account)) != EXO_OK ||
        (st = object_create(EXO_DMA, account, &made)) != EXO_OK)
        return st;
    struct dma *dma = made;
    dma->table = frame_take(account);
    if (dma->table == PFN_NONE) {
        object_unref(&dma->object);
        return EXO_ENOMEM;
    }
    st = env_grant_new(env_current(), &dma->object, EXO_R_ALL);
    if (st >= 0) /* what the device may write to outlives the life that had it do so: see dma.h */
        sys_cap_flags((exo_cap)st, EXO_CAP_KEEP);
    return st;
}

static int64_t dma_of(exo_cap cap, struct dma **out)
{
    return env_object(env_current(), cap, EXO_DMA, EXO_R_CONTROL, (void **)out);
}

/* A region or an extent of RAM. */
static int64_t source_of(exo_cap cap, uint32_t rights, struct source **out)
{
    int64_t st = env_object(env_current(), cap, EXO_REGION, rights, (void **)out);

    if (st == EXO_ETYPE)
        st = env_object(env_current(), cap, EXO_FRAME, rights, (void **)out);
    return st == EXO_OK && source_is_device(*out) ? EXO_EINVAL : st;
}

static int64_t find_frames(struct source *s, uint64_t first, uint64_t pages, pfn_t *frames)
{
    if (pages == 0 || pages > EXO_DMA_BATCH || first >= s->pages || pages > s->pages - first)
        return EXO_EINVAL;
    for (uint64_t i = 0; i < pages; i++) {
        frames[i] = source_frame(s, first + i);
        if (frames[i] == PFN_NONE)
            return s->object.type == EXO_REGION && ((struct region *)s)->flags & REGION_ZERO_FILL
                       ? EXO_ENOMEM
                       : EXO_ENOENT;
    }
    return EXO_OK;
}

int64_t sys_dma_pin(exo_cap dma_cap, exo_cap source, uint64_t first, uint64_t pages,
                    uint32_t access, uint64_t *pins)
{
    static pfn_t frames[EXO_DMA_BATCH]; /* under the kernel lock, as the others */
    static uint16_t places[EXO_DMA_BATCH];
    static uint64_t words[EXO_DMA_BATCH];
    struct dma *dma;
    struct source *s;
    int64_t st;

    if (access == 0 || (access & ~(EXO_MAP_READ | EXO_MAP_WRITE)) != 0)
        return EXO_EINVAL;
    /* EXO_MAP_READ and WRITE are the bits of EXO_R_READ and WRITE. */
    if ((st = dma_of(dma_cap, &dma)) != EXO_OK || (st = source_of(source, access, &s)) != EXO_OK ||
        (st = find_frames(s, first, pages, frames)) != EXO_OK)
        return st;
    if (!find_places(dma, (uint32_t)pages, places))
        return EXO_EBUSY;
    for (uint64_t i = 0; i < pages; i++)
        words[i] = (uint64_t)frames[i] << EXO_PAGE_SHIFT | places[i];
    if (!hal_copy_out((uintptr_t)pins, words, pages * sizeof *words))
        return EXO_EFAULT;
    for (uint64_t i = 0; i < pages; i++) {
        frame_share(frames[i]);
        table(dma)[places[i]] = frames[i];
        dma->used[places[i] / 64] |= (uint64_t)1 << places[i] % 64;
    }
    return EXO_OK;
}
static_assert(EXO_MAP_READ == EXO_R_READ && EXO_MAP_WRITE == EXO_R_WRITE, "rights and accesses");

static uint32_t place_of(uint64_t pin)
{
    return (uint32_t)(pin & (EXO_PAGE_SIZE - 1));
}

static bool is_pin(const struct dma *dma, uint64_t pin)
{
    uint32_t place = place_of(pin);

    return place < EXO_DMA_PINS && is_used(dma, place) &&
           table(dma)[place] == pin >> EXO_PAGE_SHIFT;
}

int64_t sys_dma_unpin(exo_cap dma_cap, const uint64_t *pins, uint64_t count)
{
    static uint64_t words[EXO_DMA_BATCH];
    struct dma *dma;
    int64_t st = dma_of(dma_cap, &dma);

    if (st != EXO_OK)
        return st;
    if (!pins) {
        release_all(dma);
        return EXO_OK;
    }
    if (count == 0 || count > EXO_DMA_BATCH)
        return EXO_EINVAL;
    if (!hal_copy_in(words, (uintptr_t)pins, count * sizeof *words))
        return EXO_EFAULT;
    for (uint64_t i = 0; i < count; i++) {
        if (!is_pin(dma, words[i]))
            return EXO_EINVAL;
    }
    for (uint64_t i = 0; i < count; i++) {
        if (is_used(dma, place_of(words[i]))) /* or it was named twice */
            release(dma, place_of(words[i]));
    }
    return EXO_OK;
}
