/* SPDX-License-Identifier: MIT */
/* Making snapshots and going back to them: see snapshot.h. */
#include <kernel/env/env.h>
#include <kernel/env/thread.h>
#include <kernel/mem/frame.h>
#include <kernel/resurrection/snapshot.h>
#include <kernel/sched/sched.h>
#include <lib/string.h>
#include <stdatomic.h>

#define TAKE_CAPS 128u /* capabilities in one piece */

/* ---- making ------------------------------------------------------------------------------------ */

static int64_t take_thread(struct snapshot *s, struct thread *t, bool with_fpu)
{
    if (with_fpu) {
        pfn_t f = frame_take_raw(t->env->account);

        if (f == PFN_NONE)
            return EXO_ENOMEM;
        s->fpu = hal_frame_ptr(f);
        hal_context_switch(&t->context, t->fpu, &t->context, t->fpu); /* it is the current thread */
        *s->fpu = *t->fpu;
    }
    s->context = t->context;
    s->foreign_pc = t->foreign_pc;
    s->upcall_pc = t->upcall_pc;
    s->nested_pc = t->nested_pc;
    memcpy(s->libos, t->utcb->libos, sizeof s->libos);
    s->masked = t->utcb->masked;
    s->priority = t->priority;
    return EXO_OK;
}

static int64_t take_piece(struct snapshot *s, struct thread *t, bool with_fpu)
{
    struct env *env = t->env;
    int64_t st = EXO_OK;

    if (!s->image && (st = env_make(env->account, &s->image)) != EXO_OK)
        return st;
    s->of = env;
    if ((st = env_slots_freeze(env, s->image, &s->slot, TAKE_CAPS)) != EXO_OK)
        return st;
    st = space_clone(&s->image->space, &env->space, s->va, EXO_VIEW_VA, EXO_MAP_PRESERVE,
                     space_cap_in);
    if (st > 0) {
        s->va = (uint64_t)st;
        return EXO_EAGAIN;
    }
    return st == EXO_OK ? take_thread(s, t, with_fpu) : st;
}

int64_t snapshot_take(struct snapshot *s, struct thread *t, bool with_fpu)
{
    int64_t st = take_piece(s, t, with_fpu);

    if (st != EXO_OK && st != EXO_EAGAIN)
        snapshot_drop(s);
    return st;
}

void snapshot_commit(const struct snapshot *s, struct env *env)
{
    env_slots_mark(env, s->image);
}

void snapshot_drop(struct snapshot *s)
{
    if (s->image)
        env_kill(s->image, EXO_DESTROYED, 0);
    if (s->fpu)
        frame_unshare(hal_frame_of(s->fpu));
    *s = (struct snapshot){0};
}

/* ---- going back -------------------------------------------------------------------------------- */

int64_t snapshot_restore(const struct snapshot *s, struct env *env, struct restoring *at,
                         unsigned *budget)
{
    int64_t st = EXO_OK;

    if (at->step ==
        RESTORE_CAPABILITIES) { /* first: with a capability go the mappings made by it */
        if ((st = env_slots_restore(env, s->image, &at->slot, budget)) != EXO_OK)
            return st;
        at->step = RESTORE_SPACE;
    }
    if (at->step == RESTORE_SPACE) {
        st = space_restore(&env->space, &s->image->space, &at->va, budget, space_cap_in);
        if (st == EXO_OK)
            at->step = RESTORE_DONE;
    }
    return st;
}

/* What the kernel and the LibOS look at; messages and the frames of upcalls are left as they are. */
static void restore_utcb(const struct snapshot *s, struct exo_utcb *u)
{
    uint64_t *words = (uint64_t *)u,
             badge = u->badge; /* of the last call: lib/answers.h asks for it */

    for (unsigned i = 0; i < offsetof(struct exo_utcb, frame) / sizeof *words; i++)
        words[i] = 0;
    u->badge = badge;
    memcpy(u->libos, s->libos, sizeof s->libos);
    u->masked = s->masked;
    u->reclaim = (struct exo_reclaim){0};
}

int64_t snapshot_restore_thread(const struct snapshot *s, struct thread *t)
{
    int64_t st = thread_utcb_restore(t);

    if (st != EXO_OK)
        return st;
    restore_utcb(s, t->utcb);
    t->utcb->self = t->utcb_va;
    t->utcb->cpu = t->cpu->number;
    t->context = s->context;
    if (s->fpu)
        *t->fpu = *s->fpu;
    else
        hal_fpu_init(t->fpu);
    t->foreign_pc = s->foreign_pc;
    t->upcall_pc = s->upcall_pc;
    t->nested_pc = s->nested_pc;
    t->priority = s->priority;
    return EXO_OK;
}
