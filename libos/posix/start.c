// SPDX-License-Identifier: MIT
/*
 * The LibOS's first steps in a fresh environment: it becomes the process that the handover block
 * describes (handover.h), and ends in an exec like any other.
 */
#include "files.h"
#include "core.h"
#include "exec.h"

#define SCRATCH_VA 0x10000u /* a page of "program" memory, for calls that want a user address */

enum { TCGETS = 0x5401, TCSETS = 0x5402 };
enum { OPOST = 1, ECHO = 8 };

static bool started; /* the first program runs, or has run */

static const struct handover *block(void)
{
    return (const struct handover *)POSIX_HANDOVER_VA;
}

static _Noreturn void start_failed(uint32_t code, const char *what)
{
    static const char middle[] = ": cannot be run\n";
    uint64_t bytes = strnlen(what, 512);

    if (exo_map(0, SCRATCH_VA, 1, 0, 0, EXO_MAP_READ | EXO_MAP_WRITE) >= 0 && fd_file(2)) {
        memcpy((char *)SCRATCH_VA, what, bytes);
        memcpy((char *)SCRATCH_VA + bytes, middle, sizeof middle - 1);
        posix_write(2, SCRATCH_VA, bytes + sizeof middle - 1, 0, 0, 0);
    }
    process_exit(STATUS_EXITED(code));
}

static void process_begin(const struct handover *h)
{
    struct thread *t = self();
    struct process *p = &first_process;

    thread_start_first(t);
    process_place(p, 0, h->pid, h->slot);
    image_state.processes = p;
    p->umask = 022;
    p->dumpable = 1;
    memcpy(p->cwd_path, "/", 2);
    t->cap = EXO_CAP_THREAD;
    t->tid = h->pid;
    t->altstack_flags = SS_DISABLE;
    thread_join(t, p);
    limits_start(p);
    signal_tell_ignored(p);
    fds_start(p);
}

/* Output goes out as it comes: for runs whose output somebody compares. */
static void output_set_raw(struct file *f)
{
    struct {
        uint32_t input, output, control, local;
        uint8_t line, characters[19];
    } *t = (void *)SCRATCH_VA;

    if (!f->ops->ioctl || exo_map(0, SCRATCH_VA, 1, 0, 0, EXO_MAP_READ | EXO_MAP_WRITE) < 0)
        return;
    if (f->ops->ioctl(f, TCGETS, SCRATCH_VA) >= 0) {
        t->output &= ~(uint32_t)OPOST;
        t->local &= ~(uint32_t)ECHO;
        f->ops->ioctl(f, TCSETS, SCRATCH_VA);
    }
    exo_unmap(0, SCRATCH_VA, 1);
    tty_to_stream(f);
}

static int64_t descriptors_open(uint32_t flags)
{
    struct file *console, *null;
    int64_t st;

    if (!(flags & HANDOVER_CONSOLE))
        return 0;
    st = file_open("/dev/console", O_RDWR | (flags & HANDOVER_SESSION ? 0 : O_NOCTTY), 0, &console);
    if (st < 0)
        return st;
    if (flags & HANDOVER_RAW_OUTPUT)
        output_set_raw(console);
    for (uint32_t fd = 1; fd < 3 && st >= 0; fd++)
        st = fd_install(fd, file_get(console), false);
    if (flags & HANDOVER_NULL_INPUT) {
        file_put(console);
        st = file_open("/dev/null", O_RDONLY, 0, &null);
        return st < 0 ? st : fd_install(0, null, false);
    }
    return fd_install(0, console, false);
}

/* Are there as many strings as the block says? */
static bool block_ok(const struct handover *h)
{
    uint64_t count = (uint64_t)h->argc + h->envc + (h->flags & HANDOVER_RENEWED ? 1 : 0), ends = 0;

    if (h->magic != HANDOVER_MAGIC || h->argc == 0 ||
        h->string_bytes > HANDOVER_BYTES_MAX - sizeof *h || !memchr(h->cwd, 0, sizeof h->cwd))
        return false;
    for (uint32_t i = 0; i < h->string_bytes; i++)
        ends += h->strings[i] == 0;
    return ends >= count;
}

/* Pointers to the block's strings, on the heap: argv, 0, envp, 0. */
static const char **strings_list(const struct handover *h, const char *string)
{
    const char **list = heap_alloc((h->argc + h->envc + 2) * sizeof *list), **at = list;

    for (uint32_t i = 0; list && i < h->argc + h->envc; i++) {
        if (i == h->argc)
            *at++ = 0;
        *at++ = string;
        string += strlen(string) + 1;
    }
    if (list && h->envc == 0)
        *at++ = 0;
    if (list)
        *at = 0;
    return list;
}

/* Tries the directories of PATH in turn, as a shell does. */
static int64_t search_and_exec(const char *const *argv, const char *const *envp)
{
    const char *path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    const char *name = argv[0];
    char full[512];
    int64_t worst = -ENOENT;

    for (const char *const *e = envp; *e; e++) {
        if (strncmp(*e, "PATH=", 5) == 0)
            path = *e + 5;
    }
    while (*path && *name) { /* the empty name is nobody's, and not the directory itself */
        const char *end = strchr(path, ':');
        uint64_t bytes = end ? (uint64_t)(end - path) : strlen(path);

        if (bytes > 0 && bytes + strlen(name) + 2 <= sizeof full) {
            memcpy(full, path, bytes);
            full[bytes] = '/';
            memcpy(full + bytes + 1, name, strlen(name) + 1);
            int64_t st = exec_program(full, argv, envp);
            if (st != -ENOENT && st != -ENOTDIR)
                worst = st;
        }
        path += end ? bytes + 1 : bytes;
    }
    return worst;
}

/* The block was the old program's: exec has taken over what is in it. */
void start_forget(void)
{
    if (!started)
        exo_cap_delete(EXO_WELL_KNOWN(HANDOVER_SLOT), 0); /* its mapping goes with it */
    started = true;
}

void start_process(void)
{
    const struct handover *h = block();
    struct exo_message m = {0};

    image_lock();
    if (memory_start() < 0 ||
        exo_map(0, POSIX_HANDOVER_VA, HANDOVER_BYTES_MAX >> EXO_PAGE_SHIFT,
                EXO_WELL_KNOWN(HANDOVER_SLOT), 0, EXO_MAP_READ) < 0 ||
        exo_map(0, PROC_TABLE_VA, PROC_MAX * sizeof(struct proc_entry) >> EXO_PAGE_SHIFT,
                EXO_WELL_KNOWN(PROC_CAP_TABLE), 0, EXO_MAP_READ) < 0)
        exo_env_destroy(0, STATUS_EXITED(126));
    process_begin(h);
    if (h->flags & HANDOVER_SESSION)
        proc_call(&m, PROC_SETSID, 0, 0, 0, 0); /* -EPERM: it leads one already */
    if (!block_ok(h))
        start_failed(126, "handover");
    bool renewed = (h->flags & HANDOVER_RENEWED) != 0;
    const char *path = renewed ? h->strings : 0;
    const char **argv = strings_list(h, path ? path + strlen(path) + 1 : h->strings);
    if (!argv)
        start_failed(126, "handover");
    const char *const *envp = argv + h->argc + 1;
    if (descriptors_open(h->flags) < 0)
        start_failed(126, "/dev/console");
    if (renewed && renewed_process(h) < 0)
        start_failed(126, path);
    if (h->cwd[0] && path_chdir(h->cwd) < 0 && !renewed)
        start_failed(126, h->cwd);
    int64_t st = (h->flags & HANDOVER_SEARCH) && !strchr(argv[0], '/')
                     ? search_and_exec(argv, envp)
                     : exec_program(renewed ? path : argv[0], argv, envp);
    start_failed(st == -ENOENT || st == -ENOTDIR ? 127 : 126, renewed ? path : argv[0]);
}
