/* SPDX-License-Identifier: MIT */
/*
 * timerfd: a timer that is read from a descriptor.
 *
 * It is nothing but its open file description, like an eventfd: the description's offset is when it
 * goes off next (exo_time, 0: it is not set). Nobody keeps the kernel's timer for it. Who sleeps
 * for it sleeps no longer than until then (struct waiter's `alarm`), and who looks finds by the
 * clock how often it has gone off since it was last read. So all processes that inherited it agree
 * without talking to each other.
 */
#include "files.h"
#include "parcel.h"
#include "core.h"

#define TFD_TIMER_ABSTIME       1u
#define TFD_TIMER_CANCEL_ON_SET 2u /* the clock is never set: nothing to do for it */

#define CLOCK_BOOTTIME_ALARM 9u

/* ofd.pad: [0] counts settings, a word to sleep on; [1], [2] the interval; [3] the clock. */
static _Atomic uint32_t *timer_settings(const struct file *f)
{
    return (_Atomic uint32_t *)(void *)&f->ofd->pad[0];
}

static _Atomic uint64_t *timer_interval(const struct file *f)
{
    return (_Atomic uint64_t *)(void *)&f->ofd->pad[1];
}
static_assert(offsetof(struct ofd, pad) % 8 == 4, "the interval is aligned");

/* How often it has gone off by `now`, and when it does next (0: never). */
static uint64_t timer_ticks(exo_time deadline, uint64_t interval, exo_time now, exo_time *next)
{
    uint64_t ticks;

    *next = deadline;
    if (deadline == 0 || deadline > now)
        return 0;
    ticks = interval ? (now - deadline) / interval + 1 : 1;
    *next = interval ? deadline + ticks * interval : 0;
    return ticks;
}

static int64_t timerfd_read(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    uint64_t deadline = atomic_load(&f->ofd->offset), ticks;
    exo_time next;

    (void)offset;
    if (bytes < sizeof ticks)
        return -EINVAL;
    do {
        ticks = timer_ticks(deadline, atomic_load(timer_interval(f)), time_now(), &next);
        if (ticks == 0)
            return -EAGAIN;
    } while (!atomic_compare_exchange_weak(&f->ofd->offset, &deadline, next));
    return user_write64(user, ticks) < 0 ? -EFAULT : (int64_t)sizeof ticks;
}

static uint32_t timerfd_poll(struct file *f, uint32_t events, struct waiter *w)
{
    exo_time deadline;

    if (w)
        waiter_add(w, timer_settings(f), atomic_load(timer_settings(f)));
    deadline = atomic_load(&f->ofd->offset);
    if (deadline == 0)
        return 0;
    if (deadline <= time_now())
        return events & POLL_IN;
    if (w && deadline < w->alarm)
        w->alarm = deadline;
    return 0;
}

static int64_t timerfd_stat(struct file *f, struct fs_stat *out)
{
    (void)f;
    *out = (struct fs_stat){.dev = 14, .ino = 4, .mode = 0600, .nlink = 1, .blksize = 4096};
    return 0;
}

static const struct file_ops timerfd_ops = {
    .read = timerfd_read,
    .poll = timerfd_poll,
    .stat = timerfd_stat,
    .parcel = PARCEL_TIMER,
};

int64_t timerfd_unpack(struct file *f, struct parcel *p)
{
    (void)p;
    f->ops = &timerfd_ops;
    return 0;
}

DEFINE_CALL2(timerfd_create, clock, flags)
{
    exo_time ignored;
    struct file *f;

    if (((uint32_t)flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK)) || clock > CLOCK_BOOTTIME_ALARM ||
        time_absolute((uint32_t)clock, 0, &ignored) < 0)
        return -EINVAL;
    f = file_new(&timerfd_ops, FILE_EVENT, O_RDWR | ((uint32_t)flags & O_NONBLOCK));
    if (!f)
        return -ENFILE;
    f->ofd->pad[3] = (uint32_t)clock;
    file_name_set(f, "anon_inode:[timerfd]");
    return fd_add(f, 0, ((uint32_t)flags & O_CLOEXEC) != 0);
}

static int64_t timerfd_get(uint64_t fd, struct file **out)
{
    *out = fd_file(fd);
    if (!*out)
        return -EBADF;
    return (*out)->ops == &timerfd_ops ? 0 : -EINVAL;
}

/* struct itimerspec: interval, time left. */
static int64_t setting_store(const struct file *f, uint64_t to)
{
    uint64_t interval = atomic_load(timer_interval(f));
    exo_time now = time_now(), next;

    timer_ticks(atomic_load(&f->ofd->offset), interval, now, &next);
    if (timespec_write(to, interval) < 0)
        return -EFAULT;
    return timespec_write(to + sizeof(struct linux_timespec), next > now ? next - now : 0);
}

DEFINE_CALL2(timerfd_gettime, fd, to)
{
    struct file *f;
    int64_t result = timerfd_get(fd, &f);

    return result < 0 ? result : setting_store(f, to);
}

DEFINE_CALL4(timerfd_settime, fd, flags, from, old)
{
    uint64_t interval, value;
    exo_time deadline = 0;
    struct file *f;
    int64_t result = timespec_read(from, &interval);

    if (result == 0)
        result = timespec_read(from + sizeof(struct linux_timespec), &value);
    if (result == 0 && ((uint32_t)flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)))
        result = -EINVAL;
    if (result == 0)
        result = timerfd_get(fd, &f);
    if (result == 0 && old)
        result = setting_store(f, old);
    if (result < 0)
        return result;
    if (value) {
        if ((uint32_t)flags & TFD_TIMER_ABSTIME)
            time_absolute(f->ofd->pad[3], value, &deadline);
        else
            deadline = time_now() + value;
        if (deadline == 0)
            deadline = 1;
    }
    atomic_store(&f->ofd->offset, 0);
    atomic_store(timer_interval(f), interval);
    atomic_store(&f->ofd->offset, deadline);
    atomic_fetch_add(timer_settings(f), 1);
    exo_wake(timer_settings(f), UINT32_MAX);
    return 0;
}
