// SPDX-License-Identifier: MIT
/*
 * exec: another program in this process.
 *
 * First everything that can fail: the files are opened and parsed (#! lines followed), the strings
 * gathered. Then the point of no return: the old program's memory goes in one call, the new one is
 * mapped, the first stack written. The LibOS and its state stay where they are.
 *
 * A vfork child may not do that to its parent. It moves first: a fresh environment gets a copy of
 * the LibOS without the program, as fork would make it, proc takes the process over there, and the
 * same code goes on in the copy (exec_arrived). A set-id program is started in a fresh environment,
 * which its user never had a hand in (renew.c).
 */
#include "exec.h"
#include "fork.h"
#include "mmap.h"
#include "sysv.h"
#include "trace.h"

#define SCRIPTS_MAX 5u /* #! programs that are #! programs themselves */
#define STACK_MIN   ((uint64_t)128 << 10)
#define STACK_MAX   ((uint64_t)64 << 20)
#define STACK_GUARD ((uint64_t)1 << 20)

/* ---- before the point of no return ------------------------------------------------------------------- */

/* Makes a path absolute, without resolving links. */
static void exe_path(char to[512], const char *path)
{
    const char *cwd = path[0] == '/' ? "" : current()->cwd_path;
    uint64_t base = strlen(cwd), rest;

    if (base == 1 || base > 511)
        base = 0; /* "/" */
    while (path[0] == '.' && path[1] == '/')
        path += 2;
    rest = strlen(path);
    memcpy(to, cwd, base);
    if (path[0] != '/' && base < 511)
        to[base++] = '/';
    if (rest > 511 - base)
        rest = 511 - base;
    memcpy(to + base, path, rest);
    to[base + rest] = 0;
}

/* A #! line: "#!" blanks interpreter [blanks one argument]; cuts the line up in place. */
static int64_t script_parse(char *line, char **interpreter, char **argument)
{
    char *at = line + 2, *end = memchr(line, '\n', PROGRAM_HEAD - 1);

    if (!end)
        end = memchr(line, 0, PROGRAM_HEAD);
    if (!end)
        return -ENOEXEC; /* a line that long names nothing */
    while (end > at && (end[-1] == ' ' || end[-1] == '\t' || end[-1] == '\r'))
        end--;
    *end = 0;
    while (*at == ' ' || *at == '\t')
        at++;
    if (*at == 0)
        return -ENOEXEC;
    *interpreter = at;
    while (*at && *at != ' ' && *at != '\t')
        at++;
    *argument = 0;
    if (*at) {
        *at++ = 0;
        while (*at == ' ' || *at == '\t')
            at++;
        *argument = at;
    }
    return 0;
}

/* The interpreter takes the place of argv[0]: interpreter, its argument, the script's path. */
static int64_t script_arguments(struct arguments *a, const char *interpreter, const char *argument,
                                const char *path)
{
    arguments_drop_first(a);
    int64_t st = arguments_prepend(a, path);
    if (st == 0 && argument)
        st = arguments_prepend(a, argument);
    return st == 0 ? arguments_prepend(a, interpreter) : st;
}

/* Opens the program that a path means in the end. */
static int64_t main_open(struct exec *e)
{
    char path[PROGRAM_HEAD];
    uint8_t head[PROGRAM_HEAD];

    memcpy(path, e->path, sizeof e->path);
    for (uint32_t scripts = 0;; scripts++) {
        char *interpreter, *argument;
        int64_t st = program_open(&e->main, path, head);

        if (st < 0)
            return st;
        if (head[0] != '#' || head[1] != '!') {
            exe_path(e->exe, path);
            return program_parse(&e->main, head);
        }
        program_close(&e->main);
        if (scripts == SCRIPTS_MAX)
            return -ELOOP;
        st = script_parse((char *)head, &interpreter, &argument);
        if (st == 0)
            st = script_arguments(&e->arguments, interpreter, argument, path);
        if (st < 0)
            return st;
        memcpy(path, interpreter, strlen(interpreter) + 1);
    }
}

static int64_t interpreter_open(struct exec *e)
{
    const struct elf_image *elf = &e->main.elf;
    uint8_t head[PROGRAM_HEAD];
    char path[256];

    if (elf->interpreter_bytes == 0)
        return 0;
    if (elf->interpreter_bytes > sizeof path)
        return -ENOEXEC;
    int64_t st = program_read(&e->main, elf->interpreter_offset, path, elf->interpreter_bytes);
    if (st < 0)
        return st;
    if (path[elf->interpreter_bytes - 1] != 0)
        return -ENOEXEC;
    st = program_open(&e->interpreter, path, head);
    if (st < 0)
        return st == -ENOENT ? -ENOENT : -ELIBBAD;
    e->interpreted = true;
    return program_parse(&e->interpreter, head) < 0 ? -ELIBBAD : 0;
}

static void exec_close(struct exec *e)
{
    program_close(&e->main);
    program_close(&e->interpreter);
    arguments_close(&e->arguments);
    heap_free(e);
}

/* ---- after it ------------------------------------------------------------------------------------------ */

/* The address space of the new program: its segments, its interpreter's, brk, the stack. */
static int64_t image_build(struct exec *e)
{
    struct image *image = &image_state;
    uint64_t limit = current()->rlimits[RLIMIT_STACK][0];
    uint64_t stack = limit < STACK_MIN ? STACK_MIN : limit > STACK_MAX ? STACK_MAX : PAGE_UP(limit);
    uint32_t rights = PROT_READ | PROT_WRITE | (e->main.elf.stack_exec ? PROT_EXEC : 0);

    image->stack_low = POSIX_STACK_TOP - stack;
    image->mmap_top = image->stack_low - STACK_GUARD;
    if (image->mmap_top > POSIX_MMAP_TOP)
        image->mmap_top = POSIX_MMAP_TOP;
    int64_t st = map_anonymous(image->stack_low, POSIX_STACK_TOP, rights, VMA_STACK);
    if (st == 0)
        st = program_map(&e->main, false);
    if (st == 0 && e->interpreted)
        st = program_map(&e->interpreter, true);
    image->brk_start = image->brk = PAGE_UP(e->main.base + e->main.elf.high);
    memcpy(image->exe, e->exe, sizeof image->exe);
    return st;
}

/* The thread's and the process's state as a new program finds it. */
static void state_reset(struct process *p, struct thread *t)
{
    const char *path = image_state.exec_path, *name = strrchr(path, '/');

    t->tid = p->pid;
    t->clear_tid = 0;
    t->robust_list = 0;
    t->sleep_until = 0;
    t->altstack_base = t->altstack_size = 0;
    t->altstack_flags = SS_DISABLE;
    p->dumpable = 1;
    p->parent_death_signal = 0;
    name = name ? name + 1 : path;
    uint64_t bytes = strnlen(name, sizeof t->comm - 1);
    memset(t->comm, 0, sizeof t->comm);
    memcpy(t->comm, name, bytes);
    timers_forget(p, true);
    signal_exec(p);
}

/* A process that was renewed for a set-id program gets its ids; another one that comes here with such a
 * program was refused them. */
static void proc_tell_exec(const struct exec *e)
{
    struct exo_message m = {0};
    struct set_ids ids;
    bool sets = image_state.renewed && exec_sets_ids(e, &ids);

    image_state.renewed = false;
    if (sets)
        proc_call(&m, PROC_EXEC, 1, ids.user, ids.group, 0);
    else
        proc_call(&m, PROC_EXEC, 0, 0, 0, 0);
}

/* The old program is gone; the files of the new one are open. `moved`: into a fresh environment. */
static _Noreturn void exec_finish(struct exec *e, bool moved)
{
    struct thread *t = self();
    struct process *p = t->process;

    image_state.exec_path = e->path;
    if (sysv_objects && !moved)
        shm_exec();
    state_reset(p, t);
    if (!moved) {
        fds_exec(p);
        proc_tell_exec(e);
    }
    bool secure = p->entry->ruid != p->entry->euid || p->entry->rgid != p->entry->egid;
    if (image_build(e) < 0)
        process_exit(STATUS_KILLED(SIGKILL));
    if (secure)
        p->dumpable = 0;
    else
        trace_begin(arguments_variable(&e->arguments, "EXO_TRACE="),
                    arguments_variable(&e->arguments, "EXO_TRACE_FILE="));
    uint64_t sp = stack_build(e);
    uint64_t pc = e->interpreted ? e->interpreter.base + e->interpreter.elf.entry
                                 : e->main.base + e->main.elf.entry;
    if (moved) {
        /* Mappings hold the program's files now; counting anew finds them there. */
        e->main.file = e->interpreter.file = 0;
        fds_forked(p);
        fds_exec(p);
    }
    exec_close(e);
    start_forget();
    publish_process(p);
    machine_set_tls(0);
    fpu_reset();
    image_unlock();
    enter_program(pc, sp);
}

/* In place: the other threads end, then the old program's memory goes. */
static int64_t exec_in_place(struct exec *e)
{
    int64_t st = current()->thread_count > 1 ? threads_end_others() : 0;

    if (st < 0)
        return st;
    if (image_state.processes->next)
        return -EAGAIN; /* a vfork child of another thread lives here */
    if (self()->robust_list)
        robust_release(self());
    thread_unname(current(), self()); /* it takes the pid */
    vma_clear();
    exo_unmap(0, 0, USER_TOP >> EXO_PAGE_SHIFT);
    exec_finish(e, false);
}

/* In the new environment, on a copy of the stack. */
static _Noreturn void exec_arrived(struct exec *e)
{
    struct thread *t = self();
    struct process *p = t->process;

    image_state.vma_count = 0; /* their files are not ours to put: fds_forked counts */
    image_state.pages = 0;
    process_alone(p, t);
    process_place(p, 0, p->pid, p->slot);
    publish_maps(p, false);
    p->timers = 0;
    p->timer_thread = 0;
    random_forked();
    exec_finish(e, true);
}

static int64_t move_to(exo_cap env, exo_cap thread)
{
    struct exo_utcb *utcb = exo_utcb();
    struct exo_message m = {.tag = EXO_TAG(PROC_MOVE, 0, 2),
                            .w = {PROC_CAP_PROC, context_shared_va(0)}};

    utcb->send[0] = (struct exo_send){env, EXO_SEND_COPY};
    utcb->send[1] = (struct exo_send){thread, EXO_SEND_COPY};
    int64_t tag = ipc_call_again(current()->proc, &m);
    return tag < 0 ? errno_of(tag) : (int64_t)m.w[0];
}

/* A vfork context leaves its parent's address space. */
static int64_t exec_move(struct exec *e)
{
    struct process *p = current();
    struct start start;
    exo_cap env, thread;

    if (fork_point(&start))
        exec_arrived(e);
    int64_t st = env_make(&start, &env, &thread);
    if (st < 0)
        return st;
    st = fds_fork(p->slot, p->pid);
    if (st == 0) {
        st = env_copy_caps(env);
        if (st == 0)
            st = env_copy_memory(env, false);
        if (st == 0)
            st = move_to(env, thread);
        if (st < 0)
            fds_fork_undo(p->slot, p->pid);
    }
    exo_cap_delete(thread, 0);
    if (st < 0) {
        env_drop(env);
        return st;
    }
    exo_cap_delete(env, 0);
    exec_close(e);
    context_end(p);
}

/* ---- the call ------------------------------------------------------------------------------------------- */

static struct exec *exec_new(int64_t *st)
{
    struct exec *e = heap_alloc(sizeof *e);

    if (!e) {
        *st = -ENOMEM;
        return 0;
    }
    e->main.file = e->interpreter.file = 0;
    e->interpreted = false;
    *st = arguments_open(&e->arguments);
    return e;
}

static int64_t exec_run(struct exec *e)
{
    struct set_ids ids;
    int64_t st = main_open(e);

    if (st == 0 && !image_state.renewed && exec_sets_ids(e, &ids))
        return exec_renew(e);
    if (st == 0)
        st = interpreter_open(e);
    if (st == 0)
        st = current()->context != 0 ? exec_move(e) : exec_in_place(e);
    return st;
}

int64_t exec_program(const char *path, const char *const *argv, const char *const *envp)
{
    int64_t st;
    struct exec *e = exec_new(&st);
    uint64_t bytes = strlen(path) + 1;

    if (!e)
        return st;
    if (st == 0 && bytes > sizeof e->path)
        st = -ENAMETOOLONG;
    if (st == 0) {
        memcpy(e->path, path, bytes);
        st = arguments_from(&e->arguments, argv, envp);
    }
    if (st == 0)
        st = exec_run(e);
    exec_close(e);
    return st;
}

DEFINE_CALL3(execve, path, argv, envp)
{
    int64_t st;
    struct exec *e = exec_new(&st);

    if (!e)
        return st;
    if (st == 0)
        st = user_string(e->path, path, sizeof e->path);
    if (st == 0)
        st = -ENOENT;
    if (st > 0)
        st = arguments_from_user(&e->arguments, argv, envp);
    if (st == 0)
        st = exec_run(e);
    exec_close(e);
    return st;
}
