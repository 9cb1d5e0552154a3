/* SPDX-License-Identifier: MIT */
/*
 * Windows (window.h): the LibOS's own map of what it looks at.
 *
 *     POSIX_WINDOW_VA   4096 small places of 256 KiB, side by side, so that they share page tables
 *     + BIG_AREA        8192 big places of 64 MiB
 *
 * Files: mapping costs the kernel something for each page that it enters, so a window grows with
 * what is read: what was mapped doubles as reading goes on, entered at once (EXO_MAP_EAGER); a jump
 * far ahead is mapped without entering, and each page is entered when it is touched. A file larger
 * than a big place is seen through a window that moves.
 *
 * fs may take pages away at any time (truncation). Whoever copies from a window uses the copy with
 * fault fix-up (user_write) and asks fs itself when that fails; see regular.c.
 *
 * Places belong to the address space, like the mappings: that is why they are globals here. They
 * are used under the image lock.
 */
#include "files.h"
#include "window.h"

#define SMALL_PLACES 4096u
#define BIG_PLACES   8192u
#define SMALL_BYTES  (WINDOW_SMALL_PAGES * EXO_PAGE_SIZE)
#define BIG_BYTES    (WINDOW_BIG_PAGES * EXO_PAGE_SIZE)
#define BIG_AREA     (POSIX_WINDOW_VA + 0x100000000u)
#define FIRST_PAGES  16u /* of a file that are mapped at once */

static_assert(SMALL_PLACES * SMALL_BYTES <= BIG_AREA - POSIX_WINDOW_VA, "small places overlap");
static_assert(BIG_AREA + BIG_PLACES * BIG_BYTES <= POSIX_WINDOW_END, "big places overlap");

static uint64_t small_used[SMALL_PLACES / 64];
static uint64_t big_used[BIG_PLACES / 64];

/* The lowest clear bit, which it sets; -1: none. */
static int64_t bitmap_take(uint64_t *bitmap, uint32_t words)
{
    for (uint32_t i = 0; i < words; i++) {
        if (bitmap[i] != UINT64_MAX) {
            uint32_t bit = (uint32_t)__builtin_ctzll(~bitmap[i]);

            bitmap[i] |= (uint64_t)1 << bit;
            return i * 64 + bit;
        }
    }
    return -1;
}

uint64_t window_place(uint64_t pages)
{
    int64_t index;

    if (pages <= WINDOW_SMALL_PAGES) {
        index = bitmap_take(small_used, SMALL_PLACES / 64);
        return index < 0 ? 0 : POSIX_WINDOW_VA + (uint64_t)index * SMALL_BYTES;
    }
    index = bitmap_take(big_used, BIG_PLACES / 64);
    return index < 0 ? 0 : BIG_AREA + (uint64_t)index * BIG_BYTES;
}

void window_free(uint64_t va, uint64_t pages)
{
    uint64_t index;

    if (pages)
        exo_unmap(0, va, pages);
    if (va < BIG_AREA) {
        index = (va - POSIX_WINDOW_VA) / SMALL_BYTES;
        small_used[index / 64] &= ~((uint64_t)1 << index % 64);
    } else {
        index = (va - BIG_AREA) / BIG_BYTES;
        big_used[index / 64] &= ~((uint64_t)1 << index % 64);
    }
}

/* ---- contents of files ------------------------------------------------------------------------- */

static uint64_t window_va(const struct window *w)
{
    return (uint64_t)w->state;
}

struct window *window_open(exo_cap region, uint64_t size)
{
    uint64_t pages =
        size < (WINDOW_SMALL_PAGES - 1) * EXO_PAGE_SIZE ? WINDOW_SMALL_PAGES : WINDOW_BIG_PAGES;
    uint64_t data = (size + EXO_PAGE_SIZE - 1) / EXO_PAGE_SIZE;
    struct window *w = heap_alloc(sizeof *w);
    uint64_t va = w ? window_place(pages) : 0;

    if (!va) {
        heap_free(w);
        return 0;
    }
    if (data > FIRST_PAGES)
        data = FIRST_PAGES;
    if (exo_map(0, va, 1 + data, region, 0, EXO_MAP_READ | EXO_MAP_EAGER) < 0) {
        window_free(va, 0);
        heap_free(w);
        return 0;
    }
    *w = (struct window){(const struct fs_state *)va, pages, 0, data, region};
    return w;
}

void window_close(struct window *w)
{
    window_free(window_va(w), 1 + w->count);
    heap_free(w);
}

/* The file outgrew a small place. */
static bool window_enlarge(struct window *w)
{
    uint64_t va = window_place(WINDOW_BIG_PAGES);

    if (!va)
        return false;
    if (exo_map(0, va, 1, w->region, 0, EXO_MAP_READ | EXO_MAP_EAGER) < 0) {
        window_free(va, 0);
        return false;
    }
    window_free(window_va(w), 1 + w->count);
    w->state = (const struct fs_state *)va;
    w->pages = WINDOW_BIG_PAGES;
    w->first = w->count = 0;
    return true;
}

/* Moves an emptied window to where `page` of the file is. */
static void window_move(struct window *w, uint64_t page)
{
    if (w->count)
        exo_unmap(0, window_va(w) + EXO_PAGE_SIZE, w->count);
    w->first = page;
    w->count = 0;
}

/* Maps on, so that file pages up to `last` (inclusive) are seen. */
static bool window_extend(struct window *w, uint64_t last, uint64_t file_pages)
{
    uint64_t room = w->pages - 1, wanted = last + 1 - w->first,
             doubled = 2 * w->count + FIRST_PAGES;
    uint64_t count = wanted > doubled ? room : doubled;
    uint32_t eager = wanted > doubled ? 0 : EXO_MAP_EAGER;

    if (count > room)
        count = room;
    if (count > file_pages - w->first)
        count = file_pages - w->first;
    if (exo_map(0, window_va(w) + (1 + w->count) * EXO_PAGE_SIZE, count - w->count, w->region,
                1 + w->first + w->count, EXO_MAP_READ | eager) < 0)
        return false;
    w->count = count;
    return true;
}

/* Makes page `page` of the file, of `file_pages`, visible. */
static bool window_show(struct window *w, uint64_t page, uint64_t file_pages)
{
    if (page >= w->pages - 1 && w->pages == WINDOW_SMALL_PAGES && !window_enlarge(w))
        return false;
    if (page < w->first || page >= w->first + w->pages - 1)
        window_move(w, page);
    return page < w->first + w->count || window_extend(w, page, file_pages);
}

const void *window_look(struct window *w, uint64_t offset, uint64_t *bytes)
{
    /* Acquire: the bytes are read after the size that says they are there
     * (proofs/memory/protocols/fs_state.py). */
    uint64_t size = atomic_load_explicit(&w->state->size, memory_order_acquire);
    uint64_t page = offset / EXO_PAGE_SIZE, end;

    if (offset >= size)
        return 0;
    if (*bytes > size - offset)
        *bytes = size - offset;
    if ((page < w->first || page >= w->first + w->count) &&
        !window_show(w, page, (size - 1) / EXO_PAGE_SIZE + 1))
        return 0;
    end = (w->first + w->count) * EXO_PAGE_SIZE;
    if (*bytes > end - offset)
        *bytes = end - offset;
    return (const uint8_t *)w->state + EXO_PAGE_SIZE + (offset - w->first * EXO_PAGE_SIZE);
}
