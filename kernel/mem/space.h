/* SPDX-License-Identifier: MIT */
/*
 * Address spaces: what an environment sees at which address, and who serves its page faults.
 *
 * A space is a sorted array of mappings (VMAs). Each is either anonymous (zero-filled private
 * memory) or shows pages of a source (region or extent), shared or private. A VMA is a *declared
 * answer*: a fault inside it that its rights allow is served here, from the environment's account or
 * the source; every other fault is the environment's own to handle.
 *
 * A page-table entry either OWNS a share of its frame (private pages: anonymous ones, and copies of
 * a source's) or borrows the frame from the VMA's source. Private pages need no list of their own:
 * the page table is where they live. After a clone both sides own a share of each private frame,
 * write-protected; the first write makes a copy, or takes the frame over if it is the last owner.
 */
#ifndef KERNEL_MEM_SPACE_H
#define KERNEL_MEM_SPACE_H

#include <hal/hal.h>
#include <kernel/cap/cap.h>
#include <kernel/mem/account.h>
#include <kernel/mem/region.h>

struct env;

struct vma {
    uint64_t start, end;   /* page aligned, start < end */
    uint64_t index;        /* page of the source that `start` shows */
    struct source *source; /* 0: anonymous; holds a reference */
    struct space *space;
    struct vma *source_next; /* the source's list of mappings */
    struct vma **source_link;
    cap_id cap;         /* by whose authority; CAP_NIL if anonymous */
    uint8_t rights;     /* EXO_MAP_READ/WRITE/EXEC now */
    uint8_t rights_max; /* what `protect` may reach */
    uint8_t flags;      /* EXO_MAP_PRIVATE, EXO_MAP_NOFORK, EXO_MAP_PRESERVE */
    uint32_t pool_index;
};

/* Where the leaf table for an address was found. */
struct leaf_hint {
    uint64_t leaf; /* address / bytes of a leaf table */
    hal_pte_t *entries;
};
#define SPACE_HINTS 4u

struct space {
    struct hal_space hal;
    struct hal_table_source tables; /* page-table frames, charged to `account` */
    struct account *account;
    struct vma **vmas; /* sorted by start; do not overlap */
    uint32_t count;
    uint32_t order; /* of the block that holds `vmas` */
    struct leaf_hint hints[SPACE_HINTS];
    uint64_t owned; /* private frames */
    uint32_t id;    /* of its environment, for space_place */
    uint64_t table_frames;
    uint64_t stale; /* within a call: what space_flush_source is to flush here, or STALE_NONE */
};
#define STALE_NONE          1u /* no page begins there */
#define SPACE_VMA_ORDER_MAX 6u /* 64 pages of pointers: 32,768 mappings */

/** Called once, before the first space. */
void space_start(void);

bool space_init(struct space *s, struct account *account, uint32_t id);
/** A bounded piece of tearing down; true when nothing is left. The space must not be loaded. */
bool space_teardown(struct space *s, unsigned budget);

/** Serves a fault, if a mapping declares an answer. */
enum space_fault {
    SPACE_SERVED,
    SPACE_UNDECLARED, /* no mapping, or its rights do not allow it */
    SPACE_ABSENT,     /* the source has no such page */
    SPACE_NO_MEMORY,
};
enum space_fault space_fault(struct space *s, uint64_t va, uint32_t access);

/** What exo_map does once its arguments are checked. */
struct map_request {
    uint64_t start, end;
    struct source *source;
    uint64_t index;
    cap_id cap;
    uint8_t rights, rights_max, flags;
};
int64_t space_map(struct space *s, const struct map_request *want, bool replace);
/** A bounded piece of unmapping a range, as are space_map's (of what it replaces) and space_discard's:
 *  EXO_EAGAIN if more is left, for the same call again. */
int64_t space_unmap(struct space *s, uint64_t start, uint64_t end);

/** Changes rights; EXO_ENOENT where nothing is mapped, EXO_ERIGHTS beyond a mapping's authority. */
int64_t space_protect(struct space *s, uint64_t start, uint64_t end, uint32_t rights);
/** Throws the pages of a range away, keeping the mappings. */
int64_t space_discard(struct space *s, uint64_t start, uint64_t end);
/** Adds what is in a range to `count` (exo_space_count). Answers `end`, or where it
 *  stopped after `budget` entries of tables. */
uint64_t space_count(struct space *s, uint64_t start, uint64_t end, uint64_t count[4],
                     unsigned budget);
/** Enters the pages that exist now. */
void space_enter_all(struct space *s, uint64_t start, uint64_t end);
/** Takes up to `budget` private pages of one anonymous mapping at or after *va: says where the run
 *  begins (*va) and how many pages it has; 0: no such pages are left. */
uint64_t space_take(struct space *s, uint64_t *va, uint64_t budget);
/** Gives `to` the mappings of `from` in a range, pages copy-on-write. `cap_in` answers the capability
 *  that stands behind a mapping on the new side, or CAP_NIL to leave it out. EXO_OK, an address to go
 *  on with, or an error. Mappings with one of the flags `leave_out` are left out. */
int64_t space_clone(struct space *to, struct space *from, uint64_t start, uint64_t end,
                    uint32_t leave_out, cap_id (*cap_in)(struct space *to, const struct vma *v));
/** clone_cap of space_calls.c: the capability at the same slot of the other environment. */
cap_id space_cap_in(struct space *to, const struct vma *v);

/** Marks the mappings of a range as preserved, or not. EXO_ENOENT where nothing is mapped. */
int64_t space_preserve(struct space *s, uint64_t start, uint64_t end, bool keep);
/** Makes a space what `image`, a clone of it, is, but for what is preserved: throws away the pages that
 *  were written since, and only those, and puts mappings right. From *at on, at most *budget pages and
 *  mappings. EXO_OK, EXO_EAGAIN (more is left), EXO_ENOMEM, EXO_EOBJECTS. */
int64_t space_restore(struct space *s, struct space *image, uint64_t *at, unsigned *budget,
                      cap_id (*cap_in)(struct space *to, const struct vma *v));

#define NOTED_DIRTY      1u
#define NOTED_REFERENCED 2u

/** Takes page `index` of a source out of every space that borrows it; clears of a page, in all of them,
 *  those of the processors' notes (NOTED_*) that are `wanted`, and answers what they were: also one that
 *  is not wanted, as it may be lost. After one or many of these, space_flush_source; until then the
 *  frames stay. */
void space_unmap_source(struct source *source, uint64_t index);
uint32_t space_harvest_source(struct source *source, uint64_t index, uint32_t wanted);
void space_flush_source(struct source *source);
/** Forgets the mappings made by a capability, from their front. False: *budget present pages were taken
 *  out, and more are left. */
bool space_unmap_cap(struct source *source, cap_id cap, unsigned *budget);

/** The frame and byte behind a user address, faulted in if need be. 0: not accessible. */
uint64_t space_physical(struct space *s, uint64_t va);

/** What a word at a user address is, for those who sleep on it and wake: of memory that others may
 *  map, the frame and byte; of private memory, whose frame changes with every clone, the space and the
 *  address. 0: not accessible. */
uint64_t space_place(struct space *s, uint64_t va);
#define PLACE_PRIVATE ((uint64_t)1 << 63)

/** Notes that a mapping was made by a capability: its removal must look for it (env/slots.c). */
void cap_mark_mapped(cap_id cap);

#endif
