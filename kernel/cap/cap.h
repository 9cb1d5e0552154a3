/* SPDX-License-Identifier: MIT */
/*
 * The capability table: who may do what to which object, and from whom each authority came.
 *
 * One global array of entries. All entries form one doubly linked list in depth-first order of the
 * derivation tree, each with its depth, so that the descendants of an entry are exactly the entries
 * that follow it with a greater depth: contiguous. Deleting an entry does not kill what came from
 * it; if something did, the entry stays as an ownerless tombstone until the last of that is gone,
 * so that no sibling inherits it (see cap.c). Tombstones never outnumber capabilities: with
 * 2 * n + 1 entries there is always room for n. Every call is O(1), except cap_table_ok.
 * Environments find entries through slot tables of their own, kept in kernel/env/; here an entry
 * only remembers whose slot it is. Links are indices, there is no hidden state and no pointer to
 * anything outside: the file is written to be proved, and unit-tested on the host unchanged.
 *
 * What an object *is* stays outside: an entry holds a type and an index. Each object's number of
 * capabilities is counted by the caller: one more for each id that cap_make, cap_derive or cap_copy
 * returns, one less for each cap_delete of a live id. Tombstones do not count.
 *
 * An id says nothing about generations: whoever keeps one checks the handle's generation first.
 * An id that is CAP_NIL, free, a tombstone or out of range is refused and changes nothing.
 */
#ifndef KERNEL_CAP_H
#define KERNEL_CAP_H

#include <stdbool.h>
#include <stdint.h>

typedef uint32_t cap_id; /* index of an entry; 0 is the list's head and never a capability */
#define CAP_NIL       0u
#define CAP_DEPTH_MAX 4095u

/* 40 bytes an entry. Locks: all under the kernel lock. Callers may change badge, owner, slot (that
 * is a move), lend_next, revoking and the flags except CAP_DEAD of a live entry; nothing else. */
struct cap {
    uint64_t badge;
    uint32_t next, prev; /* depth-first list, a ring through the head; a free entry: free list */
    uint32_t object;     /* index in the pool of `type` */
    uint32_t owner;      /* environment whose slot it is */
    uint32_t slot;       /* that slot */
    uint32_t lend_next;  /* list of childless lenders of the owner, see cap_delete */
    uint16_t depth;      /* 1: made by the kernel; a child is one deeper than its parent; head: 0 */
    uint16_t rights;
    uint8_t type;      /* enum exo_type; EXO_NONE: the entry is free, or the head */
    uint8_t flags;     /* EXO_CAP_*, CAP_QUEUED, CAP_DEAD */
    uint16_t revoking; /* not 0: CAP_REVOKING or CAP_ENDING; it cannot derive or copy */
};
#define CAP_REVOKING 1u    /* a revoke of it is under way */
#define CAP_ENDING   2u    /* it is being removed, and nothing is mapped by it any more */
#define CAP_QUEUED   0x80u /* on its owner's list of childless lenders */
#define CAP_CHANGED  0x08u /* a pristine one: its flags are not as they were */
#define CAP_PRISTINE 0x10u /* as it was in its owner's snapshot (kernel/resurrection/snapshot.h) */
#define CAP_MAPPED   0x20u /* the kernel: some mapping was made by it */
#define CAP_DEAD     0x40u /* a tombstone: deleted, but something that came from it lives */

struct cap_table {
    struct cap *entries;
    uint32_t size;  /* entries, number 0 included */
    uint32_t fresh; /* entries from here on were never used, or even touched */
    uint32_t free;  /* first of the free list, of entries used before; CAP_NIL: none */
    uint32_t live;  /* capabilities */
    uint32_t dead;  /* tombstones, never more than live */
};

/** Makes an empty table over `size` entries (>= 2) of memory that the caller supplies. It writes
 *  only the head; the rest may hold anything and is not read before it is first used. */
void cap_table_init(struct cap_table *t, struct cap *entries, uint32_t size);

/** True if it is a capability now: not CAP_NIL, free, a tombstone or out of range. */
bool cap_is_live(const struct cap_table *t, cap_id c);

/** A capability that comes from nowhere: the kernel's own grant. CAP_NIL if the table is full or
 *  there is no such type. New entries have no flags, whoever their source is. */
cap_id cap_make(struct cap_table *t, uint8_t type, uint32_t object, uint16_t rights, uint32_t owner,
                uint32_t slot);
/** A child: rights are cut to the parent's; badge replaces the parent's unless 0. CAP_NIL if the
 *  table is full, the parent is not live, is being revoked or has depth CAP_DEPTH_MAX. */
cap_id cap_derive(struct cap_table *t, cap_id parent, uint16_t rights, uint64_t badge,
                  uint32_t owner, uint32_t slot);
/** A sibling, next to `source`, with equal depth: fork chains never deepen the tree. What came from
 *  `source` stays its own. CAP_NIL if the table is full, or the source not live or being revoked. */
cap_id cap_copy(struct cap_table *t, cap_id source, uint32_t owner, uint32_t slot);

/** True if it has a descendant. */
bool cap_has_child(const struct cap_table *t, cap_id c);
/** The first descendant in list order, or CAP_NIL: what a revoke deletes next. It is live; its own
 *  descendants, if any, are the next answers. */
cap_id cap_first_child(const struct cap_table *t, cap_id c);

/** Deletes a capability. If it was the last descendant of a lender (EXO_CAP_LENDER), returns that
 *  lender, the nearest live one above it; never a lender that was childless before, and never more
 *  than one can be. Else CAP_NIL. Descendants of the deleted one stay and count as its ancestors'.
 *  The caller takes it off its owner's list of childless lenders first (CAP_QUEUED). */
cap_id cap_delete(struct cap_table *t, cap_id c);

/** The invariants at the head of cap.c, for tests and debug builds. O(entries ever used). */
bool cap_table_ok(const struct cap_table *t);

#endif
