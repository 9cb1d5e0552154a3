// SPDX-License-Identifier: MIT
/*
 * futex: the kernel's wait and wake on words, in Linux's clothes.
 *
 * exo_wait sleeps while the word has the expected value and is woken by place in physical memory,
 * so shared and private futexes are the same thing. Wake bits are not known to the kernel: a wake
 * that is for some bits only wakes everybody, which the waiters must expect anyway. The operations for
 * priority inheritance lock and unlock; there is nothing to inherit, since no program may have a
 * priority above others' (sched_setscheduler).
 *
 * These calls run without the image lock: they touch the program's words only.
 */
#include "core.h"

enum {
    FUTEX_WAIT,
    FUTEX_WAKE,
    FUTEX_FD,
    FUTEX_REQUEUE,
    FUTEX_CMP_REQUEUE,
    FUTEX_WAKE_OP,
    FUTEX_LOCK_PI,
    FUTEX_UNLOCK_PI,
    FUTEX_TRYLOCK_PI,
    FUTEX_WAIT_BITSET,
    FUTEX_WAKE_BITSET,
    FUTEX_LOCK_PI2 = 13
};
#define FUTEX_WAITERS  0x80000000u
#define FUTEX_TID_MASK 0x3fffffffu
#define FUTEX_PRIVATE  128u
#define FUTEX_REALTIME 256u
#define FUTEX_ALL_BITS UINT32_MAX

static bool word_ok(uint64_t word)
{
    return (word & 3) == 0 && user_range(word, 4);
}

static int64_t futex_wait(uint64_t word, uint32_t expected, exo_time deadline)
{
    struct exo_wait_word w[3] = {{.address = word, .expected = expected}};
    uint32_t value, words = 1;

    if (!word_ok(word))
        return word & 3 ? -EINVAL : -EFAULT;
    if (user_load32((const uint32_t *)word, &value) < 0)
        return -EFAULT;
    if (value != expected)
        return -EAGAIN;
    if (expected & FUTEX_WAITERS) {
        image_lock();
        words += robust_watch(word, expected, &w[1]);
        image_unlock();
    }
    for (;;) {
        int64_t st = exo_wait(w, words, deadline);

        if (st >= 0)
            return 0;
        if (st != EXO_EINTR)
            return errno_of(st);
        image_lock();
        bool waiting = signal_waiting();
        image_unlock();
        if (waiting)
            return -ERESTARTSYS;
    }
}

static int64_t futex_wake(uint64_t word, uint32_t count)
{
    if (!word_ok(word))
        return word & 3 ? -EINVAL : -EFAULT;
    return errno_of(exo_wake((const void *)word, count));
}

static int64_t futex_requeue(uint64_t from, uint64_t to, uint32_t wake, uint32_t move,
                             const uint32_t *expected)
{
    uint32_t value;

    if (!word_ok(from) || !word_ok(to))
        return -EFAULT;
    if ((int32_t)wake < 0 || (int32_t)move < 0)
        return -EINVAL;
    if (user_load32((const uint32_t *)from, &value) < 0)
        return -EFAULT;
    if (expected && value != *expected)
        return -EAGAIN;
    return errno_of(exo_requeue((const void *)from, wake, (const void *)to, move, value));
}

/* FUTEX_WAKE_OP: changes *second by a little program, wakes at `first`, and at `second` if the old
 * value compares so. */
static int64_t futex_wake_op(uint64_t first, uint32_t wake, uint64_t second, uint32_t wake_second,
                             uint32_t program)
{
    enum { SET, ADD, OR, ANDN, XOR };
    enum { EQ, NE, LT, LE, GT, GE };
    uint32_t operand = (program >> 12) & 0xfff, old, value;
    int32_t compared = (int32_t)(program << 20) >> 20;
    int64_t woken;
    bool holds;

    if (program & 0x80000000u)
        operand = (uint32_t)1 << (operand & 31);
    if (!word_ok(first) || !word_ok(second))
        return -EFAULT;
    if (user_load32((const uint32_t *)second, &old) < 0)
        return -EFAULT;
    do {
        switch ((program >> 28) & 7) {
        case SET: value = operand; break;
        case ADD: value = old + operand; break;
        case OR: value = old | operand; break;
        case ANDN: value = old & ~operand; break;
        case XOR: value = old ^ operand; break;
        default: return -ENOSYS;
        }
        woken = user_swap32((uint32_t *)second, &old, value);
    } while (woken == 0);
    if (woken < 0)
        return woken;
    switch ((program >> 24) & 15) {
    case EQ: holds = (int32_t)old == compared; break;
    case NE: holds = (int32_t)old != compared; break;
    case LT: holds = (int32_t)old < compared; break;
    case LE: holds = (int32_t)old <= compared; break;
    case GT: holds = (int32_t)old > compared; break;
    case GE: holds = (int32_t)old >= compared; break;
    default: return -ENOSYS;
    }
    woken = futex_wake(first, wake);
    if (woken >= 0 && holds) {
        int64_t more = futex_wake(second, wake_second);

        return more < 0 ? more : woken + more;
    }
    return woken;
}

/* Takes the word if nobody has it: 0, -EAGAIN, -EDEADLK. Who waited leaves a sign that others may. */
static int64_t pi_try(uint64_t word, bool waited, uint32_t *seen)
{
    uint32_t tid = (uint32_t)self()->tid;

    if (user_load32((const uint32_t *)word, seen) < 0)
        return -EFAULT;
    for (;;) {
        bool free = (*seen & FUTEX_TID_MASK) == 0;
        uint32_t value = free ? (*seen & ~FUTEX_TID_MASK) | tid | (waited ? FUTEX_WAITERS : 0)
                              : *seen | FUTEX_WAITERS;

        if ((*seen & FUTEX_TID_MASK) == tid)
            return -EDEADLK;
        int64_t done = user_swap32((uint32_t *)word, seen, value);
        if (done < 0)
            return done;
        *seen = done ? value : *seen;
        if (done)
            return free ? 0 : -EAGAIN;
    }
}

static int64_t pi_lock(uint64_t word, exo_time deadline)
{
    uint32_t seen;
    bool waited = false;

    if (!word_ok(word))
        return word & 3 ? -EINVAL : -EFAULT;
    for (;;) {
        int64_t st = pi_try(word, waited, &seen);

        if (st != -EAGAIN)
            return st;
        waited = true;
        st = futex_wait(word, seen, deadline);
        if (st < 0 && st != -EAGAIN)
            return st;
    }
}

static int64_t pi_try_lock(uint64_t word)
{
    uint32_t value;

    if (!word_ok(word))
        return word & 3 ? -EINVAL : -EFAULT;
    if (user_load32((const uint32_t *)word, &value) < 0)
        return -EFAULT;
    return value & FUTEX_TID_MASK ? -EAGAIN : pi_try(word, (value & FUTEX_WAITERS) != 0, &value);
}

static int64_t pi_unlock(uint64_t word)
{
    uint32_t value;

    if (!word_ok(word))
        return word & 3 ? -EINVAL : -EFAULT;
    if (user_load32((const uint32_t *)word, &value) < 0)
        return -EFAULT;
    for (;;) {
        if ((value & FUTEX_TID_MASK) != (uint32_t)self()->tid)
            return -EPERM;
        int64_t done = user_swap32((uint32_t *)word, &value, 0);
        if (done < 0)
            return done;
        if (done)
            break;
    }
    exo_wake((const void *)word, 1);
    return 0;
}

/* The timeout of a wait: relative for FUTEX_WAIT, absolute for FUTEX_WAIT_BITSET. */
static int64_t wait_deadline(uint32_t op, uint32_t flags, uint64_t timeout, exo_time *deadline)
{
    uint64_t ns;

    if (op == FUTEX_LOCK_PI)
        flags = FUTEX_REALTIME;
    if (op == FUTEX_WAIT)
        return time_deadline(timeout, deadline);
    *deadline = EXO_FOREVER;
    if (!timeout)
        return 0;
    int64_t st = timespec_read(timeout, &ns);
    return st < 0 ? st : time_absolute(flags & FUTEX_REALTIME ? 0 : 1, ns, deadline);
}

DEFINE_CALL6(futex, word, op, value, timeout, second, third)
{
    uint32_t command = (uint32_t)op & ~(FUTEX_PRIVATE | FUTEX_REALTIME);
    uint32_t flags = (uint32_t)op & FUTEX_REALTIME, expected = (uint32_t)third;
    exo_time deadline;
    int64_t st;

    switch (command) {
    case FUTEX_WAIT_BITSET:
        if ((uint32_t)third == 0)
            return -EINVAL;
        __attribute__((fallthrough));
    case FUTEX_WAIT:
        st = wait_deadline(command, flags, timeout, &deadline);
        return st < 0 ? st : futex_wait(word, (uint32_t)value, deadline);
    case FUTEX_WAKE: return futex_wake(word, (uint32_t)value);
    case FUTEX_WAKE_BITSET:
        if ((uint32_t)third == 0)
            return -EINVAL;
        return futex_wake(word, (uint32_t)third == FUTEX_ALL_BITS ? (uint32_t)value : INT32_MAX);
    case FUTEX_REQUEUE: return futex_requeue(word, second, (uint32_t)value, (uint32_t)timeout, 0);
    case FUTEX_CMP_REQUEUE:
        return futex_requeue(word, second, (uint32_t)value, (uint32_t)timeout, &expected);
    case FUTEX_LOCK_PI:
    case FUTEX_LOCK_PI2:
        st = wait_deadline(command, flags, timeout, &deadline);
        return st < 0 ? st : pi_lock(word, deadline);
    case FUTEX_TRYLOCK_PI: return pi_try_lock(word);
    case FUTEX_UNLOCK_PI: return pi_unlock(word);
    case FUTEX_WAKE_OP:
        return futex_wake_op(word, (uint32_t)value, second, (uint32_t)timeout, (uint32_t)third);
    default: return -ENOSYS;
    }
}
