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

/* Room for one run more. */
static int64_t runs_grow(struct runs *r)
{
    uint32_t limit = r->more ? r->limit * 2 : 8;
    struct run *more;

    if (r->count < (r->more ? r->limit : 1))
        return 0;
    more = heap_resize(r->more, limit * sizeof(*more));
    if (!more)
        return -ENOSPC;
    if (!r->more)
        more[0] = r->first;
    r->more = more;
    r->limit = limit;
    return 0;
}

static void runs_delete(struct runs *r, uint32_t at, uint32_t count)
{
    struct run *run = runs_array(r);

    memmove(run + at, run + at + count, (r->count - at - count) * sizeof(*run));
    r->count -= count;
}

int64_t runs_add(struct runs *r, uint64_t start, uint64_t end)
{
    uint32_t at = runs_search(r, start), last = at;
    struct run *run = runs_array(r);

    if (start >= end)
        return 0;
    if (at == r->count || run[at].start > end) {
        int64_t status = runs_grow(r);

        if (status < 0)
            return status;
        run = runs_array(r);
        memmove(run + at + 1, run + at, (r->count - at) * sizeof(*run));
        run[at] = (struct run){start, end};
        r->count++;
        r->pages += end - start;
        return 0;
    }
    /* It touches run `at` and maybe more: they become one. */
    while (last < r->count && run[last].start <= end) {
        r->pages -= run[last].end - run[last].start;
        last++;
    }
    if (run[at].start < start)
        start = run[at].start;
    if (run[last - 1].end > end)
        end = run[last - 1].end;
    run[at] = (struct run){start, end};
    r->pages += end - start;
    runs_delete(r, at + 1, last - at - 1);
    return 0;
}

int64_t runs_cut(struct runs *r, uint64_t start, uint64_t end)
{
    uint32_t at = runs_search(r, start + 1), last;
    struct run *run = runs_array(r);

    if (start >= end || at == r->count || run[at].start >= end)
        return 0;
    if (run[at].start < start && run[at].end > end) { /* a hole in the middle */
        int64_t status = runs_grow(r);

        if (status < 0)
            return status;
        run = runs_array(r);
        memmove(run + at + 1, run + at, (r->count - at) * sizeof(*run));
        run[at].end = start;
        run[at + 1].start = end;
        r->count++;
        r->pages -= end - start;
        return 0;
    }
    if (run[at].start < start) {
        r->pages -= run[at].end - start;
        run[at++].end = start;
    }
    for (last = at; last < r->count && run[last].end <= end; last++)
        r->pages -= run[last].end - run[last].start;
    if (last < r->count && run[last].start < end) {
        r->pages -= end - run[last].start;
        run[last].start = end;
    }
    runs_delete(r, at, last - at);
    return 0;
}

void runs_drop(struct runs *r)
{
    heap_free(r->more);
    *r = (struct runs){0};
}
