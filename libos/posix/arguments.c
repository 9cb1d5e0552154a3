// SPDX-License-Identifier: MIT
/* Strings of an exec on their way from the old program to the new one's stack, and that stack. */
#include "exec.h"

#define AREA_VA       (POSIX_HANDOVER_VA + 0x10000000u)
#define AREA_BYTES    ((uint64_t)4 << 20)  /* address space of one thread's area */
#define AREA_FRONT    ((uint64_t)64 << 10) /* for what a #! line puts before */
#define STRINGS_BYTES ((uint64_t)2 << 20)  /* a quarter of the usual stack limit, as on Linux */

int64_t arguments_open(struct arguments *a)
{
    a->area = AREA_VA + self()->index * AREA_BYTES;
    a->start = a->end = a->environment = a->area + AREA_FRONT;
    a->argc = a->envc = 0;
    int64_t st = exo_map(0, a->area, (AREA_FRONT + STRINGS_BYTES) >> EXO_PAGE_SHIFT, 0, 0,
                         EXO_MAP_READ | EXO_MAP_WRITE);
    if (st < 0)
        a->area = 0;
    return errno_of(st);
}

void arguments_close(struct arguments *a)
{
    if (a->area)
        exo_unmap(0, a->area, (AREA_FRONT + STRINGS_BYTES) >> EXO_PAGE_SHIFT);
    a->area = 0;
}

static uint64_t room_left(const struct arguments *a)
{
    uint64_t pointers = 8 * ((uint64_t)a->argc + a->envc);
    uint64_t used = a->end - (a->area + AREA_FRONT) + pointers;

    return used < STRINGS_BYTES ? STRINGS_BYTES - used : 0;
}

/* Appends the strings of a NULL-terminated list in program memory. */
static int64_t strings_from_user(struct arguments *a, uint64_t list, uint32_t *count)
{
    uint64_t string;

    for (; list; list += 8) {
        uint64_t room = room_left(a);

        if (user_read64(&string, list) < 0)
            return -EFAULT;
        if (!string)
            break;
        if (room > ARGUMENT_BYTES_MAX)
            room = ARGUMENT_BYTES_MAX;
        int64_t got = room ? user_string((char *)a->end, string, room) : -ENAMETOOLONG;
        if (got < 0)
            return got == -ENAMETOOLONG ? -E2BIG : got;
        a->end += (uint64_t)got + 1;
        (*count)++;
    }
    return 0;
}

/* A program finds at least one argument, as on Linux since 5.18. */
static void first_argument_ensure(struct arguments *a)
{
    if (a->argc == 0) {
        *(char *)a->end = 0;
        a->end++;
        a->argc = 1;
    }
    a->environment = a->end;
}

int64_t arguments_from_user(struct arguments *a, uint64_t argv, uint64_t envp)
{
    int64_t st = strings_from_user(a, argv, &a->argc);

    if (st < 0)
        return st;
    first_argument_ensure(a);
    return strings_from_user(a, envp, &a->envc);
}

static int64_t strings_from(struct arguments *a, const char *const *list, uint32_t *count)
{
    for (; list && *list; list++) {
        uint64_t bytes = strlen(*list) + 1;

        if (bytes > room_left(a))
            return -E2BIG;
        memcpy((char *)a->end, *list, bytes);
        a->end += bytes;
        (*count)++;
    }
    return 0;
}

int64_t arguments_from(struct arguments *a, const char *const *argv, const char *const *envp)
{
    int64_t st = strings_from(a, argv, &a->argc);

    if (st < 0)
        return st;
    first_argument_ensure(a);
    return strings_from(a, envp, &a->envc);
}

void arguments_drop_first(struct arguments *a)
{
    a->start += strlen((const char *)a->start) + 1;
    a->argc--;
}

int64_t arguments_prepend(struct arguments *a, const char *text)
{
    uint64_t bytes = strlen(text) + 1;

    if (bytes > a->start - a->area)
        return -E2BIG;
    a->start -= bytes;
    memcpy((char *)a->start, text, bytes);
    a->argc++;
    return 0;
}

const char *arguments_variable(const struct arguments *a, const char *name)
{
    const char *at = (const char *)a->environment;
    uint64_t bytes = strlen(name);

    for (uint32_t i = 0; i < a->envc; i++) {
        if (strncmp(at, name, bytes) == 0)
            return at + bytes;
        at += strlen(at) + 1;
    }
    return 0;
}

/* ---- the first stack --------------------------------------------------------------------------------- */

/* Keys of the auxiliary vector. */
enum {
    AT_NULL,
    AT_PHDR = 3,
    AT_PHENT,
    AT_PHNUM,
    AT_PAGESZ,
    AT_BASE,
    AT_FLAGS,
    AT_ENTRY,
    AT_UID = 11,
    AT_EUID,
    AT_GID,
    AT_EGID,
    AT_PLATFORM,
    AT_HWCAP,
    AT_CLKTCK,
    AT_SECURE = 23,
    AT_RANDOM = 25,
    AT_HWCAP2 = 26,
    AT_EXECFN = 31,
    AT_SYSINFO_EHDR = 33,
    AT_MINSIGSTKSZ = 51
};

#define AUX_WORDS 42u

/* Fills the vector in; the number of words. */
static uint32_t auxv_build(const struct exec *e, uint64_t v[AUX_WORDS], uint64_t platform,
                           uint64_t random, uint64_t path)
{
    const struct program *m = &e->main;
    const struct proc_entry *me = current()->entry;
    const uint64_t pairs[][2] = {
        {AT_SYSINFO_EHDR, (uintptr_t)vdso_image},
        {AT_HWCAP, machine_hwcap()},
        {AT_PAGESZ, EXO_PAGE_SIZE},
        {AT_CLKTCK, 100},
        {AT_PHDR, m->elf.headers_va ? m->base + m->elf.headers_va : 0},
        {AT_PHENT, ELF_PROGRAM_BYTES},
        {AT_PHNUM, m->elf.header_count},
        {AT_BASE, e->interpreted ? e->interpreter.base : 0},
        {AT_FLAGS, 0},
        {AT_ENTRY, m->base + m->elf.entry},
        {AT_UID, me->ruid},
        {AT_EUID, me->euid},
        {AT_GID, me->rgid},
        {AT_EGID, me->egid},
        {AT_SECURE, me->ruid != me->euid || me->rgid != me->egid},
        {AT_RANDOM, random},
        {AT_HWCAP2, machine_hwcap2()},
        {AT_EXECFN, path},
        {AT_PLATFORM, platform},
        {AT_MINSIGSTKSZ, frame_bytes()},
        {AT_NULL, 0},
    };
    static_assert(sizeof pairs <= AUX_WORDS * 8, "room for all pairs");

    memcpy(v, pairs, sizeof pairs);
    return sizeof pairs / 8;
}

/* Pointers to `count` strings that lie one behind another; where the next string begins. */
static uint64_t pointers_put(uint64_t **at, uint64_t string, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        *(*at)++ = string;
        string += strlen((const char *)string) + 1;
    }
    *(*at)++ = 0;
    return string;
}

uint64_t stack_build(const struct exec *e)
{
    const struct arguments *a = &e->arguments;
    struct image *image = &image_state;
    uint64_t strings = a->end - a->start, path_bytes = strlen(e->path) + 1;
    uint64_t path = POSIX_STACK_TOP - 8 - path_bytes;
    uint64_t at = path - strings;
    uint64_t platform = at - sizeof MACHINE_PLATFORM;
    uint64_t random = (platform - 16) & ~(uint64_t)15;
    uint64_t aux[AUX_WORDS];
    uint32_t aux_words = auxv_build(e, aux, platform, random, path);
    uint64_t words = 1 + (uint64_t)a->argc + 1 + a->envc + 1 + aux_words;
    uint64_t sp = (random - words * 8) & ~(uint64_t)15;
    uint64_t *to = (uint64_t *)sp;

    memcpy((char *)path, e->path, path_bytes);
    memcpy((char *)at, (const char *)a->start, strings);
    memcpy((char *)platform, MACHINE_PLATFORM, sizeof MACHINE_PLATFORM);
    random_fill((void *)random, 16);
    image->argument_start = at;
    *to++ = a->argc;
    image->argument_end = pointers_put(&to, at, a->argc);
    image->environment_end = pointers_put(&to, image->argument_end, a->envc);
    memcpy(to, aux, aux_words * 8);
    memcpy(image->auxv, aux, aux_words * 8);
    return sp;
}
