/* SPDX-License-Identifier: MIT */
/*
 * An undo log: what a server keeps over its death changes all at once, or not at all.
 *
 * A server that may be killed at any instruction keeps its records in memory that its next life
 * finds as it was (`KEPT` variables, and a heap built with HEAP_LOGGED). One request is one
 * transaction: before a word of a record changes, its address and old value go into the log, and
 * emptying the log is the commit, a single store. The next life first puts the old values of an
 * uncommitted transaction back, the last one first.
 *
 * An undo log rather than a redo log, because the records themselves are always the present state:
 * a handler reads what it has written without looking into a log first, so code that only reads
 * needs no change, and a commit costs one store however much was changed.
 *
 * Saved are whole aligned words of 8 bytes: records must be aligned so. Memory that was allocated by
 * the transaction itself needs no saving, since undoing makes it free again. One log a program, for
 * one thread.
 *
 *     SET(inode->nlink, inode->nlink + 1);
 *     ...
 *     undo_commit();
 */
#ifndef LIB_UNDO_H
#define LIB_UNDO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A variable that outlives the program's life. It begins as zeros. The section is a range of whole
 * pages (libos/exo/user.ld) that the program asks the kernel to preserve. */
#ifdef EXO_HOST_TEST
#define KEPT        __attribute__((section("kept")))
/* A word may reach over the end of a variable, into its neighbour. */
#define UNDO_INLINE static inline __attribute__((no_sanitize("address")))
#else
#define KEPT        __attribute__((section(".bss.kept")))
#define UNDO_INLINE static inline
#endif

#define UNDO_ENTRIES 524288u /* 8 MiB, of which a page is in use, as a rule */

struct undo_log {
    struct undo_entry {
        uint64_t *at, old;
    } * next;        /* behind the last entry */
    uint64_t serial; /* of the transaction: grows with each commit */
    struct undo_entry entries[UNDO_ENTRIES];
};
extern struct undo_log undo_log;

/* Why no CPU fences: what dies is the thread that writes, between two of its instructions, and its next
 * life runs after it, on this CPU or, the kernel's lock between them, on another; so it sees the stores up
 * to that instruction and none behind it. Only the compiler could change their order. */
#ifdef EXO_HOST_TEST
void undo_step(void); /* unit tests die here */
#else
static inline void undo_step(void)
{
}
#endif

/** The compiler keeps the order of stores over this; a death falls between two instructions. */
#define UNDO_ORDER()                       \
    do {                                   \
        __asm__ volatile("" ::: "memory"); \
        undo_step();                       \
    } while (0)

/** Saves the word that holds the byte at `at`. A full log ends the program: see undo_is_long. */
UNDO_INLINE void undo_word(void *at)
{
    struct undo_entry *entry = undo_log.next;

    if (entry == undo_log.entries + UNDO_ENTRIES)
        __builtin_trap();
    entry->at = (uint64_t *)((uintptr_t)at & ~(uintptr_t)7);
    entry->old = *entry->at;
    UNDO_ORDER();
    undo_log.next = entry + 1;
    UNDO_ORDER();
}

/** Saves every word of `bytes` bytes. */
UNDO_INLINE void undo_save(void *at, size_t bytes)
{
    uintptr_t word = (uintptr_t)at & ~(uintptr_t)7, end = (uintptr_t)at + bytes;

    for (; word < end; word += 8)
        undo_word((void *)word);
}

/** Assigns to a kept place. */
#define SET(place, value)                     \
    do {                                      \
        undo_save(&(place), sizeof(place));   \
        (place) = (__typeof__(place))(value); \
    } while (0)

/** Once, before the first transaction. */
void undo_begin(void);

/** What has changed since the last commit stays. */
static inline void undo_commit(void)
{
    UNDO_ORDER();
    undo_log.next = undo_log.entries;
    UNDO_ORDER();
    undo_log.serial++;
}

static inline bool undo_is_empty(void)
{
    return undo_log.next == undo_log.entries;
}

/** Whether a loop without a bound of its own should commit, at a point where the records are right. */
static inline bool undo_is_long(void)
{
    return undo_log.next - undo_log.entries > UNDO_ENTRIES / 2;
}

/** In a new life: puts back what an uncommitted transaction changed. May be killed and repeated. */
void undo_recover(void);

#endif
