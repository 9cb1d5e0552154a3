/* SPDX-License-Identifier: MIT */
/*
 * Waiting for many descriptors: poll, ppoll, select, pselect6.
 *
 * First every file is asked what holds now. Only if nothing does and there is time to wait, they are
 * asked once more with a waiter, to which they add the words to sleep on before they look (so that
 * no change is missed). A sleep watches at most EXO_WAIT_WORDS words; with more than that it is cut
 * short and everything is looked at again.
 */
#include "files.h"

#define LOOK_AGAIN_NS 5000000u
#define NS_PER_S      1000000000u

/* What one call watches, in the form of poll(2): select's sets are turned into it. */
struct watched {
    int32_t fd;
    uint16_t events, revents;
};
static_assert(sizeof(struct watched) == 8, "Linux ABI: struct pollfd");

/* Linux's other names for readable and writable. */
#define POLL_RDNORM 0x40u
#define POLL_RDBAND 0x80u
#define POLL_WRNORM 0x100u
#define POLL_WRBAND 0x200u
#define ANY_IN      (POLL_IN | POLL_RDNORM | POLL_RDBAND)
#define ANY_OUT     (POLL_OUT | POLL_WRNORM | POLL_WRBAND)

/* Asks every file. The number of those for which something holds. */
static uint32_t watched_look(struct watched *set, uint64_t count, struct waiter *w)
{
    const struct process *p = current();
    uint32_t found = 0;

    for (uint64_t i = 0; i < count; i++) {
        struct watched *at = &set[i];
        uint32_t events = at->events, ready = 0;
        struct file *f;

        if (at->fd >= 0) {
            f = (uint32_t)at->fd < p->fd_limit ? p->fds[at->fd].file : 0;
            if (events & ANY_IN)
                events |= POLL_IN;
            if (events & ANY_OUT)
                events |= POLL_OUT;
            ready = f ? file_poll(f, events, w) : POLL_NVAL;
            if (ready & POLL_IN)
                ready |= POLL_RDNORM;
            if (ready & POLL_OUT)
                ready |= POLL_WRNORM;
            ready &= at->events | POLL_ERR | POLL_HUP | POLL_NVAL;
        }
        at->revents = (uint16_t)ready;
        found += ready != 0;
    }
    return found;
}

int64_t waiter_sleep_crowded(struct waiter *w)
{
    int64_t result;

    if (w->count == EXO_WAIT_WORDS) {
        exo_time soon = time_now() + LOOK_AGAIN_NS;

        if (soon < w->alarm)
            w->alarm = soon;
    }
    result = waiter_sleep(w);
    /* A file was closed by another thread just now. */
    return result == -EFAULT ? 0 : result;
}

/* The number found, 0 after the deadline, or -ERESTARTNOHAND. */
static int64_t watched_wait(struct watched *set, uint64_t count, exo_time deadline)
{
    uint32_t found = watched_look(set, count, 0);
    struct waiter w;

    while (!found && deadline != 0) {
        int64_t result;

        waiter_init(&w, deadline);
        found = watched_look(set, count, &w);
        if (found)
            break;
        result = waiter_sleep_crowded(&w);
        if (result == -ETIMEDOUT)
            break;
        if (result < 0)
            return result == -ERESTARTSYS ? -ERESTARTNOHAND : result;
    }
    return found;
}

/* ---- poll ---------------------------------------------------------------------------------------- */

#define FEW 64u /* so many are kept on the stack */

static int64_t poll_set(struct watched *set, uint64_t user, uint64_t count, exo_time deadline)
{
    int64_t result;

    if (user_read(set, user, count * sizeof *set) < 0)
        return -EFAULT;
    result = watched_wait(set, count, deadline);
    if (result >= 0 && user_write(user, set, count * sizeof *set) < 0)
        return -EFAULT;
    return result;
}

static int64_t poll_until(uint64_t user, uint64_t count, exo_time deadline)
{
    struct watched few[FEW], *set = few;
    int64_t result;

    if (count > POSIX_NOFILE)
        return -EINVAL;
    if (count > FEW) {
        set = heap_alloc(count * sizeof *set);
        if (!set)
            return -ENOMEM;
    }
    result = poll_set(set, user, count, deadline);
    if (set != few)
        heap_free(set);
    return result;
}

/* A deadline of 0 means: do not wait. */
static exo_time deadline_after(uint64_t ns)
{
    return ns == 0 ? 0 : time_now() + ns;
}

DEFINE_CALL3(poll, user, count, timeout_ms)
{
    int32_t ms = (int32_t)timeout_ms;

    return poll_until(user, (uint32_t)count,
                      ms < 0 ? EXO_FOREVER : deadline_after((uint64_t)ms * 1000000));
}

/* A relative struct timespec as a deadline in our sense. */
static int64_t timespec_deadline(uint64_t user, exo_time *deadline)
{
    int64_t time[2];

    *deadline = EXO_FOREVER;
    if (!user)
        return 0;
    if (user_read(time, user, sizeof time) < 0)
        return -EFAULT;
    if (time[0] < 0 || time[1] < 0 || time[1] >= NS_PER_S)
        return -EINVAL;
    if (time[0] < (int64_t)(INT64_MAX / NS_PER_S / 2))
        *deadline = deadline_after((uint64_t)time[0] * NS_PER_S + (uint64_t)time[1]);
    return 0;
}

DEFINE_CALL5(ppoll, user, count, timespec, mask, mask_bytes)
{
    exo_time deadline;
    int64_t result = timespec_deadline(timespec, &deadline);

    if (result == 0)
        result = signal_mask_set(mask, mask_bytes);
    if (result < 0)
        return result;
    result = poll_until(user, (uint32_t)count, deadline);
    signal_mask_restore();
    return result;
}

/* ---- select -------------------------------------------------------------------------------------- */

#define SET_WORDS (POSIX_NOFILE / 64)

enum { SET_READ, SET_WRITE, SET_EXCEPT, SETS };
static const uint16_t set_events[SETS] = {POLL_IN, POLL_OUT, POLL_PRI};
/* What makes a descriptor stay in each set. */
static const uint16_t set_ready[SETS] = {POLL_IN | POLL_HUP | POLL_ERR, POLL_OUT | POLL_ERR,
                                         POLL_PRI};

struct sets {
    uint64_t user[SETS];
    uint64_t bits[SETS][SET_WORDS];
    uint32_t bytes; /* that the program has of each set */
};

static int64_t sets_get(struct sets *s, uint32_t count)
{
    s->bytes = (count + 63) / 64 * 8;
    for (uint32_t i = 0; i < SETS; i++) {
        memset(s->bits[i], 0, s->bytes);
        if (s->user[i] && user_read(s->bits[i], s->user[i], s->bytes) < 0)
            return -EFAULT;
    }
    return 0;
}

static int64_t sets_put(const struct sets *s)
{
    for (uint32_t i = 0; i < SETS; i++) {
        if (s->user[i] && user_write(s->user[i], s->bits[i], s->bytes) < 0)
            return -EFAULT;
    }
    return 0;
}

/* Turns the sets into a list, at most POSIX_NOFILE long: its length, or -EBADF. */
static int64_t sets_list(const struct sets *s, uint32_t count, struct watched *list)
{
    const struct process *p = current();
    int64_t length = 0;

    for (uint32_t word = 0; word < (count + 63) / 64; word++) {
        uint64_t any = s->bits[0][word] | s->bits[1][word] | s->bits[2][word];

        while (any) {
            uint32_t bit = (uint32_t)__builtin_ctzll(any), fd = word * 64 + bit;
            uint16_t events = 0;

            any &= any - 1;
            if (fd >= count)
                break;
            if (fd >= p->fd_limit || !p->fds[fd].file)
                return -EBADF;
            if (s->bits[SET_READ][word] >> bit & 1)
                events |= POLL_IN;
            if (s->bits[SET_WRITE][word] >> bit & 1)
                events |= POLL_OUT;
            if (s->bits[SET_EXCEPT][word] >> bit & 1)
                events |= POLL_PRI;
            list[length++] = (struct watched){(int32_t)fd, events, 0};
        }
    }
    return length;
}

/* Leaves in the sets what holds: the number of bits. */
static int64_t sets_keep(struct sets *s, const struct watched *list, int64_t length)
{
    int64_t found = 0;

    for (uint32_t i = 0; i < SETS; i++)
        memset(s->bits[i], 0, s->bytes);
    for (int64_t k = 0; k < length; k++) {
        uint32_t fd = (uint32_t)list[k].fd;

        for (uint32_t i = 0; list[k].revents && i < SETS; i++) {
            if ((list[k].events & set_events[i]) && (list[k].revents & set_ready[i])) {
                s->bits[i][fd / 64] |= (uint64_t)1 << fd % 64;
                found++;
            }
        }
    }
    return found;
}

static int64_t select_list(struct sets *s, uint32_t count, struct watched *list, exo_time deadline)
{
    int64_t length = sets_list(s, count, list), result;

    if (length < 0)
        return length;
    result = watched_wait(list, (uint64_t)length, deadline);
    if (result < 0)
        return result;
    result = sets_keep(s, list, length);
    return sets_put(s) < 0 ? -EFAULT : result;
}

static int64_t select_until(uint64_t count_word, const uint64_t user[SETS], exo_time deadline)
{
    uint32_t count = (uint32_t)count_word;
    struct watched few[FEW], *list = few;
    struct sets s = {.user = {user[0], user[1], user[2]}};
    int64_t result;

    if ((int32_t)count < 0)
        return -EINVAL;
    if (count > POSIX_NOFILE)
        count = POSIX_NOFILE;
    result = sets_get(&s, count);
    if (result < 0)
        return result;
    if (count > FEW) {
        list = heap_alloc(count * sizeof *list);
        if (!list)
            return -ENOMEM;
    }
    result = select_list(&s, count, list, deadline);
    if (list != few)
        heap_free(list);
    return result;
}

/* What is left of the time, in units of `unit` nanoseconds below the second. */
static void time_left_store(uint64_t user, exo_time deadline, uint32_t unit)
{
    exo_time now = time_now();
    uint64_t left = deadline > now ? deadline - now : 0;
    int64_t time[2] = {(int64_t)(left / NS_PER_S), (int64_t)(left % NS_PER_S / unit)};

    if (user && deadline != EXO_FOREVER && deadline != 0)
        user_write(user, time, sizeof time);
}

DEFINE_CALL5(select, count, reads, writes, excepts, timeval)
{
    uint64_t user[SETS] = {reads, writes, excepts};
    exo_time deadline = EXO_FOREVER;
    int64_t time[2], result;

    if (timeval) {
        if (user_read(time, timeval, sizeof time) < 0)
            return -EFAULT;
        if (time[0] < 0 || time[1] < 0)
            return -EINVAL;
        if (time[0] < (int64_t)(INT64_MAX / NS_PER_S / 2) && time[1] < INT64_MAX / 2000)
            deadline = deadline_after((uint64_t)time[0] * NS_PER_S + (uint64_t)time[1] * 1000);
    }
    result = select_until(count, user, deadline);
    time_left_store(timeval, deadline, 1000);
    return result;
}

DEFINE_CALL6(pselect6, count, reads, writes, excepts, timespec, mask_pair)
{
    uint64_t user[SETS] = {reads, writes, excepts}, mask[2] = {0, 0};
    exo_time deadline;
    int64_t result = timespec_deadline(timespec, &deadline);

    if (result == 0 && mask_pair && user_read(mask, mask_pair, sizeof mask) < 0)
        result = -EFAULT;
    if (result == 0)
        result = signal_mask_set(mask[0], mask[1]);
    if (result < 0)
        return result;
    result = select_until(count, user, deadline);
    signal_mask_restore();
    time_left_store(timespec, deadline, 1);
    return result;
}
