/* SPDX-License-Identifier: MIT */
/*
 * An undo log: what lets a server die at any instruction, in the middle of a change, and find its
 * state whole in the next life.
 *
 * The state and the log lie in one piece of preserved memory, the *arena*, which begins with the log.
 * Before a field of the state is changed its old value is saved; when the request is done, one store
 * makes all of it final:
 *
 *     undo_save(log, &p->parent, sizeof p->parent);
 *     p->parent = parent;             or, the same:  UNDO_SET(log, p->parent, parent);
 *     ...
 *     undo_commit(log);
 *
 * A life begins with undo_recover: what was not committed is taken back, newest first. That may be
 * interrupted by another death at any point, and is then done again.
 *
 * Why undo and not redo: with a redo log a request could not read what it has just changed, so every
 * list operation would have to look into the log first. Here the state is always the state. The price
 * is that the old value is read, which the processor has at hand anyway since it is about to be
 * overwritten.
 *
 * Why no CPU fences: what dies is the thread that writes, between two of its instructions, and whoever
 * recovers runs after it, on this CPU or, the kernel's lock between them, on another; so it sees that
 * thread's stores up to that instruction and none behind it. Only the compiler could reorder them.
 * A server in which several threads write to one arena takes a lock around each request: the log is
 * the holder's, and all threads die together.
 *
 * What needs no saving: free space whose being free is saved (the places behind a ring's head), and
 * words for which both values are right (a hint, a statistic).
 *
 * Bound: an arena says how many bytes its log has. A request asks for what it may need at most before it
 * changes anything (undo_room), and refuses if that is not there. A save beyond the end is a mistake
 * of the program: everything is taken back and the program traps, so that no half of a change stays.
 *
 * Plain C, no heap. Tests: tests/c17/unit/test_lib_undo.c, which dies after every instruction.
 */
#ifndef LIB_UNDO_H
#define LIB_UNDO_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lib/string.h>

/*
 * The head of an arena. Entries follow each other from the start; each is the old bytes, filled up to a
 * multiple of 8, and then where they belong, so that the list can be walked from its end.
 */
struct undo {
    uint64_t
        used; /* bytes of entries that count; 0: nothing is uncommitted. THE word: each save and
                      the commit become true by the store to it */
    uint64_t last; /* what `used` was at the last commit: for undo_uncovered */
    uint64_t room; /* bytes there are for entries, right behind this head */
};

struct undo_place {
    uint32_t offset; /* of the bytes, from the log's first byte */
    uint32_t bytes;
};

/** Bytes of log that saving `bytes` at once takes. */
#define UNDO_COST(bytes) (((uint64_t)(bytes) + 7) / 8 * 8 + sizeof(struct undo_place))

static inline uint8_t *undo_entries(const struct undo *log)
{
    return (uint8_t *)(uintptr_t)(log + 1);
}

/** Makes the first `bytes` (head included) of an arena a log. */
void undo_init(struct undo *log, size_t bytes);

/** Whether saves that cost `cost` (the sum of UNDO_COST) fit. */
static inline bool undo_room(const struct undo *log, uint64_t cost)
{
    return log->room - log->used >= cost;
}

/** Ends the program, as it has broken its promise: everything is taken back first. */
_Noreturn void undo_overflow(struct undo *log);

/* Where unit tests die: between any two steps that the log takes. */
#ifdef EXO_HOST_TEST
void undo_step(void);
#else
static inline void undo_step(void)
{
}
#endif

/* The compiler keeps stores on their sides of this; the processor does anyway, see above. */
static inline void undo_order(void)
{
    atomic_signal_fence(memory_order_seq_cst);
    undo_step();
}

/** Saves `bytes` at `at`, which are to be changed. `at` lies in the arena, behind the log. */
static inline void undo_save(struct undo *log, const void *at, size_t bytes)
{
    uint64_t used = log->used, padded = (bytes + 7) / 8 * 8;
    uint8_t *to = undo_entries(log) + used;

    if (!undo_room(log, UNDO_COST(bytes)))
        undo_overflow(log);
    memcpy(to, at, bytes);
    struct undo_place place = {(uint32_t)((uintptr_t)at - (uintptr_t)log), (uint32_t)bytes};
    memcpy(to + padded, &place, sizeof place);
    undo_order();
    log->used = used + padded + sizeof place;
    undo_order();
}

/** Saves a variable and gives it a new value. */
#define UNDO_SET(log, variable, value)                   \
    do {                                                 \
        undo_save((log), &(variable), sizeof(variable)); \
        (variable) = (value);                            \
    } while (0)

/** Everything since the last commit stays. */
static inline void undo_commit(struct undo *log)
{
    log->last = log->used;
    undo_order();
    log->used = 0;
    undo_order();
}

/** Whether anything has been saved since the last commit. */
static inline bool undo_pending(const struct undo *log)
{
    return log->used != 0;
}

/** Takes back everything since the last commit: at the start of a life, or to give a request up. */
void undo_recover(struct undo *log);

/**
 * For tests: finds changes that were not saved. `before` is a copy of the arena as it was, `log` the
 * arena after one committed request that began with an empty log.
 * @return the offset of the first byte from `from` on, and behind the log, that differs and that no
 *   entry covers; `bytes` (the size of the arena) if there is none.
 */
size_t undo_uncovered(const struct undo *log, const void *before, size_t from, size_t bytes);

#endif
