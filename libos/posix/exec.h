/* SPDX-License-Identifier: MIT */
/* One exec: what arguments.c gathers, load.c maps and exec.c puts together. */
#ifndef POSIX_EXEC_H
#define POSIX_EXEC_H

#include "core.h"
#include "handover.h"

#include <lib/elf.h>

/* ---- arguments.c ----------------------------------------------------------------------------------- */

/*
 * Argument and environment strings, gathered in an area of the LibOS's (one a thread) while the old
 * program is torn down: argv's strings, then envp's, one behind another. Room in front lets a #! line
 * put strings before them.
 */
struct arguments {
    uint64_t area;        /* address; 0: not open */
    uint64_t start, end;  /* of the strings */
    uint64_t environment; /* where envp's begin */
    uint32_t argc, envc;
};
#define ARGUMENT_BYTES_MAX ((uint64_t)128 << 10) /* one string; Linux's limit */

int64_t arguments_open(struct arguments *a);
void arguments_close(struct arguments *a);
/** From program memory: -EFAULT, -E2BIG. */
int64_t arguments_from_user(struct arguments *a, uint64_t argv, uint64_t envp);
int64_t arguments_from(struct arguments *a, const char *const *argv, const char *const *envp);
void arguments_drop_first(struct arguments *a);
int64_t arguments_prepend(struct arguments *a, const char *text);
/** The value of a variable of the environment; `name` ends with the "="; 0: it is not there. */
const char *arguments_variable(const struct arguments *a, const char *name);

/* ---- load.c ---------------------------------------------------------------------------------------- */

/* One executable file. */
struct program {
    struct file *file;
    exo_cap region;
    uint64_t first_page; /* in the region */
    uint64_t file_bytes;
    uint32_t mode, uid, gid;
    uint64_t base; /* added to its addresses; known after program_map */
    struct elf_image elf;
};

#define PROGRAM_HEAD 512u /* bytes of a file that tell what it is */

/** Opens an executable and reads its first bytes (fewer if it is shorter: the rest is 0). */
int64_t program_open(struct program *p, const char *path, uint8_t head[PROGRAM_HEAD]);
void program_close(struct program *p);
/** Parses it: -ENOEXEC, or a system error. */
int64_t program_parse(struct program *p, const uint8_t head[PROGRAM_HEAD]);
int64_t program_read(const struct program *p, uint64_t offset, void *to, uint64_t bytes);
/** Maps it: at its own addresses, or if it is relocatable where programs are, or (`library`) as high
 *  as possible. */
int64_t program_map(struct program *p, bool library);

/* ---- exec.c ---------------------------------------------------------------------------------------- */

struct exec {
    struct program main, interpreter;
    bool interpreted; /* the interpreter is there */
    struct arguments arguments;
    char path[512]; /* as given to exec: AT_EXECFN */
    char exe[512];  /* the file itself, absolute, for /proc */
};

/* ---- renew.c ---------------------------------------------------------------------------------------- */

/* Whose rights a program's set-id bits give it; UINT32_MAX: the caller's. */
struct set_ids {
    uint32_t user, group;
};
/** Do they change anything? Not if the process has renounced them. */
bool exec_sets_ids(const struct exec *e, struct set_ids *ids);
/** Asks for a fresh environment, in which the same exec is made again. Comes back with an errno only. */
int64_t exec_renew(struct exec *e);
/** In it: the rest of what the process was, from the block. 0, or an errno. */
int64_t renewed_process(const struct handover *h);

/* ---- exec.c ---------------------------------------------------------------------------------------- */

/** Writes the program's first stack: its stack pointer. */
uint64_t stack_build(const struct exec *e);

#endif
