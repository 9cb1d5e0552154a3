/* SPDX-License-Identifier: MIT */
/* Wait sets: see waitset.h. */
#include <kernel/env/env.h>
#include <kernel/env/thread.h>
#include <kernel/ipc/waitset.h>
#include <kernel/sched/sched.h>
#include <kernel/sys.h>

#define ENTRY_PAGES 4096u
#define TAKE_MAX    64u /* keys of one wait */

static void *entry_pages[ENTRY_PAGES];
static struct pool entry_pool;

void waitset_start(void)
{
    pool_init(&entry_pool, sizeof(struct waitset_entry), entry_pages, ENTRY_PAGES);
}

void waitset_ready(struct waitset_entry *e)
{
    struct waitset *set = e->set;

    if (!e->ready) {
        e->ready = true;
        e->ready_next = 0;
        *set->ready_tail = e;
        set->ready_tail = &e->ready_next;
    }
    if (set->sleeper)
        thread_finish(set->sleeper, 0); /* it calls again and takes the keys itself */
}

void waitset_leave(struct thread *t)
{
    t->set->sleeper = 0;
    t->set = 0;
}

static void entry_free(struct waitset_entry *e)
{
    account_uncharge_object(e->set->object.account);
    pool_give(&entry_pool, e, e->index);
}

static void entry_remove(struct waitset_entry *e)
{
    wait_node_remove(&e->node);
    *e->link = e->next;
    if (e->next)
        e->next->link = e->link;
    e->removed = true;
    if (!e->ready)
        entry_free(e);
}

/* Takes the first ready entry off the list; 0 if there is none. */
static struct waitset_entry *take_ready(struct waitset *set)
{
    struct waitset_entry *e;

    while ((e = set->ready_head)) {
        set->ready_head = e->ready_next;
        if (!set->ready_head)
            set->ready_tail = &set->ready_head;
        e->ready = false;
        if (!e->removed)
            break;
        entry_free(e);
    }
    return e;
}

void waitset_destroy(struct waitset *set)
{
    while (set->entries) /* as many as its owner registered and paid for */
        entry_remove(set->entries);
    take_ready(set);
    if (set->sleeper)
        thread_finish(set->sleeper, EXO_EDEAD);
}

/* ---- calls ------------------------------------------------------------------------------------- */

int64_t sys_waitset_create(exo_cap account_cap)
{
    struct account *account;
    void *made;
    int64_t st;

    if ((st = env_account(env_current(), account_cap, EXO_R_CHARGE, &account)) != EXO_OK ||
        (st = object_create(EXO_WAITSET, account, &made)) != EXO_OK)
        return st;
    struct waitset *set = made;
    set->ready_tail = &set->ready_head;
    return env_grant_new(env_current(), &set->object, EXO_R_ALL);
}

int64_t sys_waitset_add(exo_cap cap, const void *address, uint32_t expected, uint64_t key)
{
    struct env *self = env_current();
    uint64_t va = (uintptr_t)address, place;
    struct waitset *set;
    uint32_t value, index;
    int64_t st = env_object(self, cap, EXO_WAITSET, EXO_R_WRITE, (void **)&set);

    if (st != EXO_OK)
        return st;
    if ((va & 3) != 0)
        return EXO_EINVAL;
    if (!(place = space_place(&self->space, va)) || !hal_word_in(&value, va))
        return EXO_EFAULT;
    if (!account_charge_object(set->object.account))
        return EXO_EOBJECTS;
    struct waitset_entry *e = pool_take(&entry_pool, &index);
    if (!e) {
        account_uncharge_object(set->object.account);
        return EXO_ENOMEM;
    }
    e->set = set;
    e->index = index;
    e->key = key;
    e->next = set->entries;
    e->link = &set->entries;
    if (e->next)
        e->next->link = &e->next;
    set->entries = e;
    wait_node_add_set(&e->node, e, place);
    if (value != expected)
        waitset_ready(e);
    return EXO_OK;
}

int64_t sys_waitset_remove(exo_cap cap, uint64_t key)
{
    struct waitset *set;
    struct waitset_entry *e;
    int64_t st = env_object(env_current(), cap, EXO_WAITSET, EXO_R_WRITE, (void **)&set);

    if (st != EXO_OK)
        return st;
    for (e = set->entries; e && e->key != key; e = e->next) /* at most the set's entries */
        ;
    if (!e)
        return EXO_ENOENT;
    entry_remove(e);
    return EXO_OK;
}

int64_t sys_waitset_wait(exo_cap cap, uint64_t *keys, uint32_t count, exo_time deadline)
{
    struct thread *self = thread_current();
    struct waitset_entry *entries[TAKE_MAX], *e;
    uint64_t taken[TAKE_MAX];
    struct waitset *set;
    uint32_t n = 0;
    int64_t st = env_object(self->env, cap, EXO_WAITSET, EXO_R_READ, (void **)&set);

    if (st != EXO_OK)
        return st;
    if (count == 0 || count > TAKE_MAX)
        return EXO_EINVAL;
    if (set->sleeper)
        return EXO_EBUSY;
    while (n < count && (e = take_ready(set))) {
        entries[n] = e;
        taken[n++] = e->key;
    }
    if (n > 0 && hal_copy_out((uintptr_t)keys, taken, n * sizeof *taken))
        return n;
    for (uint32_t i = 0; i < n; i++) /* they could not be told: they stay ready */
        waitset_ready(entries[i]);
    if (n > 0)
        return EXO_EFAULT;
    if (self->utcb->pending != 0)
        return EXO_EINTR;
    if (deadline != EXO_FOREVER) {
        if (deadline <= clock_now())
            return EXO_ETIMEDOUT;
        if (!timer_arm(&self->sleep, deadline))
            return EXO_EOBJECTS;
        sched_timer_changed();
    }
    self->set = set;
    set->sleeper = self;
    self->node_count = 0;
    self->state = THREAD_WAITING;
    this_cpu()->reschedule = true;
    return SYS_DONE;
}
