/* SPDX-License-Identifier: MIT */
/* Sleeping on words: see wait.h. */
#include <kernel/env/env.h>
#include <kernel/env/thread.h>
#include <kernel/ipc/event.h>
#include <kernel/ipc/wait.h>
#include <kernel/ipc/waitset.h>
#include <kernel/mem/frame.h>
#include <kernel/mem/reclaim.h>
#include <kernel/mem/space.h>
#include <kernel/resurrection/service.h>
#include <kernel/sched/sched.h>
#include <kernel/sys.h>

/* Sleepers by place, first come first: each bucket is a list with a tail. */
#define BUCKETS 1024u
static struct bucket {
    struct wait_node *head, **tail;
} buckets[BUCKETS];

static struct bucket *bucket_of(uint64_t place)
{
    struct bucket *b = &buckets[(place >> 2 ^ place >> 12) % BUCKETS];

    if (!b->tail)
        b->tail = &b->head;
    return b;
}

/* The frame of a shared word cannot get another owner while somebody sleeps on it: a wake there
 * would find a stranger in the queue. */
static void node_link(struct wait_node *n, uint64_t place)
{
    struct bucket *b = bucket_of(place);

    if (!(place & PLACE_PRIVATE))
        frame_share((pfn_t)(place >> EXO_PAGE_SHIFT));
    n->place = place;
    n->next = 0;
    n->link = b->tail;
    *b->tail = n;
    b->tail = &n->next;
}

static void node_add(struct wait_node *n, struct thread *t, uint64_t place)
{
    n->thread = t;
    n->entry = 0;
    node_link(n, place);
}

void wait_node_add_set(struct wait_node *n, struct waitset_entry *entry, uint64_t place)
{
    n->thread = 0;
    n->entry = entry;
    node_link(n, place);
}

void wait_node_remove(struct wait_node *n)
{
    struct bucket *b = bucket_of(n->place);

    *n->link = n->next;
    if (n->next)
        n->next->link = n->link;
    else
        b->tail = n->link;
    if (!(n->place & PLACE_PRIVATE))
        frame_unshare((pfn_t)(n->place >> EXO_PAGE_SHIFT));
}

static struct wait_node *node_at(struct thread *t, uint32_t i)
{
    return i < WAIT_INLINE ? &t->nodes[i] : &t->more_nodes[i - WAIT_INLINE];
}

void wait_leave(struct thread *t)
{
    for (uint32_t i = 0; i < t->node_count; i++) /* at most EXO_WAIT_WORDS */
        wait_node_remove(node_at(t, i));
    t->node_count = 0;
    if (t->set)
        waitset_leave(t);
}

/* Which of its words a node stands for. */
static uint32_t node_index(const struct wait_node *n)
{
    const struct thread *t = n->thread;

    if (n >= t->nodes && n < t->nodes + WAIT_INLINE)
        return (uint32_t)(n - t->nodes);
    return WAIT_INLINE + (uint32_t)(n - t->more_nodes);
}

uint32_t wait_wake(uint64_t place, uint32_t count)
{
    uint32_t woken = 0;

    for (struct wait_node *n = bucket_of(place)->head, *next; n && woken < count; n = next) {
        next = n->next;
        if (n->place != place)
            continue;
        woken++;
        if (n->entry) {
            waitset_ready(n->entry);
            continue;
        }
        while (next && next->thread == n->thread) /* finishing takes all its nodes off */
            next = next->next;
        thread_finish(n->thread, (int64_t)node_index(n));
    }
    return woken;
}

void timer_fire(struct timer *timer)
{
    if (timer->kind == TIMER_RECLAIM) {
        reclaim_by_force((struct env *)((char *)timer - offsetof(struct env, reclaim)));
        return;
    }
    if (timer->kind == TIMER_HEARTBEAT) {
        service_silent(timer);
        return;
    }
    if (timer->kind == TIMER_ALARM) {
        struct thread *t = (struct thread *)((char *)timer - offsetof(struct thread, alarm));

        event_raise(t, EXO_EVENT_TIMER);
        return;
    }
    struct thread *t = (struct thread *)((char *)timer - offsetof(struct thread, sleep));

    if (t->state == THREAD_READY)
        sched_ready(t); /* its budget is full again */
    else
        thread_finish(t, EXO_ETIMEDOUT);
}

/* ---- calls ------------------------------------------------------------------------------------- */

static struct exo_wait_word words_in[EXO_WAIT_WORDS]; /* under the kernel lock */

/* Where a word is, if it still has its expected value. EXO_OK, EXO_EAGAIN (it differs), EXO_EINVAL,
 * EXO_EFAULT. */
static int64_t word_place(struct thread *t, uint64_t va, uint32_t expected, uint64_t *place)
{
    uint32_t value;

    if ((va & 3) != 0)
        return EXO_EINVAL;
    if (!(*place = space_place(&t->env->space, va)) || !hal_word_in(&value, va))
        return EXO_EFAULT;
    return value == expected ? EXO_OK : EXO_EAGAIN;
}

int64_t sys_wait(const struct exo_wait_word *words, uint32_t count, exo_time deadline)
{
    struct thread *self = thread_current();
    uint64_t places[EXO_WAIT_WORDS];

    /* Check. */
    if (count > EXO_WAIT_WORDS)
        return EXO_EINVAL;
    if (!hal_copy_in(words_in, (uintptr_t)words, count * sizeof *words_in))
        return EXO_EFAULT;
    if (count > WAIT_INLINE && !self->more_nodes) {
        pfn_t f = frame_take(self->env->account);

        if (f == PFN_NONE)
            return EXO_ENOMEM;
        self->more_nodes = hal_frame_ptr(f);
    }
    if (self->utcb->pending != 0)
        return EXO_EINTR;
    for (uint32_t i = 0; i < count; i++) {
        int64_t st = word_place(self, words_in[i].address, words_in[i].expected, &places[i]);

        if (st != EXO_OK)
            return st == EXO_EAGAIN ? (int64_t)i : st;
    }
    if (deadline != EXO_FOREVER) {
        if (deadline <= clock_now())
            return EXO_ETIMEDOUT;
        if (!timer_arm(&self->sleep, deadline))
            return EXO_EOBJECTS;
        sched_timer_changed();
    }

    /* Commit. */
    for (uint32_t i = 0; i < count; i++)
        node_add(node_at(self, i), self, places[i]);
    self->node_count = count;
    self->state = THREAD_WAITING;
    this_cpu()->reschedule = true;
    return SYS_DONE;
}

int64_t sys_wake(const void *address, uint32_t count)
{
    uint64_t va = (uintptr_t)address;

    if ((va & 3) != 0)
        return EXO_EINVAL;
    uint64_t place = space_place(&env_current()->space, va);
    return place ? (int64_t)wait_wake(place, count) : EXO_EFAULT;
}

int64_t sys_requeue(const void *from, uint32_t wake, const void *to, uint32_t move,
                    uint32_t expected)
{
    struct thread *self = thread_current();
    uint64_t from_place, to_place = space_place(&self->env->space, (uintptr_t)to);
    uint32_t done = 0;
    int64_t st = word_place(self, (uintptr_t)from, expected, &from_place);

    if (((uintptr_t)to & 3) != 0)
        return EXO_EINVAL;
    if (st != EXO_OK)
        return st;
    if (!to_place)
        return EXO_EFAULT;
    done = wait_wake(from_place, wake);
    if (from_place == to_place)
        return done;
    for (struct wait_node *n = bucket_of(from_place)->head, *next; n && move > 0; n = next) {
        next = n->next;
        if (n->place != from_place || n->entry)
            continue;
        wait_node_remove(n);
        node_add(n, n->thread, to_place);
        move--;
        done++;
    }
    return done;
}
static_assert(EXO_WAIT_WORDS - WAIT_INLINE <= EXO_PAGE_SIZE / sizeof(struct wait_node),
              "a frame holds the nodes of the longest wait");
