// SPDX-License-Identifier: MIT
/*
 * exec of a set-id program.
 *
 * The LibOS lies in the program's own address space, so a process that its user has had in his hands must
 * not get another's rights. It asks init for a fresh environment (proto/proc.h: PROC_RENEW), where it goes
 * on as the same process: with what the handover block says, with its descriptors, which travel through fs
 * as in SCM_RIGHTS, and with nothing else. proc takes back what it was given before. In the new environment
 * the LibOS makes the same exec; being sure of itself, it tells proc what the file's bits say.
 *
 * So descriptors keep no common offset with those of other processes, and those that cannot travel
 * (epoll, inotify, message queues) are closed; timers end.
 */
#include "exec.h"
#include "parcel.h"
#include "sysv.h"

#define BLOCK_PAGES (HANDOVER_BYTES_MAX >> EXO_PAGE_SHIFT)

bool exec_sets_ids(const struct exec *e, struct set_ids *ids)
{
    const struct process *p = current();
    const struct program *main = &e->main;

    ids->user = main->mode & S_ISUID ? main->uid : UINT32_MAX;
    ids->group = (main->mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP) ? main->gid : UINT32_MAX;
    if (ids->user == p->entry->euid)
        ids->user = UINT32_MAX;
    if (ids->group == p->entry->egid)
        ids->group = UINT32_MAX;
    return !p->no_new_privs && !p->root && (ids->user & ids->group) != UINT32_MAX;
}

/* ---- leaving ------------------------------------------------------------------------------------------- */

static int64_t block_write(exo_cap region, uint64_t *at, const void *from, uint64_t bytes)
{
    if (bytes > HANDOVER_BYTES_MAX - *at)
        return -E2BIG;
    int64_t st = exo_region_write(region, *at, from, bytes);
    *at += bytes;
    return st < 0 ? errno_of(st) : 0;
}

/* Sends every descriptor that stays open; one that is another's duplicate shares its parcel. */
static int64_t descriptors_send(struct handover *h, exo_cap region)
{
    struct process *p = current();
    _Atomic uint64_t box = 0;
    int64_t st = parcel_box(&box, region);

    h->renewed.box = atomic_load(&box);
    for (uint32_t fd = 0; st >= 0 && fd < p->fd_limit; fd++) {
        struct file *f = p->fds[fd].file;
        uint64_t number = 0;

        if (!f || p->fds[fd].cloexec || f->ops->parcel == PARCEL_NONE)
            continue;
        if (h->fd_count == HANDOVER_FDS)
            return -EMFILE;
        for (uint32_t i = 0; i < h->fd_count && number == 0; i++) {
            if (p->fds[h->renewed.fds[i].fd].file == f)
                number = h->renewed.fds[i].parcel;
        }
        if (number == 0)
            st = parcel_send(h->renewed.box, &number, f);
        h->renewed.fds[h->fd_count].fd = fd;
        h->renewed.fds[h->fd_count++].parcel = (uint32_t)number;
    }
    return st;
}

static int64_t block_fill(const struct exec *e, struct handover *h, exo_cap region)
{
    const struct arguments *a = &e->arguments;
    const struct process *p = current();
    uint64_t at = sizeof *h, start = 0;

    memset(h, 0, sizeof *h);
    h->argc = a->argc;
    h->envc = a->envc;
    memcpy(h->cwd, p->cwd_path, sizeof h->cwd);
    h->renewed.blocked = self()->sigmask;
    h->renewed.umask = p->umask;
    h->renewed.personality = p->personality;
    memcpy(h->renewed.rlimits, p->rlimits, sizeof h->renewed.rlimits);
    for (uint32_t signo = 1; signo <= SIGRTMAX; signo++) {
        if (p->actions[signo].handler == SIG_IGN)
            h->renewed.ignored |= SIGNAL_BIT(signo);
    }
    /* Of a script its interpreter: the arguments are its already. */
    int64_t st = block_write(region, &at, e->exe, strlen(e->exe) + 1);
    if (st == 0)
        st = block_write(region, &at, (const void *)a->start, a->end - a->start);
    h->string_bytes = (uint32_t)(at - sizeof *h);
    if (st == 0)
        st = descriptors_send(h, region);
    return st < 0 ? st : block_write(region, &start, h, sizeof *h);
}

static int64_t renewal_ask(exo_cap region)
{
    struct exo_message m = {.tag = EXO_TAG(PROC_RENEW, 0, 1)};

    exo_utcb()->send[0] = (struct exo_send){region, EXO_SEND_COPY};
    int64_t tag = ipc_call_again(current()->proc, &m);
    return tag < 0 ? errno_of(tag) : (int64_t)m.w[0];
}

/* What is not to be there when others look at what we were. */
static int64_t others_end(struct process *p)
{
    if (p->context != 0)
        return 0;
    int64_t st = p->thread_count > 1 ? threads_end_others() : 0;
    if (st == 0 && image_state.processes->next)
        st = -EAGAIN; /* a vfork child of another thread lives here */
    if (st == 0 && self()->robust_list)
        robust_release(self());
    return st;
}

static int64_t renew(struct exec *e, struct handover *h)
{
    struct process *p = current();
    int64_t region = exo_region_create(0, BLOCK_PAGES, 1);
    int64_t st = region < 0 ? errno_of(region) : block_fill(e, h, (exo_cap)region);

    if (st >= 0)
        st = others_end(p);
    if (st >= 0) {
        if (p->context != 0)
            fds_end(p, false); /* from the reply on its proc_shared is not there any more */
        else if (sysv_objects)
            shm_exec();
        if (renewal_ask((exo_cap)region) < 0)
            process_exit(STATUS_KILLED(SIGKILL));
    }
    if (st >= 0 && p->context == 0) {
        for (;;)
            exo_wait(0, 0, EXO_FOREVER);
    }
    if (region >= 0)
        exo_cap_delete((exo_cap)region, 0);
    return st;
}

int64_t exec_renew(struct exec *e)
{
    struct handover *h = heap_alloc(sizeof *h);
    int64_t st = h ? renew(e, h) : -ENOMEM;

    heap_free(h);
    if (st >= 0) {
        program_close(&e->main);
        arguments_close(&e->arguments);
        heap_free(e);
        context_end(current());
    }
    return st;
}

/* ---- arriving ------------------------------------------------------------------------------------------ */

static int64_t descriptors_receive(const struct handover *h)
{
    uint32_t count = h->fd_count < HANDOVER_FDS ? h->fd_count : HANDOVER_FDS;

    for (uint32_t i = 0; i < count; i++) {
        uint32_t parcel = h->renewed.fds[i].parcel, first = 0;
        struct file *f = 0;
        int64_t st;

        while (h->renewed.fds[first].parcel != parcel)
            first++;
        if (first < i) {
            f = fd_file(h->renewed.fds[first].fd);
            f = f ? file_get(f) : 0;
        } else {
            st = parcel_receive(h->renewed.box, parcel, &f);
            if (st < 0)
                return st;
        }
        st = f ? fd_install(h->renewed.fds[i].fd, f, false) : -EBADF;
        if (st < 0)
            return st;
    }
    return 0;
}

int64_t renewed_process(const struct handover *h)
{
    struct process *p = current();

    image_state.renewed = true;
    p->umask = h->renewed.umask & 0777;
    p->personality = h->renewed.personality;
    memcpy(p->rlimits, h->renewed.rlimits, sizeof p->rlimits);
    self()->sigmask = h->renewed.blocked & ~(SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP));
    for (uint32_t signo = 1; signo <= SIGRTMAX; signo++) {
        if (h->renewed.ignored & SIGNAL_BIT(signo) && signo != SIGKILL && signo != SIGSTOP)
            p->actions[signo].handler = SIG_IGN;
    }
    int64_t st = descriptors_receive(h);
    exo_cap_delete(EXO_WELL_KNOWN(HANDOVER_WITNESS), 0);
    return st;
}
