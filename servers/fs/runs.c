/* SPDX-License-Identifier: MIT */
/*
 * Which pages of a file exist. A file that is written from its beginning to its end is one run, and
 * one run needs no memory of its own; a sparse file has one for each stretch between holes.
 */
#include "servers/fs/fs.h"

#include <lib/heap.h>
#include <lib/string.h>

static struct run *runs_array(const struct runs *r)
{
    return r->more ? r->more : (struct run *)(uintptr_t)&r->first;
}

/* Index of the first run that ends at or after `page`. */
static uint32_t runs_search(const struct runs *r, uint64_t page)
{
    const struct run *run = runs_array(r);
    uint32_t low = 0, high = r->count;

    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (run[middle].end < page)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

bool runs_have(const struct runs *r, uint64_t page)
{
    uint32_t at = runs_search(r, page + 1);

    return at < r->count && runs_array(r)[at].start <= page;
}

/*
 * Puts `added` runs in the place of the `gone` ones from `at` on. What moves is written to a fresh
 * array, so that the log need not hold it: the old one stays as it is until the commit.
 */
static int64_t runs_replace(struct runs *r, uint32_t at, uint32_t gone, const struct run *added,
                            uint32_t adding)
{
    uint32_t count = r->count - gone + adding, limit = r->more ? r->limit : 1, i;
    bool moves = gone != adding && at + gone != r->count;
    struct run *old = runs_array(r), *run = old;

    if (count > limit || (moves && r->more)) {
        if (count > limit)
            limit = r->more ? limit * 2 : 8;
        if (!(run = heap_alloc(limit * sizeof(*run))))
            return -ENOSPC;
        memcpy(run, old, at * sizeof(*run));
        memcpy(run + at + adding, old + at + gone, (r->count - at - gone) * sizeof(*run));
        memcpy(run + at, added, adding * sizeof(*run));
        heap_free(r->more);
        SET(r->more, run);
        SET(r->limit, limit);
    } else {
        for (i = 0; i < adding; i++)
            SET(run[at + i], added[i]);
    }
    SET(r->count, count);
    return 0;
}

int64_t runs_add(struct runs *r, uint64_t start, uint64_t end)
{
    uint32_t at = runs_search(r, start), last = at;
    const struct run *run = runs_array(r);
    uint64_t pages = r->pages;
    int64_t status;

    if (start >= end)
        return 0;
    /* What it touches becomes one with it. */
    while (last < r->count && run[last].start <= end) {
        pages -= run[last].end - run[last].start;
        last++;
    }
    if (last > at && run[at].start < start)
        start = run[at].start;
    if (last > at && run[last - 1].end > end)
        end = run[last - 1].end;
    pages += end - start;
    if (pages == r->pages) /* had it all; the common case of a write */
        return 0;
    if ((status = runs_replace(r, at, last - at, &(struct run){start, end}, 1)) < 0)
        return status;
    SET(r->pages, pages);
    return 0;
}

int64_t runs_cut(struct runs *r, uint64_t start, uint64_t end)
{
    uint32_t at = runs_search(r, start + 1), last, left = 0;
    const struct run *run = runs_array(r);
    uint64_t pages = r->pages;
    struct run rest[2]; /* of the first and of the last run that it meets */
    int64_t status;

    if (start >= end || at == r->count || run[at].start >= end)
        return 0;
    if (run[at].start < start)
        rest[left++] = (struct run){run[at].start, start};
    for (last = at; last < r->count && run[last].start < end; last++)
        pages -= run[last].end - run[last].start;
    if (run[last - 1].end > end)
        rest[left++] = (struct run){end, run[last - 1].end};
    for (uint32_t i = 0; i < left; i++)
        pages += rest[i].end - rest[i].start;
    if ((status = runs_replace(r, at, last - at, rest, left)) < 0)
        return status;
    SET(r->pages, pages);
    return 0;
}

void runs_drop(struct runs *r)
{
    heap_free(r->more);
    undo_save(r, sizeof(*r));
    *r = (struct runs){0};
}
