// SPDX-License-Identifier: MIT
/*
 * Semaphores of System V: an array in the object's file (sysv.h), behind its first page.
 *
 * Behind the semaphores there is for each process that wants it what is to be undone when it ends. A
 * process holds one end of a pair whose word lies there: when it is gone, however it went, the kernel sets
 * the word and wakes who sleeps on it, and whoever looks at the semaphores next undoes. No process is
 * needed for that which could die as well.
 */
#include "claim.h"
#include "core.h"
#include "files.h"
#include "sysv.h"

#define SEMAPHORES_MAX 2000u
#define VALUE_MAX      32767
#define OPS_MAX        64u
#define UNDOERS        64u /* and the word of change: at most EXO_WAIT_WORDS */
#define SEM_UNDO       0x1000u
enum {
    GETPID = 11,
    GETVAL,
    GETALL,
    GETNCNT,
    GETZCNT,
    SETVAL,
    SETALL,
    SEM_STAT,
    SEM_INFO,
    SEM_STAT_ANY
};

struct semaphore {
    int16_t value;
    uint16_t pad;
    int32_t pid;
    _Atomic uint32_t wait_more, wait_zero;
};

struct undoer {
    _Atomic uint32_t name; /* of the process (claim.h); 0: nobody */
    _Atomic uint32_t
        gone; /* the kernel says so, perhaps only after we have undone by the name ... */
    uint32_t paired, pad; /* ... so the place is free when it has been said */
    int16_t adjust[];
};

struct sem_op {
    uint16_t number;
    int16_t change, flags;
};

static uint64_t undoer_bytes(uint64_t count)
{
    return (sizeof(struct undoer) + 2 * count + 7) & ~(uint64_t)7;
}

static uint64_t file_bytes(uint64_t count)
{
    return count * sizeof(struct semaphore) + UNDOERS * undoer_bytes(count);
}

/* What the head says, but no more than there is. */
static uint64_t count_of(const struct sysv *o)
{
    uint64_t count = o->head->size, room = (o->pages - 1) * EXO_PAGE_SIZE;

    return count <= SEMAPHORES_MAX && file_bytes(count) <= room ? count : 0;
}

static struct semaphore *semaphore_at(const struct sysv *o, uint64_t i)
{
    return (struct semaphore *)((char *)o->head + EXO_PAGE_SIZE) + i;
}

static struct undoer *undoer_at(const struct sysv *o, uint64_t i)
{
    uint64_t count = count_of(o);

    return (struct undoer *)((char *)semaphore_at(o, count) + i * undoer_bytes(count));
}

/* ---- changes of several words, all or none -------------------------------------------------------- */

/* Notes that a 16-bit word gets a value; what was noted for it before is replaced. */
static void intend(struct sysv *o, const int16_t *word, int32_t value, uint32_t *count)
{
    struct sysv_head *h = o->head;
    uint32_t at = (uint32_t)((const char *)word - (const char *)h), i = 0;

    while (i < *count && h->intents[i].at != at)
        i++;
    h->intents[i].at = at;
    h->intents[i].value = (int16_t)value;
    if (i == *count)
        (*count)++;
}

/* The value that a word will have. */
static int32_t intended(const struct sysv *o, const int16_t *word, uint32_t count)
{
    const struct sysv_head *h = o->head;
    uint32_t at = (uint32_t)((const char *)word - (const char *)h);

    for (uint32_t i = 0; i < count; i++) {
        if (h->intents[i].at == at)
            return h->intents[i].value;
    }
    return *word;
}

/* From here on it happens, whatever becomes of us: sysv_begin does the same. */
static void intents_do(struct sysv *o, uint32_t count)
{
    struct sysv_head *h = o->head;

    atomic_store(&h->intent_count, count);
    for (uint32_t i = 0; i < count; i++)
        *(int16_t *)(void *)((char *)h + h->intents[i].at) = h->intents[i].value;
    atomic_store(&h->intent_count, 0);
}

/* ---- undoing ---------------------------------------------------------------------------------------- */

static bool is_gone(const struct undoer *u)
{
    return u->name && (u->gone || !claim_holder_lives(u->name));
}

/* The claim is held. A piece is at most as long as the list of intents. */
static void undo(struct sysv *o, struct undoer *u)
{
    uint64_t count = count_of(o), i = 0;
    bool any = false;

    while (i < count) {
        uint32_t intents = 0;

        for (; i < count && intents + 2 <= SYSV_INTENTS; i++) {
            struct semaphore *s = semaphore_at(o, i);
            int32_t value = s->value + u->adjust[i];

            if (u->adjust[i] == 0)
                continue;
            intend(o, &s->value, value < 0 ? 0 : value > VALUE_MAX ? VALUE_MAX : value, &intents);
            intend(o, &u->adjust[i], 0, &intents);
        }
        any |= intents > 0;
        intents_do(o, intents);
    }
    atomic_store(&u->name, 0);
    if (any)
        sysv_changed(o);
}

static void undo_the_gone(struct sysv *o)
{
    for (uint32_t i = 0; i < UNDOERS; i++) {
        if (is_gone(undoer_at(o, i)))
            undo(o, undoer_at(o, i));
    }
}

static bool is_free(const struct undoer *u)
{
    return u->name == 0 && (!u->paired || u->gone);
}

/* This process's place among those whose changes are undone. The claim is held. */
static int64_t undoer_find(struct sysv *o, struct undoer **out)
{
    exo_cap ends[2];
    uint32_t i = 0;

    if (o->undo && o->undo_pid == current()->pid) {
        *out = undoer_at(o, o->undo - 1);
        return 0;
    }
    while (i < UNDOERS && !is_free(undoer_at(o, i)))
        i++;
    if (i == UNDOERS)
        return -ENOSPC;
    struct undoer *u = undoer_at(o, i);
    uint64_t page = EXO_PAGE_SIZE; /* the region's first page is fs's (struct fs_state) */
    memset(u->adjust, 0, 2 * count_of(o));
    u->gone = 0;
    u->paired = 1;
    int64_t st = exo_pair_create(o->region, page + (uint64_t)((char *)&u->gone - (char *)o->head),
                                 page + offsetof(struct sysv_head, unused), ends);
    if (st < 0) {
        u->paired = 0;
        return errno_of(st);
    }
    exo_cap_delete(ends[1], 0);
    exo_cap_flags(ends[0], EXO_CAP_NOFORK);
    atomic_store(&u->name, claim_own_name());
    o->undo = i + 1;
    o->undo_pid = current()->pid;
    *out = u;
    return 0;
}

/* ---- operations --------------------------------------------------------------------------------------- */

#define BLOCKS 1 /* try: the one at *at waits */

/* Does all of them or none. */
static int64_t try(struct sysv *o, const struct sem_op *ops, uint32_t count, uint32_t *at)
{
    uint32_t intents = 0;

    for (uint32_t i = 0; i < count; i++) {
        struct semaphore *s = semaphore_at(o, ops[i].number);
        int32_t value = intended(o, &s->value, intents);
        struct undoer *u;

        *at = i;
        if (ops[i].change == 0 ? value != 0 : value + ops[i].change < 0)
            return ops[i].flags & (int16_t)IPC_NOWAIT ? -EAGAIN : BLOCKS;
        if (value + ops[i].change > VALUE_MAX)
            return -ERANGE;
        intend(o, &s->value, value + ops[i].change, &intents);
        if (!(ops[i].flags & (int16_t)SEM_UNDO) || ops[i].change == 0)
            continue;
        int64_t st = undoer_find(o, &u);
        if (st < 0)
            return st;
        int32_t adjust = intended(o, &u->adjust[ops[i].number], intents) - ops[i].change;
        if (adjust < -VALUE_MAX || adjust > VALUE_MAX)
            return -ERANGE;
        intend(o, &u->adjust[ops[i].number], adjust, &intents);
    }
    intents_do(o, intents);
    for (uint32_t i = 0; i < count; i++)
        semaphore_at(o, ops[i].number)->pid = current()->pid;
    o->head->time[0] = sysv_now();
    return 0;
}

/* Until something changes, or one dies whose changes are undone. */
static int64_t sleep(struct sysv *o, uint32_t seen, exo_time deadline)
{
    struct waiter w;

    waiter_init(&w, deadline);
    waiter_add(&w, &o->head->change, seen);
    for (uint32_t i = 0; i < UNDOERS; i++) {
        struct undoer *u = undoer_at(o, i);

        if (u->name)
            waiter_add(&w, &u->gone, 0);
    }
    int64_t st = waiter_sleep(&w);
    return st == -ERESTARTSYS ? -EINTR : st == -ETIMEDOUT ? -EAGAIN : st;
}

static int64_t operate(int32_t id, const struct sem_op *ops, uint32_t count, exo_time deadline)
{
    bool slept = false;

    for (;;) {
        struct sysv *o;
        uint32_t at = 0, seen;
        int64_t st = sysv_find('s', id, true, &o);

        if (st < 0)
            return slept && st == -EINVAL ? -EIDRM : st;
        for (uint32_t i = 0; i < count; i++) {
            if (ops[i].number >= count_of(o))
                return -EFBIG;
        }
        sysv_begin(o);
        undo_the_gone(o);
        seen = atomic_load(&o->head->change);
        st = try(o, ops, count, &at);
        sysv_end(o);
        if (st == 0)
            sysv_changed(o);
        if (st != BLOCKS)
            return st;
        struct semaphore *s = semaphore_at(o, ops[at].number);
        _Atomic uint32_t *waiting = ops[at].change ? &s->wait_more : &s->wait_zero;
        atomic_fetch_add(waiting, 1);
        st = sleep(o, seen, deadline);
        if (sysv_find('s', id, true, &o) == 0)
            atomic_fetch_sub(waiting, 1);
        if (st < 0)
            return st;
        slept = true;
    }
}

static int64_t operate_user(uint64_t id, uint64_t user, uint64_t count, exo_time deadline)
{
    struct sem_op ops[OPS_MAX];

    if (count == 0)
        return -EINVAL;
    if (count > OPS_MAX)
        return -E2BIG;
    if (user_read(ops, user, count * sizeof ops[0]) < 0)
        return -EFAULT;
    return operate((int32_t)id, ops, (uint32_t)count, deadline);
}

DEFINE_CALL3(semop, id, ops, count)
{
    return operate_user(id, ops, count, EXO_FOREVER);
}

DEFINE_CALL4(semtimedop, id, ops, count, timeout)
{
    exo_time deadline;
    int64_t st = time_deadline(timeout, &deadline);

    return st < 0 ? st : operate_user(id, ops, count, deadline);
}

DEFINE_CALL3(semget, key, count, flags)
{
    if ((int32_t)count < 0 || count > SEMAPHORES_MAX)
        return -EINVAL;
    if (count == 0 && (int32_t)key == IPC_PRIVATE)
        return -EINVAL;
    return sysv_get('s', (int32_t)key, count, file_bytes(count), (uint32_t)flags);
}

/* ---- control ------------------------------------------------------------------------------------------ */

static int64_t stat_write(const struct sysv *o, uint64_t user)
{
    const struct sysv_head *h = o->head;
    struct {
        uint8_t perm[48];
        struct sem_times times;
        uint64_t count, unused[2];
    } out = {.count = h->size, .times = SEM_TIMES(h->time[0], h->ctime)};

    sysv_perm(out.perm, o);
    return user_write(user, &out, sizeof out);
}

static int64_t info_write(uint64_t user)
{
    uint32_t used;
    int64_t highest = sysv_highest('s', &used);
    const int32_t info[10] = {0,        SYSV_OBJECTS,   SYSV_OBJECTS * SEMAPHORES_MAX,
                              UNDOERS,  SEMAPHORES_MAX, OPS_MAX,
                              UNDOERS,  (int32_t)used,  VALUE_MAX,
                              VALUE_MAX};
    int64_t st = user_write(user, info, sizeof info);

    return st < 0 ? st : highest;
}

/* Sets the semaphores from `first` on; nothing is left to be undone of them. The claim is held. */
static void values_set(struct sysv *o, uint64_t first, uint64_t count, const uint16_t *values)
{
    for (uint64_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < UNDOERS; k++)
            undoer_at(o, k)->adjust[first + i] = 0;
        semaphore_at(o, first + i)->value = (int16_t)values[i];
        semaphore_at(o, first + i)->pid = current()->pid;
    }
    o->head->ctime = sysv_now();
}

static int64_t all_get(struct sysv *o, uint64_t user)
{
    for (uint64_t i = 0; i < count_of(o); i++) {
        if (user_write(user + 2 * i, &semaphore_at(o, i)->value, 2) < 0)
            return -EFAULT;
    }
    return 0;
}

static int64_t all_set(struct sysv *o, uint64_t user)
{
    uint64_t count = count_of(o);
    uint16_t *values = heap_alloc(2 * count + 2);
    int64_t st = !values ? -ENOMEM : user_read(values, user, 2 * count);

    for (uint64_t i = 0; i < count && st == 0; i++)
        st = values[i] > VALUE_MAX ? -ERANGE : 0;
    if (st == 0) {
        sysv_begin(o);
        values_set(o, 0, count, values);
        sysv_end(o);
        sysv_changed(o);
    }
    heap_free(values);
    return st;
}

static int64_t one_set(struct sysv *o, uint64_t number, uint64_t argument)
{
    uint16_t value = (uint16_t)argument;

    if ((int32_t)argument < 0 || (int32_t)argument > VALUE_MAX)
        return -ERANGE;
    sysv_begin(o);
    values_set(o, number, 1, &value);
    sysv_end(o);
    sysv_changed(o);
    return 0;
}

static int64_t control_one(struct sysv *o, uint64_t number, uint32_t command, uint64_t argument)
{
    const struct semaphore *s = semaphore_at(o, number);

    if (number >= count_of(o))
        return -EINVAL;
    switch (command) {
    case GETVAL: return s->value;
    case GETPID: return s->pid;
    case GETNCNT: return (int64_t)s->wait_more;
    case GETZCNT: return (int64_t)s->wait_zero;
    default: return one_set(o, number, argument);
    }
}

DEFINE_CALL4(semctl, id, number, command, argument)
{
    struct sysv *o;
    int64_t st;

    command &= ~(uint64_t)IPC_64;
    if (command == IPC_INFO || command == SEM_INFO)
        return info_write(argument);
    st = sysv_find('s', (int32_t)id, command == SETVAL || command == SETALL, &o);
    if (st < 0)
        return st;
    if (o->writable) {
        sysv_begin(o);
        undo_the_gone(o);
        sysv_end(o);
    }
    switch (command) {
    case IPC_STAT: return stat_write(o, argument);
    case SEM_STAT:
    case SEM_STAT_ANY: st = stat_write(o, argument); return st < 0 ? st : o->id;
    case IPC_SET: return sysv_set(o, argument);
    case IPC_RMID: return sysv_remove(o);
    case GETALL: return all_get(o, argument);
    case SETALL: return all_set(o, argument);
    case GETVAL:
    case GETPID:
    case GETNCNT:
    case GETZCNT:
    case SETVAL: return control_one(o, (uint32_t)number, (uint32_t)command, argument);
    default: return -EINVAL;
    }
}
