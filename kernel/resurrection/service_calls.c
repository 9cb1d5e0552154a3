/* SPDX-License-Identifier: MIT */
/* The calls on the table of services: each checks everything, then changes something. */
#include <kernel/env/env.h>
#include <kernel/env/thread.h>
#include <kernel/ipc/event.h>
#include <kernel/resurrection/table.h>
#include <kernel/sched/sched.h>
#include <kernel/sys.h>
#include <lib/string.h>

void service_start_table(struct env *init, struct account *root)
{
    void *table;

    rs_init(&rs);
    if (object_create(EXO_SERVICE_TABLE, root, &table) != EXO_OK ||
        env_grant_at(init, table, EXO_R_ALL, EXO_CAP_SERVICES) < 0)
        kernel_panic("no memory for the table of services");
    object_unref(table);
}

/* Does the capability allow this with service i (EXO_SERVICE_ANY: with all)? */
static int64_t rights_check(exo_cap table, uint32_t rights, uint32_t i)
{
    void *object;
    cap_id id;
    int64_t st = env_object(env_current(), table, EXO_SERVICE_TABLE, rights, &object);

    if (st != EXO_OK)
        return st;
    env_cap(env_current(), table, &id);
    uint64_t badge = cap_global()->entries[id].badge;
    if (badge != 0 && badge != (uint64_t)i + 1)
        return EXO_ERIGHTS;
    return EXO_OK;
}

/* And is there such a service? */
static int64_t table_check(exo_cap table, uint32_t rights, uint32_t i)
{
    int64_t st = rights_check(table, rights, i);

    return st == EXO_OK && !rs_is(&rs, i) ? EXO_ENOENT : st;
}

/* ---- registering ------------------------------------------------------------------------------- */

static bool text_ok(const char *text, size_t size)
{
    return text[0] != '\0' && memchr(text, '\0', size) != NULL;
}

static bool name_taken(const char *name)
{
    for (uint32_t i = 0; i < EXO_SERVICES; i++) {
        if (rs_is(&rs, i) && strcmp(service_at(i)->name, name) == 0)
            return true;
    }
    return false;
}

int64_t sys_service_register(exo_cap table, const struct exo_service_plan *plan)
{
    struct exo_service_plan p;
    int64_t st = rights_check(table, EXO_R_CONTROL, EXO_SERVICE_ANY);

    if (st != EXO_OK)
        return st;
    if (!hal_copy_in(&p, (uintptr_t)plan, sizeof p))
        return EXO_EFAULT;
    if (!text_ok(p.name, sizeof p.name) || !text_ok(p.path, sizeof p.path) ||
        p.policy > RS_POLICY_ALWAYS || p.reserved != 0)
        return EXO_EINVAL;
    if (name_taken(p.name))
        return EXO_EEXIST;
    uint32_t i = rs_add(&rs, p.policy);
    if (i == RS_NOBODY)
        return EXO_EOBJECTS;
    struct service *s = service_at(i);
    *s = (struct service){.heartbeat.kind = TIMER_HEARTBEAT};
    memcpy(s->name, p.name, sizeof s->name);
    memcpy(s->path, p.path, sizeof s->path);
    service_changed(i);
    return i;
}

/* The environment ends as others do. */
static void unload(struct service *s)
{
    struct env *env = s->env;

    if (!env)
        return;
    timer_cancel(&s->heartbeat);
    snapshot_drop(&s->snapshot);
    snapshot_drop(&s->next);
    env->service = 0;
    env_kill(env, EXO_DESTROYED, 0);
    object_unref(&s->thread->object);
    object_unref(&env->object);
    s->env = 0;
    s->thread = 0;
}

int64_t sys_service_remove(exo_cap table, uint32_t i)
{
    int64_t st = table_check(table, EXO_R_CONTROL, i);

    if (st != EXO_OK)
        return st;
    if (!rs_remove(&rs, i))
        return EXO_EBUSY;
    unload(service_at(i));
    service_changed(i);
    service_forget_watches(i);
    return EXO_OK;
}

int64_t sys_service_depend(exo_cap table, uint32_t i, uint32_t on, uint32_t flags)
{
    int64_t st = table_check(table, EXO_R_CONTROL, i);

    if (st != EXO_OK)
        return st;
    if (!rs_is(&rs, on))
        return EXO_ENOENT;
    if (flags & ~EXO_SERVICE_FOLLOW || !rs_depend(&rs, i, on, flags & EXO_SERVICE_FOLLOW))
        return EXO_EINVAL;
    return EXO_OK;
}

/* A piece of a call: it is made again until it is done. */
static int64_t in_pieces(int64_t st)
{
    return st == EXO_EAGAIN ? sched_call_again() : st;
}

static int64_t attach_check(const struct service *s, const struct env *env)
{
    if (s->env)
        return EXO_EEXIST;
    if (env->service)
        return EXO_EBUSY;
    if (env == env_current() || env->thread_count != 1 || env->threads->state != THREAD_NEW)
        return EXO_EINVAL;
    return EXO_OK;
}

int64_t sys_service_attach(exo_cap table, uint32_t i, exo_cap env_handle)
{
    struct env *env;
    int64_t st = table_check(table, EXO_R_CONTROL, i);

    if (st != EXO_OK ||
        (st = env_environment(env_current(), env_handle, EXO_R_CONTROL, &env)) != EXO_OK)
        return st;
    struct service *s = service_at(i);
    if ((st = attach_check(s, env)) != EXO_OK)
        return st;
    if (s->next.image && s->next.of != env) /* somebody's call that was never finished */
        snapshot_drop(&s->next);
    if ((st = snapshot_take(&s->next, env->threads, false)) != EXO_OK)
        return in_pieces(st);
    s->snapshot = s->next;
    s->next = (struct snapshot){0};
    s->trouble = EXO_OK;
    s->before = rs.entry[i].lives;
    snapshot_commit(&s->snapshot, env);
    object_ref(&env->object);
    object_ref(&env->threads->object);
    s->env = env;
    s->thread = env->threads;
    env->service = s;
    rs_set_loaded(&rs, i, true);
    service_settle();
    return EXO_OK;
}

/* ---- running ----------------------------------------------------------------------------------- */

int64_t sys_service_start(exo_cap table, uint32_t i)
{
    int64_t st = table_check(table, EXO_R_CONTROL, i);

    if (st != EXO_OK)
        return st;
    for (rs_set began = rs_want(&rs, i); began != 0; began &= began - 1)
        service_changed((uint32_t)__builtin_ctzll(began));
    service_settle();
    return EXO_OK;
}

int64_t sys_service_kill(exo_cap table, uint32_t i, uint32_t cause)
{
    int64_t st = table_check(table, EXO_R_CONTROL, i);

    if (st != EXO_OK)
        return st;
    if (cause != EXO_STOPPED && cause != EXO_RESTARTED && cause != EXO_DESTROYED &&
        cause != EXO_HUNG)
        return EXO_EINVAL;
    if (rs.entry[i].state == EXO_SERVICE_RUNNING) {
        env_kill(service_at(i)->env, cause, 0);
    } else if (cause == EXO_STOPPED) {
        rs_halt(&rs, i);
        service_changed(i);
    }
    return EXO_OK;
}

int64_t sys_service_policy(exo_cap table, uint32_t i, uint32_t policy)
{
    int64_t st = table_check(table, EXO_R_CONTROL, i);

    if (st != EXO_OK)
        return st;
    return rs_set_policy(&rs, i, policy) ? EXO_OK : EXO_EINVAL;
}

int64_t sys_service_limit(exo_cap table, uint32_t i, uint32_t rebirths, uint64_t window)
{
    int64_t st = table_check(table, EXO_R_CONTROL, i);

    if (st != EXO_OK)
        return st;
    return rs_set_limit(&rs, i, rebirths, window) ? EXO_OK : EXO_EINVAL;
}

int64_t sys_service_hold(exo_cap table, uint32_t i, uint32_t hold)
{
    int64_t st = table_check(table, EXO_R_CONTROL, i);

    if (st != EXO_OK)
        return st;
    if (!rs_hold(&rs, i, hold))
        return EXO_EINVAL;
    service_settle();
    return EXO_OK;
}

int64_t sys_service_fail(exo_cap table, uint32_t i, int64_t trouble)
{
    int64_t st = table_check(table, EXO_R_CONTROL, i);

    if (st != EXO_OK)
        return st;
    if (trouble >= 0 || trouble < INT32_MIN)
        return EXO_EINVAL;
    if (rs.entry[i].state != EXO_SERVICE_STARTING)
        return EXO_EBUSY;
    service_give_up(i, trouble);
    return EXO_OK;
}

int64_t sys_service_period(exo_cap table, uint32_t i, uint64_t period)
{
    int64_t st = table_check(table, EXO_R_CONTROL, i);

    if (st == EXO_OK)
        service_at(i)->period = period;
    return st;
}

int64_t sys_service_unload(exo_cap table, uint32_t i)
{
    int64_t st = table_check(table, EXO_R_CONTROL, i);

    if (st != EXO_OK)
        return st;
    if (!rs_at_rest(&rs, i))
        return EXO_EBUSY;
    rs_set_loaded(&rs, i, false);
    unload(service_at(i));
    service_changed(i);
    return EXO_OK;
}

/* ---- observing --------------------------------------------------------------------------------- */

int64_t sys_service_info(exo_cap table, uint32_t i, struct exo_service_info *out)
{
    int64_t st = table_check(table, EXO_R_READ, i);

    if (st != EXO_OK)
        return st;
    const struct service *s = service_at(i);
    const struct rs_entry *e = &rs.entry[i];
    struct exo_service_info info = {.state = e->state,
                                    .policy = e->policy,
                                    .limit = e->limit,
                                    .loaded = e->loaded,
                                    .window = e->window,
                                    .lives = e->lives,
                                    .needs = e->needs,
                                    .follows = e->follows,
                                    .cause = s->cause,
                                    .trouble = s->trouble,
                                    .status = s->status,
                                    .fault_kind = s->fault_kind,
                                    .fault_pc = s->fault_pc,
                                    .fault_address = s->fault_address,
                                    .born = s->born,
                                    .died = s->died,
                                    .recovery_ns = s->recovery,
                                    .recovery_total_ns = s->recovery_total,
                                    .heartbeat =
                                        s->heartbeat.place ? s->heartbeat.deadline : EXO_FOREVER,
                                    .period = s->period,
                                    .hold = e->hold};
    memcpy(info.name, s->name, sizeof info.name);
    memcpy(info.path, s->path, sizeof info.path);
    return hal_copy_out((uintptr_t)out, &info, sizeof info) ? EXO_OK : EXO_EFAULT;
}

int64_t sys_service_watch(exo_cap table, uint32_t i, exo_cap notification, uint32_t bits)
{
    struct notification *n;
    int64_t st = i == EXO_SERVICE_ANY ? rights_check(table, EXO_R_READ, i)
                                      : table_check(table, EXO_R_READ, i);

    if (st != EXO_OK || (st = env_object(env_current(), notification, EXO_NOTIFICATION,
                                         EXO_R_SIGNAL, (void **)&n)) != EXO_OK)
        return st;
    return bits & EXO_EVENT_KERNEL ? EXO_EINVAL : service_watch(i, n, bits);
}

/* ---- a service about itself -------------------------------------------------------------------- */

/* It is the caller again, in this life or in one that comes back here: the answer tells which. */
int64_t sys_service_checkpoint(void)
{
    struct thread *self = thread_current();
    struct service *s = self->env->service;

    if (!s)
        return EXO_EINVAL;
    if (self->env->thread_count != 1)
        return EXO_EBUSY;
    int64_t st = snapshot_take(&s->next, self, true);
    if (st != EXO_OK)
        return in_pieces(st);
    hal_context_result(&s->next.context, 1);
    snapshot_drop(&s->snapshot);
    s->snapshot = s->next;
    s->next = (struct snapshot){0};
    snapshot_commit(&s->snapshot, self->env);
    return EXO_OK;
}

int64_t sys_service_heartbeat(exo_time deadline)
{
    struct service *s = env_current()->service;

    if (!s)
        return EXO_EINVAL;
    if (s->period != 0 && deadline > clock_now() + s->period)
        deadline = clock_now() + s->period;
    if (!timer_arm(&s->heartbeat, deadline))
        return EXO_EOBJECTS;
    sched_timer_changed();
    return EXO_OK;
}
