/* SPDX-License-Identifier: MIT */
/*
 * Death in unit tests of what keeps its state (lib/undo.h): at the n-th step that the log takes, or that
 * the test takes itself (death_step), everything stops and is left as it is. Between two steps there are
 * only changes of words that were saved; that they were, kept_unsaved checks.
 *
 * The kept variables of a program are one section, so a test can copy them, compare them and put them
 * back. Outside of it is what a death does not touch: the kernel, and other processes.
 */
#ifndef TESTS_UNIT_DEATH_H
#define TESTS_UNIT_DEATH_H

#include <lib/undo.h>
#include <setjmp.h>
#include <stdlib.h>

extern uint8_t __start_kept[], __stop_kept[];

static unsigned death_in; /* steps; 0: never */
static jmp_buf death_here;

static inline void death_step(void)
{
    if (death_in != 0 && --death_in == 0)
        longjmp(death_here, 1);
}

void undo_step(void)
{
    death_step();
}

/** Runs it up to its n-th step. @return false if it has fewer and is done. */
static inline bool dies(void (*run)(void), unsigned n)
{
    if (setjmp(death_here) != 0)
        return true;
    death_in = n;
    run();
    death_in = 0;
    return false;
}

/* Entries of the log that a test may use between two copies. */
#define LOG_COPIED 4096u
#define KEPT_BYTES ((size_t)(__stop_kept - __start_kept))

/* Copies go word by word, as the sanitizer sees redzones between the variables; of the log, what counts. */
__attribute__((no_sanitize("address"))) static inline void kept_words(uint64_t *to,
                                                                      const uint64_t *from)
{
    size_t log = (size_t)((uint8_t *)&undo_log - __start_kept) / 8;

    for (size_t i = 0; i < KEPT_BYTES / 8; i++) {
        if (i == log + sizeof undo_log / 8 - 2 * UNDO_ENTRIES + 2 * LOG_COPIED)
            i = log + sizeof undo_log / 8;
        to[i] = from[i];
    }
}

static inline uint64_t *kept_copy(void)
{
    uint64_t *copy = malloc(KEPT_BYTES);

    if (copy == NULL)
        abort();
    kept_words(copy, (const uint64_t *)(void *)__start_kept);
    return copy;
}

static inline void kept_restore(const uint64_t *copy)
{
    kept_words((uint64_t *)(void *)__start_kept, copy);
}

static inline bool kept_is_log(const uint64_t *word)
{
    return word >= (uint64_t *)&undo_log && word < (uint64_t *)(&undo_log + 1);
}

/** The first kept word from `from` (NULL: the first of all) on, the log apart, that is not as in the
 *  copy; NULL: none. */
__attribute__((no_sanitize("address"))) static inline uint64_t *kept_differs(const uint64_t *copy,
                                                                             uint64_t *from)
{
    uint64_t *first = (uint64_t *)(void *)__start_kept;

    for (uint64_t *at = from ? from : first; at < first + KEPT_BYTES / 8; at++) {
        if (kept_is_log(at))
            at = (uint64_t *)(&undo_log + 1);
        if (at < first + KEPT_BYTES / 8 && *at != copy[at - first])
            return at;
    }
    return NULL;
}

static inline bool word_saved(const uint64_t *at)
{
    for (const struct undo_entry *e = undo_log.entries; e < undo_log.next; e++)
        if (e->at == at)
            return true;
    return false;
}

/** Before the commit: a word that has changed since the copy was made, when the log was empty, and was
 *  not saved; NULL: none. */
static inline uint64_t *kept_unsaved(const uint64_t *copy, uint64_t *from)
{
    uint64_t *at = kept_differs(copy, from);

    while (at && word_saved(at))
        at = kept_differs(copy, at + 1);
    return at;
}

#endif
