/* SPDX-License-Identifier: MIT */
/*
 * Regions and extents: what a mapping can show.
 *
 * A region is a sparse ordered set of frames under one capability: a file's cache, a pipe's ring, a
 * program image. Its frames hang in a radix tree whose nodes are frames too, so pages come and go
 * without any capability work. An extent is a contiguous run of frames: the boot archive, DMA
 * memory, device registers.
 *
 * Both know every mapping made of them (struct vma), so that pages can be taken back everywhere.
 */
#ifndef KERNEL_MEM_REGION_H
#define KERNEL_MEM_REGION_H

#include <hal/hal.h>
#include <kernel/object.h>

struct vma;

/* The part that regions and extents share: object.type tells which it is. */
struct source {
    struct object object;
    struct vma *mappings; /* list through vma.source_next */
    uint64_t pages;       /* places */
};

#define REGION_ZERO_FILL  1u /* sys_region_create's flag */
#define REGION_HEIGHT_MAX 4u

struct region {
    struct source source;
    uint64_t root;     /* an entry: see region.c */
    uint32_t height;   /* 0: the root is page 0 itself; h: covers 512^h pages */
    uint32_t flags;    /* REGION_* */
    uint64_t present;  /* frames in it */
    uint64_t fill_end; /* with REGION_ZERO_FILL: absent pages below are filled at a touch */
};

struct extent {
    struct source source;
    pfn_t first;
    bool device;
};

/** Device registers: uncached, never copied. */
static inline bool source_is_device(const struct source *s)
{
    return s->object.type == EXO_FRAME && ((const struct extent *)s)->device;
}

/** A mapping wrote to page `index`, and its entry, which knew that, is going: region_harvest will
 *  tell. */
void source_note_dirty(struct source *s, uint64_t index);

/** The frame at page `index`, or PFN_NONE. */
pfn_t region_frame(const struct region *r, uint64_t index);
/** The frame at `index`; if there is none, a new zeroed one (when `fill`). PFN_NONE: no memory. */
pfn_t region_fill(struct region *r, uint64_t index);
/** Of either kind of source: the frame at `index`, or PFN_NONE; the second fills zero-fill regions. */
pfn_t source_present(const struct source *s, uint64_t index);
pfn_t source_frame(struct source *s, uint64_t index);

/** The kernel's own: an extent over RAM that frame_init claimed (the archive). */
int64_t extent_create(struct account *account, pfn_t first, uint64_t pages, bool device,
                      struct extent **out);

/** Gives up frames that it holds. No mapping of it may be left. False: *budget frames are given up, and
 *  more are left. */
bool source_empty(struct source *s, unsigned *budget);
void source_destroy(struct source *s);

#endif
