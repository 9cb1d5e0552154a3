/* SPDX-License-Identifier: MIT */
/*
 * libos/posix: descriptors, open files and their shared descriptions. The files under test are
 * included, with the shared region and proc's table as arrays of the test. A "process" is a struct
 * process; two environments share the descriptions and are told apart by ofd_row_use.
 */
#include "test_framework.h"

#include <libos/posix/files.h>

static uint8_t shared_region[(1 << 20) + PROC_MAX * 2048] __attribute__((aligned(4096)));
static struct proc_entry entries[PROC_MAX];
#undef POSIX_OFD_VA
#undef PROC_TABLE_VA
#define POSIX_OFD_VA  ((uint64_t)shared_region)
#define PROC_TABLE_VA ((uint64_t)entries)

#pragma clang diagnostic ignored "-Wshadow"
#include <libos/posix/claim.c>
#include <libos/posix/ofd.c>
#include <libos/posix/file.c>
#include <libos/posix/fdtable.c>

/* ---- what the rest of the LibOS and the kernel would be ---- */

struct exo_utcb test_utcb;
static uint32_t caps_deleted, waits;
static struct thread thread;
static struct process process;
static struct image image;

int64_t test_trap(uint64_t number, const uint64_t arguments[6])
{
    (void)arguments;
    if (number == EXO_NR_cap_delete)
        caps_deleted++;
    if (number == EXO_NR_region_create)
        return 99;
    if (number == EXO_NR_wait) {
        waits++;
        return EXO_ETIMEDOUT;
    }
    return 0;
}

static uint8_t heap[4 << 20] __attribute__((aligned(16)));
static size_t heap_used; /* nothing is ever given back */

void *heap_alloc(size_t bytes)
{
    heap_used += (bytes + 15) & ~(size_t)15;
    return heap_used > sizeof heap ? 0 : heap + heap_used - ((bytes + 15) & ~(size_t)15);
}
void *heap_zeroed(size_t count, size_t bytes)
{
    void *block = heap_alloc(count * bytes);

    return block ? memset(block, 0, count * bytes) : 0;
}
void heap_free(void *block)
{
    (void)block;
}
int64_t user_write(uint64_t to, const void *from, uint64_t bytes)
{
    memcpy((void *)to, from, bytes);
    return 0;
}
exo_time time_now(void)
{
    return 0;
}
void waiter_init(struct waiter *w, exo_time deadline)
{
    w->count = 0;
    w->deadline = deadline;
}
int64_t waiter_sleep(struct waiter *w)
{
    (void)w;
    return -ERESTARTSYS;
}
void epoll_forget(struct file *f)
{
    (void)f;
}
int64_t lock_fcntl(struct file *f, uint32_t command, uint64_t user)
{
    (void)f, (void)command, (void)user;
    return 0;
}
int64_t pipe_size(const struct file *f)
{
    (void)f;
    return 0;
}
int64_t pipe_resize(struct file *f, uint32_t bytes)
{
    (void)f, (void)bytes;
    return 0;
}
int64_t regular_seals(struct file *f, uint64_t add, bool allow)
{
    (void)f, (void)add, (void)allow;
    return 0;
}
void lock_close(struct file *f)
{
    (void)f;
}
void file_bounce_reset(void)
{
}

/* ---- tests ---- */

static int64_t odd_read(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    (void)f, (void)user;
    if (offset)
        *offset += bytes;
    return (int64_t)bytes;
}
static const struct file_ops odd_ops = {.read = odd_read};

static void setup(void)
{
    memset(shared_region, 0, sizeof shared_region);
    memset(entries, 0, sizeof entries);
    memset(&process, 0, sizeof process);
    static struct proc_shared shared;
    memset(&shared, 0, sizeof shared);
    chunks = 0;
    free_slots = 0;
    atomic_store(lowest_free(), 0);
    caps_deleted = waits = 0;
    process.image = &image;
    process.shared = &shared;
    process.slot = 1;
    process.pid = 10;
    process.rlimits[RLIMIT_NOFILE][0] = 40;
    entries[1].pid = 10;
    entries[1].state = PROC_RUNNING;
    thread.process = &process;
    test_utcb.libos[POSIX_WORD_THREAD] = (uint64_t)&thread;
    fds_start(&process);
}

static struct file *make(void)
{
    return file_new(&odd_ops, FS_REGULAR, O_RDWR);
}

static uint32_t live_descriptions(void)
{
    uint32_t live = 0;

    for (uint32_t i = 0; i < OFD_SLOTS; i++)
        live += ofd_at(i)->users != 0;
    return live;
}

static void test_numbers(void)
{
    setup();
    TEST_BEGIN("the lowest free number is given out");
    for (int i = 0; i < 5; i++)
        ASSERT_EQ(fd_add(make(), 0, false), i);
    ASSERT_EQ(posix_close(2, 0, 0, 0, 0, 0), 0);
    ASSERT_EQ(posix_close(2, 0, 0, 0, 0, 0), -EBADF);
    ASSERT_EQ(posix_dup(4, 0, 0, 0, 0, 0), 2);
    ASSERT_TRUE(fd_file(2) == fd_file(4));
    ASSERT_EQ(posix_fcntl(0, F_DUPFD_CLOEXEC, 30, 0, 0, 0), 30);
    ASSERT_EQ(posix_fcntl(30, F_GETFD, 0, 0, 0, 0), FD_CLOEXEC);
    TEST_END();
    TEST_BEGIN("dup2 closes what was there and dup3 refuses the same number");
    ASSERT_EQ(posix_dup2(0, 3, 0, 0, 0, 0), 3);
    ASSERT_TRUE(fd_file(0) == fd_file(3));
    ASSERT_EQ(posix_dup2(0, 0, 0, 0, 0, 0), 0);
    ASSERT_EQ(posix_dup3(0, 0, 0, 0, 0, 0), -EINVAL);
    ASSERT_EQ(posix_dup2(0, 40, 0, 0, 0, 0), -EBADF);
    ASSERT_EQ(posix_dup2(17, 3, 0, 0, 0, 0), -EBADF);
    TEST_END();
    TEST_BEGIN("the limit is EMFILE and nothing is lost");
    uint32_t before = live_descriptions();
    while (fd_add(file_get(fd_file(0)), 0, false) >= 0)
        continue;
    ASSERT_EQ(fd_add(file_get(fd_file(0)), 0, false), -EMFILE);
    ASSERT_EQ(posix_fcntl(0, F_DUPFD, 40, 0, 0, 0), -EINVAL);
    ASSERT_EQ(live_descriptions(), before);
    TEST_END();
    TEST_BEGIN("close_range empties a range and published numbers follow");
    ASSERT_EQ(posix_close_range(0, UINT32_MAX, 0, 0, 0, 0), 0);
    ASSERT_EQ(live_descriptions(), 0);
    ASSERT_EQ(posix_fcntl(0, F_GETFD, 0, 0, 0, 0), -EBADF);
    ASSERT_EQ(process.shared->fds[0].fd, -1);
    TEST_END();
}

static void test_exec(void)
{
    setup();
    TEST_BEGIN("exec closes what is close-on-exec and keeps the rest");
    fd_add(make(), 0, false);
    fd_add(make(), 0, true);
    fds_exec(&process);
    ASSERT_NOT_NULL(fd_file(0));
    ASSERT_NULL(fd_file(1));
    TEST_END();
    TEST_BEGIN("a vfork child's table is its own, its files are shared");
    struct process child = process;
    ASSERT_EQ(fds_share(&child, &process), 0);
    ASSERT_EQ(fd_file(0)->refs, 2);
    fds_end(&child, false);
    ASSERT_EQ(fd_file(0)->refs, 1);
    ASSERT_EQ(live_descriptions(), 1);
    TEST_END();
}

static void test_fork(void)
{
    setup();
    TEST_BEGIN("a description lives until the last environment gives it up");
    struct file *f = make();
    f->caps[0] = 5;
    fd_add(f, 0, false);
    struct ofd *d = f->ofd;
    fds_fork(7, 70);
    ASSERT_EQ(d->users, 2);
    ofd_put(d); /* the parent's close */
    ASSERT_EQ(d->users, 1);
    own_row = 7;
    fd_close(&process, 0);
    ASSERT_EQ(d->users, 0);
    ASSERT_EQ(caps_deleted, 1);
    TEST_END();
    setup();
    TEST_BEGIN("a fork that is given up leaves no trace");
    fd_add(make(), 0, false);
    fds_fork(7, 70);
    fds_fork_undo(7, 70);
    ASSERT_EQ(fd_file(0)->ofd->users, 1);
    ASSERT_EQ(row_at(7)->count, 0);
    TEST_END();
    setup();
    TEST_BEGIN("the copy counts anew and closes what only other contexts had");
    fd_add(make(), 0, false);
    struct file *other = make(); /* in a table that is gone */
    other->refs = 3;
    fds_fork(7, 70);
    struct ofd *theirs = other->ofd;
    process.slot = 7;
    process.pid = 70;
    fds_forked(&process);
    ASSERT_EQ(fd_file(0)->refs, 1);
    ASSERT_EQ(theirs->users, 1); /* the parent's */
    ASSERT_EQ(row_at(7)->count, 1);
    TEST_END();
}

static void test_death(void)
{
    setup();
    TEST_BEGIN("what a killed process held is free when its slot is used again");
    fd_add(make(), 0, false);
    fds_fork(7, 70);
    ASSERT_EQ(fd_file(0)->ofd->users, 2);
    ofd_row_take(7, 71); /* 70 is dead, 71 gets its slot */
    ASSERT_EQ(fd_file(0)->ofd->users, 1);
    TEST_END();
    setup();
    TEST_BEGIN("descriptions of the dead are found when none is free");
    ofd_row_take(7, 70);
    ofd_row_use(7);
    for (uint32_t i = 0; i < OFD_SLOTS; i++)
        ASSERT_NOT_NULL(ofd_new(0));
    entries[7].pid = 70;
    entries[7].state = PROC_RUNNING;
    ofd_row_use(1);
    ASSERT_NULL(ofd_new(0));
    entries[7].state = PROC_ZOMBIE;
    ASSERT_NOT_NULL(ofd_new(0));
    ASSERT_EQ(live_descriptions(), 1);
    TEST_END();
}

static void test_offset(void)
{
    struct ofd *d;

    setup();
    TEST_BEGIN("an offset moves with each read, alone and shared");
    fd_add(make(), 0, false);
    d = fd_file(0)->ofd;
    ASSERT_EQ(posix_read(0, 0, 100, 0, 0, 0), 100);
    ASSERT_EQ(d->offset, 100);
    fds_fork(7, 70);
    ASSERT_EQ(posix_read(0, 0, 100, 0, 0, 0), 100);
    ASSERT_EQ(d->offset, 200);
    ASSERT_EQ(d->offset_lock, 0);
    TEST_END();
    TEST_BEGIN("a claim is taken over from the dead");
    d = fd_file(0)->ofd;
    entries[9].pid = 90;
    entries[9].state = PROC_ZOMBIE;
    d->offset_lock = claim_name(9, 90);
    ASSERT_EQ(posix_read(0, 0, 1, 0, 0, 0), 1);
    ASSERT_EQ(d->offset_lock, 0);
    ASSERT_EQ(waits, 0);
    entries[9].state = PROC_RUNNING;
    entries[9].pid = 91; /* the slot is somebody else's now */
    d->offset_lock = claim_name(9, 90);
    ASSERT_EQ(posix_read(0, 0, 1, 0, 0, 0), 1);
    ASSERT_EQ(waits, 0);
    TEST_END();
}

int main(void)
{
    test_numbers();
    test_exec();
    test_fork();
    test_death();
    test_offset();
}
