/* SPDX-License-Identifier: MIT */
/*
 * The calls of proto/proc.h. One function an operation, and one table that says who may ask for it;
 * operations check words, and leave the doing to life.c, signal.c, jobs.c, wait.c, credentials.c.
 *
 * Nothing here can wait for anybody but the kernel: proc calls no server.
 */
#include "servers/proc/request.h"
#include "servers/proc/after.h"
#include "servers/proc/credentials.h"
#include "servers/proc/life.h"
#include "servers/proc/port_own.h"
#include "servers/proc/signal.h"
#include "servers/proc/table.h"
#include <lib/answers.h>
#include <lib/linux/errno.h>
#include <lib/linux/signal.h>
#include <lib/string.h>

/* Who may ask. */
enum { A_PROCESS = 1, A_INIT = 2, A_TTY = 4, ANY_SERVER = 8 };

struct request {
    uint32_t caller; /* slot; NOBODY: a server */
    struct exo_message *m;
    uint32_t reply_caps;
};

/* The capability at a place of the message, which is the operation's from now on; 0: none came. */
static exo_cap take_cap(const struct request *r, uint32_t place)
{
    exo_cap *received = &exo_utcb()->received[place];
    exo_cap cap = place < EXO_TAG_CAPS(r->m->tag) ? *received : 0;

    if (cap != 0)
        *received = 0;
    return cap;
}

static void drop_unused(uint64_t tag)
{
    for (uint32_t i = 0; i < EXO_TAG_CAPS(tag); i++) {
        if (exo_utcb()->received[i] != 0)
            exo_cap_delete(exo_utcb()->received[i], 0);
    }
}

/* ---- being born, living, dying ----------------------------------------------------------------- */

/* The environment of a vfork context is the caller's own: we take our own handle to it, and not
 * the caller's word. */
static int64_t body_take(const struct request *r, bool context, struct body *body)
{
    *body = (struct body){.base = r->m->w[0], .va = r->m->w[1], .context = context};
    if (context) {
        int64_t env = port_copy_env(r->caller);

        if (env < 0)
            return env;
        body->env = (exo_cap)env;
    } else {
        body->env = take_cap(r, 0);
    }
    body->thread = take_cap(r, 1);
    return 0;
}

static void body_drop(const struct body *body)
{
    if (body->env != 0)
        exo_cap_delete(body->env, 0);
    if (body->thread != 0)
        exo_cap_delete(body->thread, 0);
}

static int64_t begin(struct request *r, bool context, int32_t exit_signal, bool boot)
{
    struct body body;
    int64_t slot = body_take(r, context, &body);

    if (slot == 0)
        slot = body.env == 0 || body.thread == 0 ? -EINVAL
                                                 : life_fork(r->caller, &body, exit_signal, boot);
    if (slot < 0) {
        body_drop(&body);
        return slot;
    }
    if (!boot)
        port_name_inherit(r->caller, (uint32_t)slot);
    r->m->w[1] = (uint64_t)slot;
    return entries[slot].pid;
}

static int64_t serve_fork(struct request *r)
{
    const uint64_t *w = r->m->w;

    if ((w[2] & ~(uint64_t)PROC_FORK_SAME_ENV) || w[3] > SIGRTMAX)
        return -EINVAL;
    return begin(r, w[2] & PROC_FORK_SAME_ENV, (int32_t)w[3], false);
}

static int64_t serve_boot(struct request *r)
{
    uint32_t bits = (uint32_t)r->m->w[3];
    exo_cap notification = take_cap(r, 2);

    port_set_init(notification, bits);
    return begin(r, false, SIGCHLD, true);
}

static int64_t serve_start(struct request *r)
{
    return life_start(r->caller, (int32_t)r->m->w[0]);
}

static int64_t serve_move(struct request *r)
{
    struct body body;
    int64_t result = body_take(r, false, &body);

    if (result == 0)
        result = body.env == 0 || body.thread == 0 ? -EINVAL : life_move(r->caller, &body);
    if (result < 0)
        body_drop(&body);
    return result;
}

static int64_t serve_exec(struct request *r)
{
    const uint64_t *w = r->m->w;
    int64_t result = w[0] == 1 ? life_set_ids(r->caller, (uint32_t)w[1], (uint32_t)w[2]) : 0;

    if (result == 0)
        life_exec(r->caller);
    return result;
}

static int64_t serve_renew(struct request *r)
{
    exo_cap region = take_cap(r, 0);

    if (region == 0)
        return -EINVAL;
    port_set_renewal(r->caller, region);
    after(AFTER_TELL_INIT, r->caller);
    return 0;
}

static int64_t serve_renewal(struct request *r)
{
    for (uint32_t slot = 1; slot < table_limit(); slot++) {
        if (!process_alive(slot) || port_renewal(slot) == 0)
            continue;
        exo_utcb()->send[0] = (struct exo_send){port_renewal(slot), EXO_SEND_COPY};
        r->reply_caps = 1;
        r->m->w[1] = slot;
        return entries[slot].pid;
    }
    return 0;
}

static int64_t serve_renewed(struct request *r)
{
    uint32_t slot = table_find((int32_t)r->m->w[2]);
    struct body body;
    int64_t result = body_take(r, false, &body);

    if (result == 0)
        result = slot == NOBODY || !process_alive(slot) || port_renewal(slot) == 0 ? -ESRCH
                 : body.env == 0 || body.thread == 0                               ? -EINVAL
                                                     : life_renew(slot, &body);
    if (result < 0)
        body_drop(&body);
    return result;
}

static int64_t serve_exit(struct request *r)
{
    uint32_t status = (uint32_t)r->m->w[0];

    status &= (status & 0x7f) == 0 ? 0xff00 : 0xff; /* an exit code, or a signal */
    if ((status & 0x7f) == 0x7f)                    /* would look like a stop */
        status = STATUS_KILLED(SIGKILL);
    life_end(r->caller, status);
    return 0;
}

static int64_t serve_stop(struct request *r)
{
    return life_stop(r->caller, r->m->w[0], r->m->w[1]);
}

static int64_t serve_wait(struct request *r)
{
    uint64_t *w = r->m->w;
    struct wait_result result;
    int64_t st = wait_for(r->caller, (int32_t)w[0], w[1], &result);

    if (st <= 0)
        return st;
    if (result.reaped != NOBODY)
        life_reap(result.reaped);
    w[1] = result.status;
    w[2] = result.cpu_ns;
    w[3] = result.uid;
    return result.pid;
}

/* ---- signals and jobs -------------------------------------------------------------------------- */

static int64_t serve_kill(struct request *r)
{
    const uint64_t *w = r->m->w;

    if (w[0] >> 32 == PROC_KILL_THREAD >> 32)
        return signal_kill_thread(r->caller, (int32_t)w[0], (int32_t)w[1], (int32_t)w[2], w[3]);
    return signal_kill(r->caller, (int32_t)w[0], (int32_t)w[1], (int32_t)w[2], w[3]);
}

static int64_t serve_setpgid(struct request *r)
{
    return jobs_setpgid(r->caller, (int32_t)r->m->w[0], (int32_t)r->m->w[1]);
}

static int64_t serve_setsid(struct request *r)
{
    return jobs_setsid(r->caller);
}

/* The leader of session `sid` alone gets the signal: see PROC_SIGNAL_GROUP. */
static int64_t signal_leader(int64_t sid, int32_t signo, bool go_on)
{
    uint32_t session = table_find_session(sid);
    struct proc_siginfo info = {.signo = signo, .code = SI_KERNEL};

    if (session == NOBODY || sessions[session].leader == NOBODY)
        return -ESRCH;
    signal_send(sessions[session].leader, &info);
    info.signo = SIGCONT;
    if (go_on)
        signal_send(sessions[session].leader, &info);
    return 1;
}

static int64_t serve_signal_group(struct request *r)
{
    int64_t pgid = (int32_t)r->m->w[0];
    uint64_t signo = r->m->w[1], flags = r->m->w[2];
    bool go_on = flags & PROC_GROUP_CONTINUE;
    uint32_t group;

    if (signo == 0 || signo > SIGRTMAX || signo == SIGKILL)
        return -EINVAL;
    if (pgid < 0)
        return signal_leader(-pgid, (int32_t)signo, go_on);
    group = table_find_group(pgid);
    if (group == NOBODY)
        return -ESRCH;
    if ((flags & PROC_GROUP_NOT_ORPHANED) && jobs_orphaned(group, NOBODY))
        return -EIO;
    int64_t reached = signal_group(group, (int32_t)signo);
    if (go_on)
        signal_group(group, SIGCONT);
    return reached;
}

static int64_t serve_set_tty(struct request *r)
{
    const uint64_t *w = r->m->w;
    uint32_t session = table_find_session((int32_t)w[0]);
    int32_t minor = (int32_t)w[1], foreground = (int32_t)w[2];

    port_set_tty(take_cap(r, 0));
    if (session == NOBODY || sessions[session].leader == NOBODY)
        return -ESRCH;
    if (w[3] != 0) {
        if (w[3] >= PROC_MAX || !process_alive((uint32_t)w[3]) ||
            processes[w[3]].session != session || minor >= 0)
            return -EINVAL;
        SET(entries[w[3]].tty, -1);
        return 0;
    }
    if (minor >= 0) {
        uint32_t group = table_find_group(foreground);

        if (group == NOBODY)
            return -ESRCH;
        if (groups[group].session != session)
            return -EPERM;
    }
    minor = minor < 0 ? -1 : minor;
    if (entries[sessions[session].leader].tty != minor)
        jobs_set_tty(session, minor);
    SET(sessions[session].foreground, foreground);
    return 0;
}

/* ---- identity ---------------------------------------------------------------------------------- */

static int64_t serve_setid(struct request *r)
{
    const uint64_t *w = r->m->w;

    entry_begin(r->caller);
    identity_save(r->caller);
    int64_t result = credentials_set(&entries[r->caller], w[0], w[1], w[2], w[3]);
    entry_end(r->caller);
    return result;
}

static int64_t serve_setgroups(struct request *r)
{
    uint64_t count = r->m->w[0];
    uint32_t ids[PROC_GROUPS];

    if (count > PROC_GROUPS || EXO_TAG_BYTES(r->m->tag) < count * sizeof ids[0])
        return -EINVAL;
    memcpy(ids, exo_utcb()->msg, count * sizeof ids[0]);
    entry_begin(r->caller);
    undo_save(&entries[r->caller].group_count, sizeof entries[0].group_count);
    undo_save(entries[r->caller].groups, sizeof entries[0].groups);
    int64_t result = credentials_set_groups(&entries[r->caller], ids, count);
    entry_end(r->caller);
    return result;
}

static int64_t serve_nice(struct request *r)
{
    int64_t pid = (int32_t)r->m->w[0], nice = (int64_t)r->m->w[1];
    uint32_t slot = pid == 0 ? r->caller : table_find(pid);

    if (slot == NOBODY)
        return -ESRCH;
    if (nice != INT64_MIN) {
        nice = nice < -20 ? -20 : nice > 19 ? 19 : nice;
        if (!credentials_may_schedule(&entries[r->caller], &entries[slot]))
            return -EPERM;
        if (nice < entries[slot].nice && entries[r->caller].euid != 0)
            return -EACCES;
        SET(entries[slot].nice, nice);
    }
    return 20 - entries[slot].nice;
}

static int64_t serve_affinity(struct request *r)
{
    uint32_t slot = table_find((int32_t)r->m->w[0]);
    uint64_t cpus = r->m->w[1];

    if (slot == NOBODY || !process_alive(slot))
        return -ESRCH;
    if (cpus != 0 && !credentials_may_schedule(&entries[r->caller], &entries[slot]))
        return -EPERM;
    return port_affinity(slot, cpus);
}

/* ---- for servers ------------------------------------------------------------------------------- */

static int64_t serve_published(struct request *r)
{
    uint64_t slot = r->m->w[0];
    int64_t cap;

    if (slot >= PROC_MAX || !process_exists((uint32_t)slot))
        return -ESRCH;
    if (process_alive((uint32_t)slot)) {
        entry_begin((uint32_t)slot); /* not saved: it is true now, whatever becomes of us */
        entries[slot].cpu_ns = port_cpu_ns((uint32_t)slot);
        entry_end((uint32_t)slot);
    }
    cap = port_publish((uint32_t)slot);
    if (cap < 0)
        return cap;
    exo_utcb()->send[0] = (struct exo_send){.cap = (exo_cap)cap, .mode = EXO_SEND_MOVE};
    r->reply_caps = 1;
    return 0;
}

static int64_t serve_resident(struct request *r)
{
    uint64_t slot = r->m->w[0], count[4] = {0};

    if (slot >= PROC_MAX || !process_exists((uint32_t)slot))
        return -ESRCH;
    int64_t st = port_resident((uint32_t)slot, r->m->w[1], r->m->w[2], count);
    for (unsigned i = 1; i < 4; i++)
        r->m->w[i] = count[i];
    return st < 0 ? st : (int64_t)count[0];
}

static int64_t serve_stats(struct request *r)
{
    r->m->w[1] = table_forked();
    return table_count();
}

static int64_t serve_init_signals(struct request *r)
{
    (void)r;
    return (int64_t)signal_take_init();
}

/* ---- the table --------------------------------------------------------------------------------- */

static const struct operation {
    int64_t (*serve)(struct request *r);
    uint32_t who;
} operations[] = {
    [PROC_FORK] = {serve_fork, A_PROCESS},
    [PROC_START] = {serve_start, A_PROCESS | A_INIT},
    [PROC_MOVE] = {serve_move, A_PROCESS},
    [PROC_EXEC] = {serve_exec, A_PROCESS},
    [PROC_EXIT] = {serve_exit, A_PROCESS},
    [PROC_WAIT] = {serve_wait, A_PROCESS | A_INIT},
    [PROC_KILL] = {serve_kill, A_PROCESS | A_INIT},
    [PROC_SETPGID] = {serve_setpgid, A_PROCESS},
    [PROC_SETSID] = {serve_setsid, A_PROCESS},
    [PROC_SETID] = {serve_setid, A_PROCESS},
    [PROC_SETGROUPS] = {serve_setgroups, A_PROCESS},
    [PROC_SIGNAL_GROUP] = {serve_signal_group, ANY_SERVER},
    [PROC_SET_TTY] = {serve_set_tty, A_TTY},
    [PROC_NICE] = {serve_nice, A_PROCESS},
    [PROC_AFFINITY] = {serve_affinity, A_PROCESS},
    [PROC_STOP] = {serve_stop, A_PROCESS},
    [PROC_PUBLISHED] = {serve_published, ANY_SERVER},
    [PROC_RESIDENT] = {serve_resident, ANY_SERVER},
    [PROC_STATS] = {serve_stats, A_PROCESS | ANY_SERVER},
    [PROC_BOOT] = {serve_boot, A_INIT},
    [PROC_INIT_SIGNALS] = {serve_init_signals, A_INIT},
    [PROC_RENEW] = {serve_renew, A_PROCESS},
    [PROC_RENEWAL] = {serve_renewal, A_INIT},
    [PROC_RENEWED] = {serve_renewed, A_INIT},
};

/* What a badge stands for; the caller's slot at *caller. */
static uint32_t identify(uint64_t badge, uint32_t *caller)
{
    *caller = NOBODY;
    if (badge == PROC_SERVER_INIT)
        *caller = INIT_SLOT;
    else if (badge != INIT_SLOT && badge < PROC_MAX && process_alive((uint32_t)badge))
        *caller = (uint32_t)badge;
    switch (badge) {
    case PROC_SERVER_INIT: return A_INIT | ANY_SERVER;
    case PROC_SERVER_TTY: return A_TTY | ANY_SERVER;
    case PROC_SERVER_FS: return ANY_SERVER;
    default: return *caller == NOBODY ? 0 : A_PROCESS;
    }
}

static int64_t serve(struct request *r, uint64_t badge, uint32_t label)
{
    uint32_t who = identify(badge, &r->caller);

    if (label >= sizeof operations / sizeof operations[0] || !operations[label].serve)
        return -ENOSYS;
    if (who == 0)
        return -ESRCH;
    if (!(operations[label].who & who))
        return -EPERM;
    return operations[label].serve(r);
}

/* What changed becomes final, together with the answer: who has to ask again gets it without a second
 * effect. Answers with capabilities are to requests that change nothing. */
static void commit(uint64_t badge, const struct exo_message *asked, const struct exo_message *m)
{
    struct exo_utcb *utcb = exo_utcb();

    if (undo_is_empty())
        return;
    struct answer *a = answers_keep(badge, asked->tag, asked->w, utcb->msg);
    a->tag = m->tag;
    memcpy(a->words, m->w, sizeof a->words);
    answers_commit(&utcb->badge);
    after_run();
}

void request_serve(struct exo_message *m)
{
    struct exo_utcb *utcb = exo_utcb();
    uint64_t badge = utcb->badge;
    const struct answer *kept = answers_find(&utcb->badge, &m->tag, m->w, utcb->msg);
    const struct exo_message asked = *m;
    struct request r = {.m = m};

    if (kept) {
        m->tag = kept->tag;
        memcpy(m->w, kept->words, sizeof m->w);
    } else {
        int64_t result = serve(&r, badge, EXO_TAG_LABEL(m->tag));

        m->tag = EXO_TAG(0, 0, r.reply_caps);
        m->w[0] = (uint64_t)result;
        commit(badge, &asked, m);
    }
    drop_unused(asked.tag);
}
