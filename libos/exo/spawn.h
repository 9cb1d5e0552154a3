/* SPDX-License-Identifier: MIT */
/*
 * Starting a native program in an environment of its own.
 *
 *     struct spawned fs;
 *     spawn_create(&(struct spawn_plan){.name = "fs", .elf = bytes, .elf_bytes = size}, &fs);
 *     spawn_give(&fs, EXO_SRV_LOG, log, EXO_R_WRITE, 0);
 *     spawn_run(&fs);
 *
 * The new program holds what it was given and nothing else: its environment, its account, its
 * thread (slots 1 to 3), and what spawn_give put there.
 */
#ifndef LIBOS_EXO_SPAWN_H
#define LIBOS_EXO_SPAWN_H

#include <exo/types.h>

/* The program's name, for its log lines: two of the words given to its first thread. */
#define SPAWN_WORD_NAME  0 /* utcb->libos[] */
#define SPAWN_NAME_BYTES 16

struct spawn_plan {
    const char *name;
    const void *elf; /* the whole file, in memory; trusted no further than lib/elf.h does */
    uint64_t elf_bytes;
    exo_cap account; /* who pays; it becomes the program's own. 0: the caller's */
    uint32_t priority;
    uint64_t argument; /* start_argument() of the program */
};

struct spawned {
    exo_cap env, thread;
    exo_cap image; /* region of the program's pages; must live as long as the program */
};

/** Builds the environment; it does not run yet. @return EXO_OK, EXO_EINVAL (no native program), or
 *  what the kernel answered; then nothing is left of it. */
int64_t spawn_create(const struct spawn_plan *plan, struct spawned *out);

/** Gives it a child of `cap` with `rights`, and `badge` if not 0, at the well-known handle `want`. */
int64_t spawn_give(const struct spawned *program, exo_cap want, exo_cap cap, uint32_t rights,
                   uint64_t badge);

int64_t spawn_run(const struct spawned *program);

/** Ends the program if it still lives, and gives all handles up. */
void spawn_end(struct spawned *program);

#endif
