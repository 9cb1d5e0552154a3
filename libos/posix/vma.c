// SPDX-License-Identifier: MIT
/*
 * The program's mappings: an array sorted by address, without overlaps.
 *
 * It says what the program asked for; the kernel's own table says what is so. Neighbours that could
 * be one mapping are joined, so the array stays short. Everything that may need memory is in
 * vma_reserve, so that a caller can check first and then change both tables without failing.
 *
 * Invariant (vma_ok): start < end, page aligned, end <= next start; each entry with a file holds a
 * reference to it.
 */
#include "core.h"

#define IMAGE (&image_state)

struct vma *vma_at_or_above(uint64_t va)
{
    uint32_t low = 0, high = IMAGE->vma_count;

    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (IMAGE->vmas[middle].end <= va)
            low = middle + 1;
        else
            high = middle;
    }
    return IMAGE->vmas + low;
}

int64_t vma_reserve(uint32_t more)
{
    uint32_t wanted = IMAGE->vma_count + more;

    if (wanted <= IMAGE->vma_limit)
        return 0;
    if (wanted > VMA_MAX)
        return -ENOMEM;
    uint32_t limit = IMAGE->vma_limit < 32 ? 64 : 2 * IMAGE->vma_limit;
    while (limit < wanted)
        limit *= 2;
    struct vma *bigger = heap_resize(IMAGE->vmas, limit * sizeof *bigger);
    if (!bigger)
        return -ENOMEM;
    IMAGE->vmas = bigger;
    IMAGE->vma_limit = limit;
    return 0;
}

/* Pages mapped, for limits and for ps. */
static void pages_count(int64_t more)
{
    IMAGE->pages += (uint64_t)more;
    current()->shared->vm_pages = (uint32_t)IMAGE->pages;
}

static int64_t pages_of(const struct vma *v)
{
    return (int64_t)((v->end - v->start) >> EXO_PAGE_SHIFT);
}

/* Opens a hole of one entry at index i. */
static struct vma *entry_insert(uint32_t i)
{
    struct vma *at = IMAGE->vmas + i;

    memmove(at + 1, at, (IMAGE->vma_count - i) * sizeof *at);
    IMAGE->vma_count++;
    return at;
}

static void entries_delete(uint32_t i, uint32_t count)
{
    struct vma *at = IMAGE->vmas + i;

    IMAGE->vma_count -= count;
    memmove(at, at + count, (IMAGE->vma_count - i) * sizeof *at);
}

/* Splits the entry that holds va so that a border lies there. */
static void split_at(uint64_t va)
{
    struct vma *v = vma_find(va);

    if (!v || v->start == va)
        return;
    uint32_t i = (uint32_t)(v - IMAGE->vmas);
    struct vma *upper = entry_insert(i + 1);
    v = IMAGE->vmas + i;
    *upper = *v;
    upper->place = 0;
    upper->start = v->end = va;
    if (v->file) {
        upper->offset += va - v->start;
        file_get(v->file);
    }
    publish_vma(v);
    publish_vma(upper);
}

static bool are_joinable(const struct vma *a, const struct vma *b)
{
    return a->end == b->start && a->rights == b->rights && a->flags == b->flags &&
           a->file == b->file && (!a->file || a->offset + (a->end - a->start) == b->offset);
}

/* Joins entry i with i + 1 if that can be. */
static void join_at(uint32_t i)
{
    if (i + 1 >= IMAGE->vma_count)
        return;
    struct vma *a = IMAGE->vmas + i, *b = a + 1;
    if (!are_joinable(a, b))
        return;
    a->end = b->end;
    publish_vma(a);
    publish_vma_gone(b);
    if (b->file)
        file_put(b->file);
    entries_delete(i + 1, 1);
}

void vma_remove(uint64_t start, uint64_t end)
{
    split_at(start);
    split_at(end);
    uint32_t first = (uint32_t)(vma_at_or_above(start) - IMAGE->vmas), last = first;
    int64_t pages = 0;

    while (last < IMAGE->vma_count && IMAGE->vmas[last].start < end) {
        pages += pages_of(&IMAGE->vmas[last]);
        publish_vma_gone(&IMAGE->vmas[last]);
        if (IMAGE->vmas[last].file)
            file_put(IMAGE->vmas[last].file);
        last++;
    }
    if (last == first)
        return;
    entries_delete(first, last - first);
    pages_count(-pages);
}

void vma_insert(const struct vma *v)
{
    uint32_t i = (uint32_t)(vma_at_or_above(v->start) - IMAGE->vmas);

    struct vma *entry = entry_insert(i);
    *entry = *v;
    entry->place = 0;
    publish_vma(entry);
    join_at(i);
    if (i > 0)
        join_at(i - 1);
    pages_count(pages_of(v));
}

bool vma_covers(uint64_t start, uint64_t end)
{
    const struct vma *v = vma_at_or_above(start), *stop = IMAGE->vmas + IMAGE->vma_count;

    for (; start < end; v++) {
        if (v == stop || v->start > start)
            return false;
        start = v->end;
    }
    return true;
}

bool vma_each(uint64_t start, uint64_t end, void (*change)(struct vma *v, uint64_t argument),
              uint64_t argument)
{
    bool covers = vma_covers(start, end);

    split_at(start);
    split_at(end);
    uint32_t first = (uint32_t)(vma_at_or_above(start) - IMAGE->vmas), i = first;
    for (; i < IMAGE->vma_count && IMAGE->vmas[i].start < end; i++) {
        change(&IMAGE->vmas[i], argument);
        publish_vma(&IMAGE->vmas[i]);
    }
    /* Join backwards, so that indices below stay good. */
    while (i-- > first)
        join_at(i);
    if (first > 0)
        join_at(first - 1);
    return covers;
}

uint64_t vma_place(uint64_t low, uint64_t top, uint64_t bytes)
{
    uint32_t i = (uint32_t)(vma_at_or_above(top) - IMAGE->vmas);

    if (i < IMAGE->vma_count && IMAGE->vmas[i].start < top)
        top = IMAGE->vmas[i].start;
    for (;;) {
        uint64_t floor = i > 0 ? IMAGE->vmas[i - 1].end : low;

        if (floor < low)
            floor = low;
        if (top > floor && top - floor >= bytes)
            return top - bytes;
        if (i == 0 || floor == low)
            return 0;
        top = IMAGE->vmas[--i].start;
    }
}

void vma_clear(void)
{
    publish_maps(current(), false);
    for (uint32_t i = 0; i < IMAGE->vma_count; i++) {
        if (IMAGE->vmas[i].file)
            file_put(IMAGE->vmas[i].file);
    }
    IMAGE->vma_count = 0;
    IMAGE->pages = 0;
}
