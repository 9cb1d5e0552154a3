// SPDX-License-Identifier: MIT
/*
 * What programs may rely on of inotify: the same checks pass on Linux and on ExoV6. A program of the
 * Linux ABI (static); prints TAP; argument: a directory of its own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

/* ---- the next event ---- */

static int ifd; /* nonblocking */
static char buffer[16384];
static ssize_t filled, at;

static const struct inotify_event *next(void)
{
    const struct inotify_event *e;

    if (at >= filled) {
        at = 0;
        filled = read(ifd, buffer, sizeof buffer);
    }
    if (filled <= 0)
        return 0;
    e = (const struct inotify_event *)(buffer + at);
    at += (ssize_t)(sizeof *e + e->len);
    return e;
}

static uint32_t last_cookie;

/* Is the next event this one? */
static int comes(int wd, uint32_t mask, const char *text)
{
    const struct inotify_event *e = next();

    if (!e) {
        printf("# nothing came\n");
        return 0;
    }
    if (e->wd == wd && e->mask == mask && strcmp(e->len ? e->name : "", text) == 0 &&
        e->len % 16 == 0) {
        last_cookie = e->cookie;
        return 1;
    }
    printf("# wd %d mask %#x cookie %u len %u name %s\n", e->wd, e->mask, e->cookie, e->len,
           e->len ? e->name : "");
    return 0;
}
#define COMES(wd, mask, text) CHECK(comes(wd, mask, text))
#define QUIET()               CHECK(at >= filled && fails(read(ifd, buffer, sizeof buffer), EAGAIN))

static void forget(void)
{
    while (next())
        ;
}

static void fresh(void)
{
    if (ifd > 0)
        close(ifd);
    ifd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    filled = at = 0;
    CHECK(ifd >= 0);
}

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);

    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

/* ---- what files tell ---- */

static void test_file(void)
{
    struct timespec times[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};
    char text[64];
    int wd, fd;

    begin("a file tells what is done to it");
    fresh();
    put("f", "hello");
    CHECK((wd = inotify_add_watch(ifd, "f", IN_ALL_EVENTS)) == 1);
    QUIET();
    CHECK((fd = open("f", O_RDWR)) >= 0);
    COMES(wd, IN_OPEN, "");
    CHECK(read(fd, text, sizeof text) == 5);
    COMES(wd, IN_ACCESS, "");
    CHECK(read(fd, text, sizeof text) == 0);
    QUIET();
    CHECK(pread(fd, text, 2, 1) == 2 && pread(fd, text, 2, 2) == 2 && pread(fd, text, 5, 0) == 5);
    COMES(wd, IN_ACCESS, "");
    QUIET();
    CHECK(pread(fd, text, 5, 0) == 5);
    COMES(wd, IN_ACCESS, "");
    CHECK(write(fd, "x", 1) == 1 && write(fd, "y", 1) == 1);
    COMES(wd, IN_MODIFY, "");
    QUIET();
    CHECK(ftruncate(fd, 3) == 0);
    COMES(wd, IN_MODIFY, "");
    CHECK(fchmod(fd, 0600) == 0);
    COMES(wd, IN_ATTRIB, "");
    CHECK(fchown(fd, getuid(), getgid()) == 0);
    COMES(wd, IN_ATTRIB, "");
    CHECK(futimens(fd, times) == 0);
    COMES(wd, IN_ATTRIB, "");
    times[0].tv_nsec = UTIME_OMIT;
    CHECK(futimens(fd, times) == 0);
    COMES(wd, IN_MODIFY, "");
    times[0].tv_nsec = UTIME_NOW;
    times[1].tv_nsec = UTIME_OMIT;
    CHECK(futimens(fd, times) == 0);
    COMES(wd, IN_ACCESS, "");
    CHECK(posix_fallocate(fd, 0, 100) == 0);
    COMES(wd, IN_MODIFY, "");
    close(fd);
    COMES(wd, IN_CLOSE_WRITE, "");
    CHECK(truncate("f", 1) == 0);
    COMES(wd, IN_MODIFY, "");
    CHECK((fd = open("f", O_RDONLY)) >= 0);
    CHECK(close(dup(fd)) == 0);
    close(fd);
    COMES(wd, IN_OPEN, "");
    COMES(wd, IN_CLOSE_NOWRITE, "");
    CHECK((fd = open("f", O_WRONLY | O_TRUNC)) >= 0);
    close(fd);
    COMES(wd, IN_OPEN, ""); /* Linux before 6.11: the other way round */
    COMES(wd, IN_MODIFY, "");
    COMES(wd, IN_CLOSE_WRITE, "");
    CHECK((fd = open("f", O_PATH)) >= 0 && close(fd) == 0 && access("f", R_OK) == 0);
    QUIET();
    CHECK(link("f", "g") == 0);
    COMES(wd, IN_ATTRIB, "");
    CHECK(rename("g", "h") == 0);
    COMES(wd, IN_MOVE_SELF, "");
    CHECK(unlink("h") == 0);
    COMES(wd, IN_ATTRIB, "");
    CHECK((fd = open("f", O_RDONLY)) >= 0 && unlink("f") == 0);
    COMES(wd, IN_OPEN, "");
    COMES(wd, IN_ATTRIB, "");
    QUIET();
    close(fd);
    COMES(wd, IN_CLOSE_NOWRITE, "");
    COMES(wd, IN_DELETE_SELF, "");
    COMES(wd, IN_IGNORED, "");
    QUIET();
    CHECK(fails(inotify_rm_watch(ifd, wd), EINVAL));
    end();
}

static void test_directory(void)
{
    char text[64], longest[256];
    uint32_t cookie;
    int wd, fd;
    DIR *list;

    begin("a directory tells of the names in it");
    fresh();
    CHECK(mkdir("d", 0755) == 0);
    CHECK((wd = inotify_add_watch(ifd, "d", IN_ALL_EVENTS)) == 1);
    CHECK((fd = open("d/a", O_RDWR | O_CREAT, 0644)) >= 0);
    COMES(wd, IN_CREATE, "a");
    COMES(wd, IN_OPEN, "a");
    CHECK(write(fd, "x", 1) == 1 && pread(fd, text, 1, 0) == 1);
    close(fd);
    COMES(wd, IN_MODIFY, "a");
    COMES(wd, IN_ACCESS, "a");
    COMES(wd, IN_CLOSE_WRITE, "a");
    CHECK(chmod("d/a", 0600) == 0);
    COMES(wd, IN_ATTRIB, "a");
    CHECK(mkdir("d/sub", 0755) == 0);
    COMES(wd, IN_CREATE | IN_ISDIR, "sub");
    put("d/sub/deep", "1");
    QUIET();
    CHECK(unlink("d/sub/deep") == 0);
    CHECK(chmod("d/sub", 0700) == 0);
    COMES(wd, IN_ATTRIB | IN_ISDIR, "sub");
    CHECK(symlink("a", "d/link") == 0 && mkfifo("d/fifo", 0600) == 0);
    COMES(wd, IN_CREATE, "link");
    COMES(wd, IN_CREATE, "fifo");
    CHECK(link("d/a", "d/b") == 0);
    COMES(wd, IN_CREATE, "b");
    CHECK(rename("d/b", "d/c") == 0);
    COMES(wd, IN_MOVED_FROM, "b");
    cookie = last_cookie;
    COMES(wd, IN_MOVED_TO, "c");
    CHECK(cookie != 0 && last_cookie == cookie);
    CHECK(rename("d/c", "c") == 0);
    COMES(wd, IN_MOVED_FROM, "c");
    CHECK(last_cookie != cookie);
    CHECK(rename("c", "d/c") == 0);
    COMES(wd, IN_MOVED_TO, "c");
    CHECK(rename("d/sub", "d/bus") == 0);
    COMES(wd, IN_MOVED_FROM | IN_ISDIR, "sub");
    COMES(wd, IN_MOVED_TO | IN_ISDIR, "bus");
    CHECK(rmdir("d/bus") == 0 && unlink("d/c") == 0 && unlink("d/link") == 0);
    COMES(wd, IN_DELETE | IN_ISDIR, "bus");
    COMES(wd, IN_DELETE, "c");
    COMES(wd, IN_DELETE, "link");
    memset(longest, 'n', 255);
    longest[255] = 0;
    CHECK(chdir("d") == 0);
    CHECK(symlink("x", longest) == 0);
    COMES(wd, IN_CREATE, longest);
    CHECK(unlink(longest) == 0);
    COMES(wd, IN_DELETE, longest);
    CHECK(chdir("..") == 0);
    CHECK((list = opendir("d")) && readdir(list) && closedir(list) == 0);
    COMES(wd, IN_OPEN | IN_ISDIR, "");
    COMES(wd, IN_ACCESS | IN_ISDIR, "");
    COMES(wd, IN_CLOSE_NOWRITE | IN_ISDIR, "");
    CHECK(chmod("d", 0700) == 0);
    COMES(wd, IN_ATTRIB | IN_ISDIR, "");
    CHECK(rename("d", "e") == 0);
    COMES(wd, IN_MOVE_SELF, "");
    put("e/a", "1");
    COMES(wd, IN_OPEN, "a");
    COMES(wd, IN_MODIFY, "a");
    COMES(wd, IN_CLOSE_WRITE, "a");
    CHECK(unlink("e/a") == 0 && unlink("e/fifo") == 0 && rmdir("e") == 0);
    COMES(wd, IN_DELETE, "a");
    COMES(wd, IN_DELETE, "fifo");
    COMES(wd, IN_DELETE_SELF, "");
    COMES(wd, IN_IGNORED, "");
    QUIET();
    end();
}

static void test_names(void)
{
    int dir, file, other, fd;

    begin("the directory is told before the file, by the name that was used");
    fresh();
    CHECK(mkdir("d", 0755) == 0 && mkdir("d2", 0755) == 0);
    put("d/f", "1");
    CHECK(link("d/f", "d2/g") == 0);
    CHECK((dir = inotify_add_watch(ifd, "d", IN_ALL_EVENTS)) == 1);
    CHECK((file = inotify_add_watch(ifd, "d/f", IN_ALL_EVENTS)) == 2);
    CHECK((other = inotify_add_watch(ifd, "d2", IN_ALL_EVENTS)) == 3);
    CHECK((fd = open("d2/g", O_WRONLY)) >= 0);
    COMES(other, IN_OPEN, "g");
    COMES(file, IN_OPEN, "");
    CHECK(write(fd, "2", 1) == 1);
    COMES(other, IN_MODIFY, "g");
    COMES(file, IN_MODIFY, "");
    CHECK(rename("d2/g", "d/h") == 0); /* the open file's name goes along */
    COMES(other, IN_MOVED_FROM, "g");
    COMES(dir, IN_MOVED_TO, "h");
    COMES(file, IN_MOVE_SELF, "");
    CHECK(write(fd, "3", 1) == 1);
    COMES(dir, IN_MODIFY, "h");
    COMES(file, IN_MODIFY, "");
    put("d2/old", "1");
    forget();
    CHECK(rename("d/h", "d2/old") == 0); /* over another file */
    COMES(dir, IN_MOVED_FROM, "h");
    COMES(other, IN_MOVED_TO, "old");
    COMES(file, IN_MOVE_SELF, "");
    CHECK(write(fd, "4", 1) == 1);
    COMES(other, IN_MODIFY, "old");
    COMES(file, IN_MODIFY, "");
    CHECK(unlink("d2/old") == 0); /* and is told of when it is gone */
    COMES(file, IN_ATTRIB, "");
    COMES(other, IN_DELETE, "old");
    CHECK(write(fd, "5", 1) == 1);
    COMES(other, IN_MODIFY, "old");
    COMES(file, IN_MODIFY, "");
    CHECK(inotify_add_watch(ifd, "d2", IN_ALL_EVENTS | IN_EXCL_UNLINK) == other);
    CHECK(write(fd, "6", 1) == 1);
    COMES(file, IN_MODIFY, "");
    close(fd);
    COMES(file, IN_CLOSE_WRITE, "");
    QUIET();
    CHECK(unlink("d/f") == 0);
    COMES(file, IN_ATTRIB, "");
    COMES(file, IN_DELETE_SELF, "");
    COMES(file, IN_IGNORED, "");
    COMES(dir, IN_DELETE, "f");
    CHECK(rmdir("d") == 0 && rmdir("d2") == 0);
    end();
}

static void test_replace(void)
{
    int dir, file;

    begin("a file that is renamed over says that it is gone");
    fresh();
    put("log", "1");
    put("log.new", "2");
    CHECK((dir = inotify_add_watch(ifd, ".", IN_MOVE | IN_CREATE | IN_DELETE)) == 1);
    CHECK((file = inotify_add_watch(ifd, "log", IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)) == 2);
    CHECK(rename("log.new", "log") == 0);
    COMES(dir, IN_MOVED_FROM, "log.new");
    COMES(dir, IN_MOVED_TO, "log");
    COMES(file, IN_ATTRIB, "");
    COMES(file, IN_DELETE_SELF, "");
    COMES(file, IN_IGNORED, "");
    CHECK((file = inotify_add_watch(ifd, "log", IN_MOVE_SELF)) == 3);
    put("b", "3");
    COMES(dir, IN_CREATE, "b");
    CHECK(renameat2(AT_FDCWD, "log", AT_FDCWD, "b", RENAME_EXCHANGE) == 0);
    COMES(dir, IN_MOVED_FROM, "log");
    COMES(dir, IN_MOVED_TO, "b");
    COMES(file, IN_MOVE_SELF, "");
    COMES(dir, IN_MOVED_FROM, "b");
    COMES(dir, IN_MOVED_TO, "log");
    QUIET();
    CHECK(unlink("log") == 0 && unlink("b") == 0);
    end();
}

static void test_reads(void)
{
    char text[8];
    int wd, dir, fd;

    begin("reads are told of, however often the file was read before");
    fresh();
    CHECK(mkdir("d", 0755) == 0);
    put("d/f", "12345678");
    CHECK((fd = open("d/f", O_RDONLY)) >= 0);
    for (int i = 0; i < 8; i++)
        CHECK(pread(fd, text, 8, 0) == 8);
    CHECK((wd = inotify_add_watch(ifd, "d/f", IN_ACCESS)) == 1);
    CHECK(pread(fd, text, 8, 0) == 8);
    COMES(wd, IN_ACCESS, "");
    QUIET();
    CHECK(inotify_rm_watch(ifd, wd) == 0);
    COMES(wd, IN_IGNORED, "");
    CHECK(pread(fd, text, 8, 0) == 8);
    QUIET();
    close(fd);
    CHECK((fd = open("d/f", O_RDONLY)) >= 0);
    for (int i = 0; i < 8; i++)
        CHECK(pread(fd, text, 8, 0) == 8);
    CHECK((dir = inotify_add_watch(ifd, "d", IN_ACCESS)) == 2);
    CHECK(pread(fd, text, 8, 0) == 8);
    COMES(dir, IN_ACCESS, "f");
    QUIET();
    close(fd);
    CHECK(unlink("d/f") == 0 && rmdir("d") == 0);
    end();
}

/* ---- how to watch ---- */

static void test_watches(void)
{
    int wd, other, fd;

    begin("flags of inotify_add_watch");
    fresh();
    put("f", "1");
    CHECK(mkdir("d", 0755) == 0 && symlink("f", "link") == 0 && symlink("d", "dlink") == 0);
    CHECK(fails(inotify_add_watch(ifd, "f", 0), EINVAL));
    CHECK(fails(inotify_add_watch(ifd, "f", 0x00800000), EINVAL));
    CHECK(fails(inotify_add_watch(ifd, "f", IN_OPEN | IN_MASK_ADD | IN_MASK_CREATE), EINVAL));
    CHECK(fails(inotify_add_watch(ifd, "none", IN_OPEN), ENOENT));
    CHECK(fails(inotify_add_watch(ifd, "", IN_OPEN), ENOENT));
    CHECK(fails(inotify_add_watch(ifd, "f/x", IN_OPEN), ENOTDIR));
    CHECK(fails(inotify_add_watch(ifd, (const char *)8, IN_OPEN), EFAULT));
    CHECK(fails(inotify_add_watch(999, "f", IN_OPEN), EBADF));
    CHECK(fails(inotify_add_watch(1, "f", IN_OPEN), EINVAL));
    CHECK(fails(inotify_add_watch(ifd, "f", IN_OPEN | IN_ONLYDIR), ENOTDIR));
    CHECK(fails(inotify_rm_watch(ifd, 1), EINVAL) && fails(inotify_rm_watch(ifd, -1), EINVAL));
    CHECK(fails(inotify_rm_watch(999, 1), EBADF) && fails(inotify_rm_watch(1, 1), EINVAL));
    CHECK(fails(inotify_init1(1), EINVAL));

    CHECK((wd = inotify_add_watch(ifd, "link", IN_OPEN)) == 1);
    CHECK(inotify_add_watch(ifd, "f", IN_ATTRIB) == wd); /* the same inode: replaced */
    CHECK(close(open("f", O_RDONLY)) == 0);
    QUIET();
    CHECK(inotify_add_watch(ifd, "f", IN_OPEN | IN_MASK_ADD) == wd);
    CHECK(chmod("f", 0600) == 0 && close(open("f", O_RDONLY)) == 0);
    COMES(wd, IN_ATTRIB, "");
    COMES(wd, IN_OPEN, "");
    CHECK(fails(inotify_add_watch(ifd, "f", IN_OPEN | IN_MASK_CREATE), EEXIST));
    CHECK((other = inotify_add_watch(ifd, "link", IN_ATTRIB | IN_DONT_FOLLOW)) == 2);
    CHECK(unlink("link") == 0);
    COMES(other, IN_ATTRIB, "");
    COMES(other, IN_IGNORED, "");
    CHECK((other = inotify_add_watch(ifd, "dlink", IN_CREATE | IN_ONLYDIR | IN_MASK_CREATE)) == 3);
    CHECK(inotify_rm_watch(ifd, other) == 0);
    COMES(other, IN_IGNORED, "");
    CHECK(fails(inotify_rm_watch(ifd, other), EINVAL));
    put("d/x", "1");
    QUIET();

    CHECK((other = inotify_add_watch(ifd, "d", IN_MODIFY | IN_OPEN | IN_ONESHOT)) == 4);
    CHECK((fd = open("d/x", O_WRONLY)) >= 0 && write(fd, "2", 1) == 1 && close(fd) == 0);
    COMES(other, IN_OPEN, "x");
    COMES(other, IN_IGNORED, "");
    QUIET();
    CHECK(chmod("f", 0200) == 0 && chmod("f", 0000) == 0);
    if (getuid() == 0) {
        pid_t pid = fork();
        int st;

        if (pid == 0)
            _exit(setuid(1000) == 0 && fails(inotify_add_watch(ifd, "f", IN_OPEN), EACCES) ? 0 : 1);
        CHECK(wait(&st) == pid && st == 0);
    }
    CHECK(unlink("d/x") == 0 && rmdir("d") == 0 && unlink("dlink") == 0 && unlink("f") == 0);
    end();
}

/* ---- the descriptor ---- */

static pid_t append_later(const char *path)
{
    pid_t pid = fork();

    if (pid == 0) {
        usleep(50000);
        put(path, "later\n");
        _exit(0);
    }
    return pid;
}

static void test_waiting(void)
{
    struct epoll_event e = {EPOLLIN, {.u64 = 0}};
    struct timeval limit = {5, 0};
    struct pollfd p;
    fd_set set;
    int wd, ep, n = -1;

    begin("a wait ends when another process does something");
    fresh();
    put("f", "1");
    CHECK((wd = inotify_add_watch(ifd, "f", IN_MODIFY)) == 1);
    p = (struct pollfd){ifd, POLLIN | POLLOUT, 0};
    CHECK(poll(&p, 1, 0) == 0 && poll(&p, 1, 20) == 0);
    append_later("f");
    CHECK(poll(&p, 1, 5000) == 1 && p.revents == POLLIN);
    CHECK(ioctl(ifd, FIONREAD, &n) == 0 && n == 16);
    CHECK(poll(&p, 1, 0) == 1);
    COMES(wd, IN_MODIFY, "");
    CHECK(wait(0) > 0);
    QUIET();
    CHECK(poll(&p, 1, 0) == 0 && ioctl(ifd, FIONREAD, &n) == 0 && n == 0);
    append_later("f");
    FD_ZERO(&set);
    FD_SET(ifd, &set);
    CHECK(select(ifd + 1, &set, 0, 0, &limit) == 1 && FD_ISSET(ifd, &set));
    COMES(wd, IN_MODIFY, "");
    CHECK(wait(0) > 0);
    CHECK((ep = epoll_create1(0)) >= 0 && epoll_ctl(ep, EPOLL_CTL_ADD, ifd, &e) == 0);
    CHECK(epoll_wait(ep, &e, 1, 0) == 0);
    append_later("f");
    CHECK(epoll_wait(ep, &e, 1, 5000) == 1 && e.events == EPOLLIN);
    CHECK(epoll_wait(ep, &e, 1, 0) == 1);
    COMES(wd, IN_MODIFY, "");
    CHECK(wait(0) > 0 && epoll_wait(ep, &e, 1, 0) == 0);
    close(ep);
    CHECK(fcntl(ifd, F_SETFL, 0) == 0);
    append_later("f");
    COMES(wd, IN_MODIFY, ""); /* by a read that blocks */
    CHECK(wait(0) > 0);
    CHECK(unlink("f") == 0);
    end();
}

/* An instance given to another program, by fork or by vfork: it sees the next event. */
static void test_exec(void)
{
    char self[] = "/proc/self/exe", number[16];
    char *argv[] = {self, self, number, 0};
    pid_t pid;
    int st;

    begin("an instance goes along to another program");
    fresh();
    put("f", "1");
    CHECK(inotify_add_watch(ifd, "f", IN_MODIFY) == 1 && fcntl(ifd, F_SETFD, 0) == 0);
    snprintf(number, sizeof number, "%d", ifd);
    put("f", "2");
    if ((pid = vfork()) == 0) {
        execv(self, argv);
        _exit(9);
    }
    CHECK(waitpid(pid, &st, 0) == pid && st == 0);
    QUIET();
    put("f", "3");
    if ((pid = fork()) == 0) {
        execv(self, argv);
        _exit(9);
    }
    CHECK(waitpid(pid, &st, 0) == pid && st == 0);
    QUIET();
    CHECK(unlink("f") == 0);
    end();
}

static int take_one(int fd)
{
    struct pollfd p = {fd, POLLIN, 0};

    ifd = fd;
    return poll(&p, 1, 0) == 1 && comes(1, IN_MODIFY, "") && poll(&p, 1, 10) == 0 ? 0 : 1;
}

static void interrupted(int signal)
{
    (void)signal;
}

static void test_descriptor(void)
{
    struct sigaction action = {.sa_handler = interrupted};
    void *volatile wild = (void *)8;
    struct stat st;
    char small[24];
    int wd, copy, n, status;

    begin("an instance as a descriptor");
    fresh();
    CHECK(fcntl(ifd, F_GETFD) == FD_CLOEXEC && (fcntl(ifd, F_GETFL) & O_NONBLOCK));
    CHECK((fcntl(ifd, F_GETFL) & O_ACCMODE) == O_RDONLY);
    CHECK(fails(write(ifd, small, 1), EBADF) && lseek(ifd, 1, SEEK_SET) == 0);
    CHECK(fstat(ifd, &st) == 0 && (st.st_mode & 07777) == 0600);
    CHECK(mkdir("d", 0755) == 0 && (wd = inotify_add_watch(ifd, "d", IN_CREATE)) == 1);
    put("d/name", "1");
    CHECK(fails(read(ifd, small, sizeof small), EINVAL)); /* 32 bytes, whole or not at all */
    CHECK(ioctl(ifd, FIONREAD, &n) == 0 && n == 32);
    put("d/name2", "1");
    CHECK(ioctl(ifd, FIONREAD, &n) == 0 && n == 64);
    CHECK(read(ifd, buffer, 63) == 32 && ((struct inotify_event *)buffer)->wd == wd);
    CHECK((copy = dup(ifd)) >= 0);
    if (fork() == 0) { /* whose copies are the same instance */
        CHECK(inotify_add_watch(ifd, "d/name", IN_MODIFY) == 2);
        put("d/name", "2");
        _exit(tap_bad);
    }
    CHECK(wait(&status) > 0 && status == 0);
    close(ifd);
    ifd = copy;
    COMES(wd, IN_CREATE, "name2");
    COMES(2, IN_MODIFY, "");
    QUIET();
    put("d/name3", "1");
    CHECK(fails(read(ifd, wild, sizeof buffer), EFAULT));
    CHECK(fcntl(ifd, F_SETFL, 0) == 0 && sigaction(SIGALRM, &action, 0) == 0);
    ualarm(50000, 0);
    CHECK(fails(read(ifd, buffer, sizeof buffer), EINTR));
    CHECK(unlink("d/name") == 0 && unlink("d/name2") == 0 && unlink("d/name3") == 0);
    CHECK(rmdir("d") == 0);
    end();
}

/* ---- limits ---- */

static void test_overflow(void)
{
    const struct inotify_event *e, *last = 0;
    int wd, events = 0, fd;

    begin("too many events are told of by IN_Q_OVERFLOW");
    fresh();
    put("f", "1");
    CHECK((wd = inotify_add_watch(ifd, "f", IN_OPEN | IN_CLOSE)) == 1);
    for (int i = 0; i < 9000; i++) {
        fd = open("f", O_RDONLY);
        close(fd);
    }
    CHECK((e = next()) && e->mask == IN_OPEN);
    events = 1;
    while (events < 20000 && (e = next())) {
        events++;
        last = e;
        if (e->mask == IN_Q_OVERFLOW)
            break;
        if (e->wd != wd || e->mask != (events % 2 ? IN_OPEN : IN_CLOSE_NOWRITE)) {
            CHECK(!"in order");
            break;
        }
    }
    CHECK(last && last->mask == IN_Q_OVERFLOW && last->wd == -1 && last->len == 0);
    CHECK(events > 8000 && events <= 16385);
    QUIET();
    fd = open("f", O_RDONLY);
    COMES(wd, IN_OPEN, "");
    close(fd);
    CHECK(unlink("f") == 0);
    end();
}

static void test_limits(void)
{
    static int fds[1000];
    int n = 0, again, st;

    begin("a user's instances are limited, and free again when they are closed");
    if (getuid() == 0) { /* root of Linux is limited, too; ours may take more */
        if (fork() == 0) {
            CHECK(setuid(1000) == 0);
            for (again = 0; again < 2; again++) {
                n = 0;
                while (n < 1000 && (fds[n] = inotify_init()) >= 0)
                    n++;
                CHECK(n > 10 && n < 1000 && fails(inotify_init(), EMFILE));
                while (n > 0)
                    close(fds[--n]);
            }
            for (n = 0; n < 100; n++) /* and when the process goes */
                inotify_init();
            _exit(tap_bad);
        }
        CHECK(wait(&st) > 0 && st == 0);
        usleep(100000);
        if (fork() == 0) {
            CHECK(setuid(1000) == 0);
            for (n = 0; n < 100; n++)
                CHECK(inotify_init() >= 0);
            _exit(tap_bad);
        }
        CHECK(wait(&st) > 0 && st == 0);
    }
    end();
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return take_one(atoi(argv[2]));
    if (argc != 2 || chdir(argv[1]) < 0)
        return 2;
    umask(022);
    test_file();
    test_directory();
    test_names();
    test_replace();
    test_reads();
    test_watches();
    test_waiting();
    test_descriptor();
    test_exec();
    test_overflow();
    test_limits();
    return finish();
}
