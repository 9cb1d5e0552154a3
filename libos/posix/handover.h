/* SPDX-License-Identifier: MIT */
/*
 * How a POSIX process comes out of nothing: init builds a fresh environment with the LibOS in it and a
 * block that says what to become. A process that is to run a set-id program goes on in one too (renew.c):
 * nothing of what its memory and capabilities were can reach the program there, but what the block says.
 *
 * Only what cannot be copied from a parent is here: fork and the exec of a vfork child clone the
 * LibOS with its state instead (fork.c, exec.c). The block holds instructions, not objects: the new
 * process opens its terminal, changes directory and looks its program up by itself, with its own
 * authority. handover.c uses native calls and lib/ only, so servers link it unchanged.
 */
#ifndef POSIX_HANDOVER_H
#define POSIX_HANDOVER_H

#include <exo.h>
#include <proto/proc.h>

#define HANDOVER_MAGIC 0x316f7865u

/* What descriptors 0-2 are, and how the program is found (struct handover.flags). */
#define HANDOVER_CONSOLE    0x01u /* 0, 1, 2: the console */
#define HANDOVER_NULL_INPUT 0x02u /* 0: /dev/null instead */
#define HANDOVER_RAW_OUTPUT 0x04u /* the console's output is not processed (OPOST off, no echo) */
#define HANDOVER_SESSION    0x08u /* it leads a session, with the console as controlling terminal */
#define HANDOVER_SEARCH     0x10u /* argv[0] is looked up in PATH; not found: status 127, else 126 */
#define HANDOVER_RENEWED    0x20u /* a process that goes on: the block is its word, and checked */

#define HANDOVER_FDS 256u

/* The block: a region that the new process maps at POSIX_HANDOVER_VA, reads once and gives up. */
struct handover {
    uint32_t magic;
    uint32_t flags;
    int32_t pid;   /* set by handover_launch */
    uint32_t slot; /* in proc's table; likewise */
    uint32_t argc, envc;
    uint32_t string_bytes;
    uint32_t fd_count;
    char cwd[512];
    struct {
        uint64_t box; /* of fs: where its descriptors are (parcel.h) */
        uint64_t blocked, ignored;
        uint64_t rlimits[16][2];
        uint32_t umask, personality;
        struct {
            uint32_t fd, parcel; /* the number of its parcel; several have that of the first */
        } fds[HANDOVER_FDS];
    } renewed;
    char strings
        []; /* argc + envc strings, each with its NUL; renewed: the program's path before them */
};
#define HANDOVER_BYTES_MAX 65536u

/* Where the region of the block is in the new environment's table, and room for struct thread at the
 * upper end of its first stack. */
#define HANDOVER_SLOT 10
#define HANDOVER_WITNESS \
    11 /* renewed: the block as it was given, which the box of descriptors goes with */
#define THREAD_BYTES 512u

/* The priority at which POSIX threads run; servers' are above it. */
#define POSIX_PRIORITY 8u

/* What the caller of handover_launch has in hand. */
struct handover_plan {
    const void *posix_elf; /* readable: the first page or more of posix.elf */
    exo_cap libos;         /* region, READ | EXEC | GRANT: the pages of posix.elf, from page 0 on */
    exo_cap account;       /* pays for the environment; 0: the caller's */
    exo_cap proc;          /* endpoint of proc, with the badge that may make processes */
    exo_cap table;         /* region: proc's table, READ | GRANT */
    uint32_t op;           /* PROC_BOOT (init), or PROC_FORK */
    uint32_t flags;        /* HANDOVER_* */
    exo_cap notification;  /* PROC_BOOT: its third capability (SIGNAL | GRANT), 0: none ... */
    uint32_t event_bits;   /* ... and its w3 */
    const char *cwd;       /* 0: "/" */
    const char *const *argv, *const *envp; /* each ends with 0 */
};

/**
 * Builds the process, registers it with proc and lets it run.
 * @return its pid; or a negative Linux errno (of proc), or -ENOMEM, -ENOEXEC (posix_elf), -E2BIG.
 *         Nothing is left behind in these cases but what proc made of it.
 * `env`, if not 0, gets the handle of the environment (the caller may watch it, and deletes it).
 */
int64_t handover_launch(const struct handover_plan *plan, exo_cap *env);

/**
 * Builds a fresh environment for a process that asked for it (PROC_RENEWAL) and moves it there. `block` is a
 * copy of its block, of HANDOVER_BYTES_MAX, that nobody else can write; `region` the one that it gave.
 * Of the plan, what is said about the LibOS, account, proc and table counts. 0, or a negative Linux errno.
 */
int64_t handover_renew(const struct handover_plan *plan, struct handover *block, exo_cap region);

/* The first words of the LibOS's text: where its builders find the ways in. */
struct libos_header {
    uint64_t magic; /* LIBOS_MAGIC */
    uint64_t start, foreign, upcall, nested;
};
#define LIBOS_MAGIC 0x36564f58452e6c70u

#endif
