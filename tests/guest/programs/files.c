// SPDX-License-Identifier: MIT
/*
 * What programs may rely on of descriptors, files, pipes, sockets and waiting: the same checks pass
 * on Linux and on ExoV6. A program of the Linux ABI (static); prints TAP; argument: a directory.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"

static char big[1 << 20], back[1 << 20];

static void test_offsets(void)
{
    int fd, fd2, st;
    struct stat s;

    begin("offsets are shared by dup and fork, not by a second open");
    CHECK((fd = open("f", O_CREAT | O_TRUNC | O_RDWR, 0644)) >= 0);
    CHECK(write(fd, "0123456789", 10) == 10);
    CHECK((fd2 = dup(fd)) >= 0);
    CHECK(lseek(fd2, 3, SEEK_SET) == 3);
    CHECK(lseek(fd, 0, SEEK_CUR) == 3);
    if (fork() == 0) {
        char c;
        _exit(read(fd, &c, 1) == 1 && c == '3' ? 0 : 1);
    }
    CHECK(wait(&st) > 0 && st == 0);
    CHECK(lseek(fd, 0, SEEK_CUR) == 4);
    close(fd2);
    CHECK((fd2 = open("f", O_RDONLY)) >= 0);
    CHECK(lseek(fd2, 0, SEEK_CUR) == 0);
    CHECK(fails(write(fd2, "x", 1), EBADF));
    CHECK(pread(fd2, back, 4, 6) == 4 && memcmp(back, "6789", 4) == 0);
    CHECK(pread(fd2, back, 4, 10) == 0);
    CHECK(lseek(fd2, -2, SEEK_END) == 8);
    CHECK(fails(lseek(fd2, -20, SEEK_END), EINVAL));
    CHECK(lseek(fd2, 100, SEEK_SET) == 100 && read(fd2, back, 1) == 0);
    close(fd2);
    CHECK(pwrite(fd, "X", 1, 20) == 1 && fstat(fd, &s) == 0 && s.st_size == 21);
    CHECK(pread(fd, back, 21, 0) == 21 && back[15] == 0 && back[20] == 'X');
    close(fd);
    end();

    begin("appending goes to the end, whoever writes");
    CHECK((fd = open("f", O_TRUNC | O_WRONLY | O_APPEND)) >= 0);
    CHECK((fd2 = open("f", O_WRONLY | O_APPEND)) >= 0);
    for (int i = 0; i < 10; i++) {
        CHECK(write(fd, "aaaa", 4) == 4);
        CHECK(write(fd2, "bbbb", 4) == 4);
    }
    CHECK(fstat(fd, &s) == 0 && s.st_size == 80);
    CHECK((fcntl(fd, F_GETFL) & (O_APPEND | O_ACCMODE)) == (O_APPEND | O_WRONLY));
    close(fd);
    close(fd2);
    end();

    begin("concurrent writers at one offset lose nothing");
    CHECK((fd = open("f", O_TRUNC | O_RDWR)) >= 0);
    for (int i = 0; i < 4; i++) {
        if (fork() == 0) {
            for (int k = 0; k < 200; k++)
                if (write(fd, "0123456789", 10) != 10)
                    _exit(1);
            _exit(0);
        }
    }
    for (int i = 0; i < 4; i++)
        CHECK(wait(&st) > 0 && st == 0);
    CHECK(lseek(fd, 0, SEEK_CUR) == 8000 && fstat(fd, &s) == 0 && s.st_size == 8000);
    close(fd);
    end();
}

static void test_big(void)
{
    int fd, fd2;

    begin("large files: windows grow, shrink and agree with what was written");
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (char)(i * 7 >> 3);
    CHECK((fd = open("big", O_CREAT | O_TRUNC | O_RDWR, 0600)) >= 0);
    CHECK(write(fd, big, sizeof big) == sizeof big);
    CHECK(pread(fd, back, sizeof back, 0) == sizeof back && memcmp(big, back, sizeof big) == 0);
    CHECK(pread(fd, back, 5000, 12345) == 5000 && memcmp(big + 12345, back, 5000) == 0);
    CHECK(ftruncate(fd, 5000) == 0);
    CHECK(pread(fd, back, 10000, 0) == 5000 && memcmp(big, back, 5000) == 0);
    CHECK(ftruncate(fd, 20000) == 0);
    CHECK(pread(fd, back, 30000, 0) == 20000 && back[4999] == big[4999] && back[5000] == 0 &&
          back[19999] == 0);
    for (int i = 0; i < 8; i++)
        CHECK(pwrite(fd, big, sizeof big, (off_t)i << 20) == sizeof big);
    memset(back, 0, sizeof back);
    CHECK(pread(fd, back, sizeof back, 7 << 20) == sizeof back && !memcmp(big, back, sizeof big));
    CHECK(pwrite(fd, "end", 3, 200 << 20) == 3);
    CHECK(pread(fd, back, 10, 200 << 20) == 3 && memcmp(back, "end", 3) == 0);
    CHECK(pread(fd, back, 10, 100 << 20) == 10 && back[0] == 0);
    CHECK(pread(fd, back, 4096, 1 << 20) == 4096 && memcmp(big, back, 4096) == 0);
    CHECK(ftruncate(fd, 1 << 20) == 0);
    end();

    begin("sendfile and copy_file_range");
    CHECK((fd2 = open("copy", O_CREAT | O_TRUNC | O_RDWR, 0600)) >= 0);
    CHECK(lseek(fd, 0, SEEK_SET) == 0);
    CHECK(copy_file_range(fd, 0, fd2, 0, 1 << 20, 0) == 1 << 20);
    CHECK(lseek(fd, 0, SEEK_CUR) == 1 << 20 && lseek(fd2, 0, SEEK_CUR) == 1 << 20);
    CHECK(pread(fd2, back, sizeof back, 0) == sizeof back && !memcmp(back, big, sizeof big));
    off_t at = 100;
    CHECK(lseek(fd2, 0, SEEK_SET) == 0 && sendfile(fd2, fd, &at, 50000) == 50000 && at == 50100);
    CHECK(pread(fd2, back, 50000, 0) == 50000 && !memcmp(back, big + 100, 50000));
    CHECK(copy_file_range(fd, 0, fd2, 0, 100, 0) == 0);
    close(fd);
    close(fd2);
    end();

    begin("vectors, gathered and scattered");
    char a[3], b[5], c[100], abc[] = "abc", defgh[] = "defgh";
    struct iovec w[3] = {{abc, 3}, {0, 0}, {defgh, 5}}, r[3] = {{a, 3}, {b, 5}, {c, 100}};
    int p[2];
    CHECK(pipe(p) == 0 && writev(p[1], w, 3) == 8 && readv(p[0], r, 3) == 8);
    CHECK(!memcmp(a, "abc", 3) && !memcmp(b, "defgh", 5));
    CHECK((fd = open("copy", O_RDWR)) >= 0 && pwritev(fd, w, 3, 10) == 8);
    CHECK(preadv(fd, r, 2, 10) == 8 && !memcmp(b, "defgh", 5));
    CHECK(fails(preadv(p[0], r, 2, 0), ESPIPE));
    w[0].iov_len = (size_t)-1;
    CHECK(fails(writev(fd, w, 3), EINVAL));
    close(fd);
    close(p[0]);
    close(p[1]);
    end();

    begin("a shared file mapping and read() agree");
    CHECK((fd = open("m", O_CREAT | O_TRUNC | O_RDWR, 0600)) >= 0 && write(fd, big, 8192) == 8192);
    char *m = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    CHECK(m != MAP_FAILED && memcmp(m, big, 8192) == 0);
    m[5000] = 'M';
    CHECK(pread(fd, back, 8192, 0) == 8192 && back[5000] == 'M');
    CHECK(pwrite(fd, "W", 1, 100) == 1 && m[100] == 'W');
    close(fd);
    CHECK(m[5000] == 'M');
    munmap(m, 8192);
    end();
}

static void test_names(void)
{
    struct stat s, s2;
    struct timespec ts[2] = {{1000, 5}, {2000, 6}};
    struct statx x;
    char text[300];
    int fd, n = 0;
    DIR *d;
    struct dirent *e;

    begin("names: links, renames, directories, times");
    CHECK(mkdir("d", 0755) == 0 && fails(mkdir("d", 0755), EEXIST));
    CHECK((fd = open("d/x", O_CREAT | O_EXCL | O_WRONLY, 0600)) >= 0 && close(fd) == 0);
    CHECK(fails(open("d/x", O_CREAT | O_EXCL | O_WRONLY, 0600), EEXIST));
    CHECK(link("d/x", "d/y") == 0 && stat("d/x", &s) == 0 && s.st_nlink == 2);
    CHECK(symlink("x", "d/l") == 0 && lstat("d/l", &s) == 0 && S_ISLNK(s.st_mode));
    CHECK(readlink("d/l", text, 300) == 1 && text[0] == 'x');
    CHECK(fails(open("d/l", O_RDONLY | O_NOFOLLOW), ELOOP));
    CHECK(rename("d/y", "d/z") == 0 && fails(access("d/y", F_OK), ENOENT));
    CHECK(fails(renameat2(AT_FDCWD, "d/x", AT_FDCWD, "d/z", RENAME_NOREPLACE), EEXIST));
    CHECK(fails(rmdir("d"), ENOTEMPTY) && fails(unlink("d"), EISDIR));
    CHECK(fails(open("d/x/y", O_RDONLY), ENOTDIR) && fails(open("", O_RDONLY), ENOENT));
    CHECK(utimensat(AT_FDCWD, "d/x", ts, 0) == 0 && stat("d/x", &s) == 0 &&
          s.st_mtim.tv_sec == 2000 && s.st_mtim.tv_nsec == 6 && s.st_atim.tv_sec == 1000);
    CHECK(statx(AT_FDCWD, "d/x", 0, STATX_ALL, &x) == 0 && x.stx_ino == s.st_ino &&
          x.stx_mtime.tv_nsec == 6);
    CHECK((fd = open("d", O_RDONLY | O_DIRECTORY)) >= 0);
    CHECK(fstatat(fd, "x", &s2, 0) == 0 && s2.st_ino == s.st_ino);
    CHECK(fails(read(fd, text, 10), EISDIR) && fails(open("d", O_WRONLY), EISDIR));
    CHECK(fchdir(fd) == 0 && getcwd(text, 300) && strcmp(strrchr(text, '/'), "/d") == 0);
    CHECK(chdir("..") == 0);
    CHECK(unlinkat(fd, "x", 0) == 0);
    CHECK(openat(fd, "nothing", O_RDONLY) == -1 && errno == ENOENT);
    close(fd);
    CHECK((d = opendir("d")) != 0);
    while (d && (e = readdir(d)))
        n++;
    CHECK(n == 4); /* . .. l z */
    rewinddir(d);
    n = 0;
    while ((e = readdir(d)))
        n++;
    CHECK(n == 4);
    closedir(d);
    CHECK(unlink("d/l") == 0 && unlink("d/z") == 0 && rmdir("d") == 0);
    end();

    begin("many names in one directory are listed once each");
    CHECK(mkdir("many", 0700) == 0);
    for (int i = 0; i < 500; i++) {
        snprintf(text, sizeof text, "many/file-with-a-long-name-%d", i);
        close(open(text, O_CREAT | O_WRONLY, 0600));
    }
    CHECK((d = opendir("many")) != 0);
    for (n = 0; d && (e = readdir(d));)
        n++;
    CHECK(n == 502);
    closedir(d);
    for (int i = 0; i < 500; i++) {
        snprintf(text, sizeof text, "many/file-with-a-long-name-%d", i);
        CHECK(unlink(text) == 0);
    }
    CHECK(rmdir("many") == 0);
    end();

    begin("an unlinked file lives while it is open");
    CHECK((fd = open("gone", O_CREAT | O_RDWR, 0600)) >= 0 && unlink("gone") == 0);
    CHECK(write(fd, "still", 5) == 5 && pread(fd, text, 5, 0) == 5 && fstat(fd, &s) == 0 &&
          s.st_nlink == 0);
    close(fd);
    CHECK((fd = open(".", O_TMPFILE | O_RDWR, 0600)) >= 0 && write(fd, "t", 1) == 1);
    close(fd);
    end();

    begin("permissions and attributes by descriptor");
    CHECK((fd = open("perm", O_CREAT | O_RDWR, 0666)) >= 0 && fchmod(fd, 0400) == 0);
    CHECK(fstat(fd, &s) == 0 && (s.st_mode & 07777) == 0400);
    CHECK(futimens(fd, ts) == 0 && fstat(fd, &s) == 0 && s.st_mtime == 2000);
    CHECK(umask(077) == 022 && umask(022) == 077);
    struct statfs fs;
    CHECK(fstatfs(fd, &fs) == 0 && fs.f_bsize > 0 && fs.f_namelen == 255);
    CHECK(fallocate(fd, 0, 0, 10000) == 0 && fstat(fd, &s) == 0 && s.st_size == 10000);
    CHECK(fsync(fd) == 0 && fdatasync(fd) == 0);
    close(fd);
    unlink("perm");
    end();
}

static volatile sig_atomic_t pipes_broken;
static void on_pipe(int s)
{
    (void)s;
    pipes_broken++;
}

static void test_pipes(void)
{
    int p[2], st;
    long n;

    begin("pipes: order, end of file, SIGPIPE, not blocking");
    signal(SIGPIPE, on_pipe);
    CHECK(pipe2(p, O_CLOEXEC) == 0);
    CHECK((fcntl(p[0], F_GETFD) & FD_CLOEXEC) && fcntl(p[0], F_GETPIPE_SZ) == 65536);
    CHECK(write(p[1], "hello", 5) == 5 && ioctl(p[0], FIONREAD, &st) == 0 && st == 5);
    CHECK(read(p[0], back, 100) == 5 && memcmp(back, "hello", 5) == 0);
    CHECK(fcntl(p[0], F_SETFL, O_NONBLOCK) == 0 && fails(read(p[0], back, 1), EAGAIN));
    CHECK(fcntl(p[1], F_SETFL, O_NONBLOCK) == 0);
    for (n = 0; (st = (int)write(p[1], big, 4096)) > 0;)
        n += st;
    CHECK(n == 65536);
    CHECK(read(p[0], back, sizeof back) == 65536);
    CHECK(fails(write(p[0], "x", 1), EBADF) && fails(lseek(p[0], 0, SEEK_CUR), ESPIPE));
    close(p[1]);
    CHECK(read(p[0], back, 1) == 0);
    close(p[0]);
    CHECK(pipe(p) == 0);
    close(p[0]);
    CHECK(fails(write(p[1], "x", 1), EPIPE) && pipes_broken == 1);
    close(p[1]);
    end();

    begin("a megabyte goes through a pipe to a child and back");
    int q[2];
    CHECK(pipe(p) == 0 && pipe(q) == 0);
    if (fork() == 0) {
        close(p[1]);
        close(q[0]);
        while ((n = read(p[0], back, 7000)) > 0)
            if (write(q[1], back, (size_t)n) != n)
                _exit(1);
        _exit(0);
    }
    close(p[0]);
    close(q[1]);
    if (fork() == 0) {
        close(q[0]);
        _exit(write(p[1], big, sizeof big) == sizeof big ? 0 : 1);
    }
    close(p[1]);
    size_t got = 0;
    while ((n = read(q[0], back + got, sizeof back - got)) > 0)
        got += (size_t)n;
    CHECK(got == sizeof big && memcmp(big, back, got) == 0);
    close(q[0]);
    CHECK(wait(&st) > 0 && st == 0 && wait(&st) > 0 && st == 0);
    end();

    begin("a killed writer is end of file, a killed reader EPIPE");
    CHECK(pipe(p) == 0);
    pid_t pid = fork();
    if (pid == 0) {
        close(p[0]);
        pause();
    }
    close(p[1]);
    usleep(20000);
    CHECK(kill(pid, SIGKILL) == 0);
    CHECK(read(p[0], back, 1) == 0 && waitpid(pid, &st, 0) == pid);
    close(p[0]);
    CHECK(pipe(p) == 0);
    pid = fork();
    if (pid == 0) {
        close(p[1]);
        pause();
    }
    close(p[0]);
    usleep(20000);
    kill(pid, SIGKILL);
    CHECK(fails(write(p[1], big, 200000), EPIPE) || errno == 0);
    CHECK(waitpid(pid, &st, 0) == pid);
    close(p[1]);
    end();

    begin("a FIFO joins two processes");
    CHECK(mkfifo("ff", 0600) == 0);
    pid = fork();
    if (pid == 0) {
        int fd = open("ff", O_WRONLY);
        _exit(fd >= 0 && write(fd, "fifo", 4) == 4 ? 0 : 1);
    }
    int fd = open("ff", O_RDONLY);
    CHECK(fd >= 0 && read(fd, back, 10) == 4 && read(fd, back, 10) == 0);
    close(fd);
    CHECK(waitpid(pid, &st, 0) == pid && st == 0);
    CHECK(fails(open("ff", O_WRONLY | O_NONBLOCK), ENXIO));
    end();

    begin("a FIFO's opener has met who came and went at once");
    for (int round = 0; round < 40; round++) {
        int mine = round % 2 ? O_WRONLY : O_RDONLY;

        pid = fork();
        if (pid == 0)
            _exit(open("ff", mine == O_RDONLY ? O_WRONLY : O_RDONLY) < 0);
        CHECK((fd = open("ff", mine)) >= 0);
        CHECK(mine == O_WRONLY || read(fd, back, 10) == 0);
        close(fd);
        CHECK(waitpid(pid, &st, 0) == pid && st == 0);
    }
    unlink("ff");
    end();
}

static void test_sockets(void)
{
    int s[2], st, fd, c;
    struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "sock"};
    pid_t pid;

    begin("a pair of sockets talks both ways, with shutdown and end of file");
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
    CHECK(write(s[0], "ab", 2) == 2 && send(s[1], "cde", 3, 0) == 3);
    CHECK(recv(s[1], back, 10, MSG_PEEK) == 2 && recv(s[1], back, 10, 0) == 2);
    CHECK(read(s[0], back, 10) == 3 && !memcmp(back, "cde", 3));
    CHECK(fails(recv(s[0], back, 1, MSG_DONTWAIT), EAGAIN));
    CHECK(shutdown(s[0], SHUT_WR) == 0 && read(s[1], back, 1) == 0);
    CHECK(fails(send(s[0], "x", 1, MSG_NOSIGNAL), EPIPE));
    CHECK(write(s[1], "z", 1) == 1 && read(s[0], back, 1) == 1);
    close(s[1]);
    CHECK(read(s[0], back, 1) == 0);
    close(s[0]);
    int type;
    socklen_t len = sizeof type;
    CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s) == 0);
    CHECK(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM);
    CHECK(fails(read(s[0], back, 1), EAGAIN));
    close(s[0]);
    close(s[1]);
    end();

    begin("connect, accept, and names of sockets");
    unlink("sock");
    CHECK((fd = socket(AF_UNIX, SOCK_STREAM, 0)) >= 0);
    CHECK(fails(connect(fd, (void *)&a, sizeof a), ENOENT));
    CHECK(bind(fd, (void *)&a, sizeof a) == 0 && listen(fd, 5) == 0);
    struct stat sb;
    CHECK(stat("sock", &sb) == 0 && S_ISSOCK(sb.st_mode));
    for (int round = 0; round < 40; round++) {
        pid = fork();
        if (pid == 0) {
            int k = socket(AF_UNIX, SOCK_STREAM, 0);
            char t[8];
            if (connect(k, (void *)&a, sizeof a) < 0)
                _exit(errno);
            _exit(write(k, "ping", 4) == 4 && read(k, t, 8) == 4 && read(k, t, 8) == 0 ? 0 : 101);
        }
        CHECK((c = accept4(fd, 0, 0, SOCK_CLOEXEC)) >= 0);
        CHECK(read(c, back, 10) == 4 && !memcmp(back, "ping", 4) && write(c, "pong", 4) == 4);
        close(c);
        CHECK(waitpid(pid, &st, 0) == pid && st == 0);
    }
    close(fd);
    CHECK((fd = socket(AF_UNIX, SOCK_STREAM, 0)) >= 0);
    CHECK(fails(connect(fd, (void *)&a, sizeof a), ECONNREFUSED));
    close(fd);
    unlink("sock");
    end();
}

static void *write_later(void *fd)
{
    usleep(30000);
    return write(*(int *)fd, "x", 1) == 1 ? 0 : fd;
}

static void on_alarm(int s)
{
    (void)s;
}

static void test_waiting(void)
{
    int p[2], q[2], ep, ev;
    struct pollfd f[3];
    struct epoll_event e, got[8];
    pthread_t t;
    fd_set rd, wr;

    begin("poll and select say what holds, and wait for it");
    CHECK(pipe(p) == 0 && pipe(q) == 0);
    f[0] = (struct pollfd){p[0], POLLIN, 0};
    f[1] = (struct pollfd){p[1], POLLOUT, 0};
    f[2] = (struct pollfd){77, POLLIN, 0};
    CHECK(poll(f, 2, 0) == 1 && f[0].revents == 0 && f[1].revents == POLLOUT);
    CHECK(poll(f, 3, 0) == 2 && f[2].revents == POLLNVAL);
    struct timespec t0, t1;
    clock_gettime(CLOCK_MONOTONIC, &t0);
    CHECK(poll(f, 1, 50) == 0);
    clock_gettime(CLOCK_MONOTONIC, &t1);
    CHECK((t1.tv_sec - t0.tv_sec) * 1000 + (t1.tv_nsec - t0.tv_nsec) / 1000000 >= 49);
    pthread_create(&t, 0, write_later, &p[1]);
    CHECK(poll(f, 1, 2000) == 1 && f[0].revents == POLLIN);
    pthread_join(t, 0);
    FD_ZERO(&rd);
    FD_ZERO(&wr);
    FD_SET(p[0], &rd);
    FD_SET(q[0], &rd);
    FD_SET(q[1], &wr);
    CHECK(select(q[1] + 1, &rd, &wr, 0, 0) == 2 && FD_ISSET(p[0], &rd) && !FD_ISSET(q[0], &rd) &&
          FD_ISSET(q[1], &wr));
    CHECK(read(p[0], back, 10) == 1);
    close(p[1]);
    CHECK(poll(f, 1, 0) == 1 && (f[0].revents & POLLHUP));
    close(p[0]);
    FD_ZERO(&rd);
    FD_SET(p[0], &rd);
    CHECK(fails(select(p[0] + 1, &rd, 0, 0, 0), EBADF));
    end();

    begin("a signal ends a wait with EINTR");
    struct sigaction sa = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &sa, 0);
    struct itimerval it = {{0, 0}, {0, 30000}};
    f[0] = (struct pollfd){q[0], POLLIN, 0};
    setitimer(ITIMER_REAL, &it, 0);
    CHECK(fails(poll(f, 1, 3000), EINTR));
    setitimer(ITIMER_REAL, &it, 0);
    CHECK(fails(read(q[0], back, 1), EINTR));
    end();

    begin("epoll: level and edge, one-shot, many at once");
    CHECK((ep = epoll_create1(EPOLL_CLOEXEC)) >= 0);
    e = (struct epoll_event){EPOLLIN, {.u64 = 0x123456789aull}};
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, q[0], &e) == 0);
    CHECK(fails(epoll_ctl(ep, EPOLL_CTL_ADD, q[0], &e), EEXIST));
    CHECK(epoll_wait(ep, got, 8, 0) == 0);
    CHECK(write(q[1], "a", 1) == 1);
    CHECK(epoll_wait(ep, got, 8, 0) == 1 && got[0].events == EPOLLIN &&
          got[0].data.u64 == 0x123456789aull);
    CHECK(epoll_wait(ep, got, 8, 0) == 1);
    e.events = EPOLLIN | EPOLLET;
    CHECK(epoll_ctl(ep, EPOLL_CTL_MOD, q[0], &e) == 0);
    CHECK(epoll_wait(ep, got, 8, 0) == 1 && epoll_wait(ep, got, 8, 0) == 0);
    CHECK(write(q[1], "b", 1) == 1 && epoll_wait(ep, got, 8, 0) == 1);
    CHECK(read(q[0], back, 10) == 2 && epoll_wait(ep, got, 8, 20) == 0);
    e.events = EPOLLIN | EPOLLONESHOT;
    CHECK(epoll_ctl(ep, EPOLL_CTL_MOD, q[0], &e) == 0 && write(q[1], "c", 1) == 1);
    CHECK(epoll_wait(ep, got, 8, 0) == 1 && epoll_wait(ep, got, 8, 0) == 0);
    CHECK(epoll_ctl(ep, EPOLL_CTL_MOD, q[0], &e) == 0 && epoll_wait(ep, got, 8, 0) == 1);
    CHECK((ev = eventfd(0, EFD_NONBLOCK)) >= 0);
    e = (struct epoll_event){EPOLLIN, {.fd = ev}};
    CHECK(epoll_ctl(ep, EPOLL_CTL_ADD, ev, &e) == 0 && epoll_wait(ep, got, 8, 0) == 0);
    uint64_t v = 3;
    CHECK(write(ev, &v, 8) == 8 && epoll_wait(ep, got, 8, -1) == 1 && got[0].data.fd == ev);
    v = 0;
    CHECK(read(ev, &v, 8) == 8 && v == 3 && fails(read(ev, &v, 8), EAGAIN));
    CHECK(epoll_wait(ep, got, 8, 0) == 0);
    pthread_create(&t, 0, write_later, &q[1]);
    e.events = EPOLLIN;
    CHECK(read(q[0], back, 10) == 1 && epoll_ctl(ep, EPOLL_CTL_MOD, q[0], &e) == 0);
    CHECK(epoll_wait(ep, got, 8, 2000) == 1);
    pthread_join(t, 0);
    close(q[0]);
    CHECK(epoll_wait(ep, got, 8, 0) == 0);
    CHECK(fails(epoll_ctl(ep, EPOLL_CTL_ADD, open("f", O_RDONLY), &e), EPERM));
    close(ep);
    close(ev);
    close(q[1]);
    end();

    begin("an eventfd counts across fork");
    CHECK((ev = eventfd(5, EFD_SEMAPHORE)) >= 0);
    if (fork() == 0)
        _exit(read(ev, &v, 8) == 8 && v == 1 ? 0 : 1);
    int st;
    CHECK(wait(&st) > 0 && st == 0 && read(ev, &v, 8) == 8 && v == 1);
    CHECK(ioctl(ev, FIONBIO, &(int){1}) == 0);
    for (st = 0; read(ev, &v, 8) == 8;)
        st++;
    CHECK(st == 3);
    if (fork() == 0) {
        usleep(20000);
        v = 1;
        _exit(write(ev, &v, 8) != 8);
    }
    ioctl(ev, FIONBIO, &(int){0});
    CHECK(read(ev, &v, 8) == 8 && v == 1 && wait(&st) > 0);
    close(ev);
    end();
}

static void *read_signal(void *fd)
{
    struct signalfd_siginfo info = {0};

    return (void *)(intptr_t)(read(*(int *)fd, &info, sizeof info) == sizeof info ? info.ssi_signo
                                                                                  : 0);
}

static pid_t exit_later(int status)
{
    pid_t pid = fork();

    if (pid == 0) {
        usleep(50000);
        _exit(status);
    }
    return pid;
}

static void test_signalfd(void)
{
    struct signalfd_siginfo info[4];
    struct epoll_event e = {EPOLLIN, {.u64 = 0}};
    struct pollfd p;
    void *volatile wild = (void *)8;
    sigset_t set, old, other;
    union sigval value = {.sival_int = 77};
    pthread_t t;
    void *got;
    pid_t pid;
    int fd, ep, st;

    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGWINCH);
    sigaddset(&set, SIGRTMIN);
    sigaddset(&set, SIGKILL);
    sigprocmask(SIG_BLOCK, &set, &old);

    begin("signalfd: what is pending can be read");
    CHECK((fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)) >= 0);
    CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC && (fcntl(fd, F_GETFL) & O_NONBLOCK));
    p = (struct pollfd){fd, POLLIN | POLLOUT, 0};
    CHECK(poll(&p, 1, 0) == 0 && poll(&p, 1, 20) == 0);
    CHECK(fails(read(fd, info, sizeof info), EAGAIN));
    CHECK(fails(read(fd, info, sizeof info[0] - 1), EINVAL));
    CHECK(fails(write(fd, info, sizeof info), EINVAL));
    CHECK(kill(getpid(), SIGWINCH) == 0 && raise(SIGUSR1) == 0 && raise(SIGUSR1) == 0);
    CHECK(sigqueue(getpid(), SIGRTMIN, value) == 0);
    value.sival_int = 78;
    CHECK(sigqueue(getpid(), SIGRTMIN, value) == 0);
    CHECK(poll(&p, 1, 0) == 1 && p.revents == POLLIN);
    CHECK(read(fd, info, sizeof info[0] + 1) == sizeof info[0] && info[0].ssi_signo == SIGUSR1);
    CHECK(info[0].ssi_pid == (uint32_t)getpid() && info[0].ssi_uid == getuid());
    CHECK(read(fd, info, sizeof info) == 3 * sizeof info[0] && info[0].ssi_signo == SIGWINCH);
    CHECK(info[1].ssi_signo == (uint32_t)SIGRTMIN && info[1].ssi_int == 77 &&
          info[1].ssi_code == SI_QUEUE && info[2].ssi_int == 78 && info[2].ssi_ptr != 0);
    CHECK(poll(&p, 1, 0) == 0 && sigpending(&other) == 0 && !sigismember(&other, SIGUSR1));
    CHECK(raise(SIGUSR1) == 0 && fails(read(fd, wild, sizeof info), EFAULT));
    end();

    begin("signalfd: a wait ends when a blocked signal comes");
    pid = exit_later(5);
    CHECK(poll(&p, 1, 5000) == 1 && read(fd, info, sizeof info) == sizeof info[0]);
    CHECK(info[0].ssi_signo == SIGCHLD && info[0].ssi_pid == (uint32_t)pid);
    CHECK(info[0].ssi_code == CLD_EXITED && info[0].ssi_status == 5 && wait(&st) == pid);
    CHECK((ep = epoll_create1(0)) >= 0 && epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e) == 0);
    CHECK(epoll_wait(ep, &e, 1, 0) == 0);
    pid = exit_later(0);
    CHECK(epoll_wait(ep, &e, 1, 5000) == 1 && e.events == EPOLLIN);
    CHECK(read(fd, info, sizeof info) == sizeof info[0] && wait(&st) == pid);
    CHECK(epoll_wait(ep, &e, 1, 0) == 0);
    close(ep);
    CHECK(ioctl(fd, FIONBIO, &(int){0}) == 0);
    pid = exit_later(0);
    CHECK(read(fd, info, sizeof info) == sizeof info[0] && wait(&st) == pid);
    pthread_create(&t, 0, read_signal, &fd); /* the event may come to either thread */
    pid = exit_later(0);
    pthread_join(t, &got);
    CHECK((intptr_t)got == SIGCHLD && wait(&st) == pid);
    pthread_create(&t, 0, read_signal, &fd);
    usleep(20000);
    CHECK(kill(getpid(), SIGUSR1) == 0);
    pthread_join(t, &got);
    CHECK((intptr_t)got == SIGUSR1);
    end();

    begin("signalfd: its set can be changed, and forked");
    sigemptyset(&other);
    sigaddset(&other, SIGUSR2);
    CHECK(fails(signalfd(0, &other, 0), EINVAL) && fails(signalfd(999, &other, 0), EBADF));
    CHECK(fails(signalfd(-1, &other, 1), EINVAL));
    CHECK(raise(SIGUSR1) == 0 && poll(&p, 1, 0) == 1);
    CHECK(signalfd(fd, &other, 0) == fd && poll(&p, 1, 0) == 0);
    CHECK(signalfd(fd, &set, 0) == fd && poll(&p, 1, 0) == 1);
    if (fork() == 0) /* whose own signals it sees */
        _exit(poll(&p, 1, 0) == 0 && raise(SIGWINCH) == 0 &&
                      read(fd, info, sizeof info) == sizeof info[0] && info[0].ssi_signo == SIGWINCH
                  ? 0
                  : 1);
    CHECK(wait(&st) > 0 && st == 0);
    CHECK(read(fd, info, sizeof info) == 2 * sizeof info[0] && info[0].ssi_signo == SIGUSR1 &&
          info[1].ssi_signo == SIGCHLD);
    close(fd);
    sigprocmask(SIG_SETMASK, &old, 0);
    end();
}

static void test_locks(void)
{
    struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 10, .l_len = 10};
    int fd, fd2, st;

    begin("locks of processes and of descriptions keep others out");
    CHECK((fd = open("lock", O_CREAT | O_RDWR, 0600)) >= 0);
    CHECK(fcntl(fd, F_SETLK, &l) == 0);
    if (fork() == 0) {
        int r = fcntl(fd, F_SETLK, &l) == -1 && (errno == EAGAIN || errno == EACCES);
        r &= fcntl(fd, F_GETLK, &l) == 0 && l.l_type == F_WRLCK && l.l_pid == getppid() &&
             l.l_start == 10 && l.l_len == 10;
        l = (struct flock){.l_type = F_WRLCK, .l_start = 20, .l_len = 0};
        r &= fcntl(fd, F_SETLK, &l) == 0;
        _exit(!r);
    }
    CHECK(wait(&st) > 0 && st == 0);
    if (fork() == 0) {
        l = (struct flock){.l_type = F_WRLCK, .l_start = 10, .l_len = 1};
        _exit(fcntl(fd, F_SETLKW, &l) != 0);
    }
    usleep(30000);
    l.l_type = F_UNLCK;
    CHECK(fcntl(fd, F_SETLK, &l) == 0);
    CHECK(wait(&st) > 0 && st == 0);
    CHECK((fd2 = open("lock", O_RDWR)) >= 0);
    CHECK(flock(fd, LOCK_EX) == 0 && fails(flock(fd2, LOCK_EX | LOCK_NB), EAGAIN));
    CHECK(flock(fd, LOCK_UN) == 0 && flock(fd2, LOCK_SH | LOCK_NB) == 0);
    close(fd2);
    close(fd);
    unlink("lock");
    end();
}

static void test_descriptors(void)
{
    int fd, fd2;
    char text[64];

    begin("descriptors: dup, close-on-exec, ranges, /dev/fd");
    CHECK((fd = open("f", O_RDONLY | O_CLOEXEC)) >= 0);
    CHECK(fcntl(fd, F_GETFD) == FD_CLOEXEC && (fd2 = dup(fd)) >= 0 && fcntl(fd2, F_GETFD) == 0);
    CHECK(fcntl(fd, F_DUPFD_CLOEXEC, 100) == 100 && dup3(fd, 101, O_CLOEXEC) == 101);
    CHECK(fails(dup3(fd, fd, 0), EINVAL) && dup2(fd, fd) == fd && fails(dup2(fd, -1), EBADF));
    CHECK(close_range(100, 101, 0) == 0 && fails(close(100), EBADF));
    snprintf(text, sizeof text, "/dev/fd/%d", fd);
    CHECK((fd2 = open(text, O_RDONLY)) >= 0);
    snprintf(text, sizeof text, "/proc/self/fd/%d", fd);
    char link[256];
    ssize_t n = readlink(text, link, sizeof link - 1);
    CHECK(n > 2 && memcmp(link + n - 2, "/f", 2) == 0);
    CHECK(fails(open("f", O_RDONLY | O_DIRECTORY), ENOTDIR));
    close(fd);
    close(fd2);
    end();

    begin("devices");
    CHECK((fd = open("/dev/zero", O_RDWR)) >= 0 && read(fd, back, 100) == 100 && back[99] == 0);
    CHECK(write(fd, "x", 1) == 1);
    char *m = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    CHECK(m != MAP_FAILED && m[0] == 0 && (m[0] = 1));
    CHECK(fails(read(fd, (void *)16, 100), EFAULT));
    close(fd);
    CHECK((fd = open("/dev/null", O_RDWR)) >= 0 && read(fd, back, 1) == 0 &&
          write(fd, "abc", 3) == 3);
    close(fd);
    CHECK((fd = open("/dev/full", O_RDWR)) >= 0 && fails(write(fd, "x", 1), ENOSPC));
    close(fd);
    CHECK((fd = open("/dev/urandom", O_RDONLY)) >= 0 && read(fd, back, 5000) == 5000 &&
          memcmp(back, back + 100, 100) != 0);
    close(fd);
    end();

    begin("bad addresses are EFAULT everywhere");
    CHECK((fd = open("f", O_RDWR)) >= 0 && write(fd, big, 100000) == 100000);
    CHECK(fails(pread(fd, (void *)16, 100, 0), EFAULT) &&
          fails(pread(fd, (void *)16, 100000, 0), EFAULT));
    CHECK(fails(write(fd, (void *)16, 100), EFAULT) && fails(open((void *)16, 0), EFAULT));
    CHECK(fails(stat("f", (void *)16), EFAULT) && fails(pipe((void *)16), EFAULT));
    CHECK(fails(pread(fd, (void *)-4096, 10, 0), EFAULT));
    CHECK(fails(poll((void *)16, 1, 0), EFAULT));
    close(fd);
    end();
}

static void test_seals(void)
{
    char *m;
    int fd, fd2;

    begin("seals of a memfd hold for everybody");
    CHECK((fd = memfd_create("plain", 0)) >= 0 && fcntl(fd, F_GET_SEALS) == F_SEAL_SEAL);
    CHECK(fails(fcntl(fd, F_ADD_SEALS, F_SEAL_GROW), EPERM));
    close(fd);
    CHECK((fd = memfd_create("sealed", MFD_ALLOW_SEALING)) >= 0 && fcntl(fd, F_GET_SEALS) == 0);
    CHECK(ftruncate(fd, 8192) == 0 && fails(fcntl(fd, F_ADD_SEALS, 0x4000), EINVAL));
    CHECK((m = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0)) != MAP_FAILED);
    strcpy(m, "kept");
    CHECK(fails(fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE), EBUSY) && munmap(m, 8192) == 0);
    CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) == 0 && fails(ftruncate(fd, 4096), EPERM));
    CHECK(ftruncate(fd, 12288) == 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_GROW) == 0);
    CHECK(fails(ftruncate(fd, 16384), EPERM) && fails(pwrite(fd, "x", 1, 12288), EPERM));
    CHECK(pwrite(fd, "K", 1, 0) == 1 && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) == 0);
    CHECK(fails(pwrite(fd, "x", 1, 0), EPERM));
    CHECK(fails(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 4096), EPERM));
    CHECK(mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED && errno == EPERM);
    CHECK((m = mmap(0, 4096, PROT_READ, MAP_SHARED, fd, 0)) != MAP_FAILED &&
          strcmp(m, "Kept") == 0);
    munmap(m, 4096);
    CHECK((m = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0)) != MAP_FAILED);
    m[0] = 'k';
    CHECK(pread(fd, back, 5, 0) == 5 && strcmp(back, "Kept") == 0 && munmap(m, 4096) == 0);
    CHECK(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL) == 0 &&
          fails(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL), EPERM));
    CHECK(fcntl(fd, F_GET_SEALS) == (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE));
    CHECK((fd2 = open("/dev/null", O_RDWR)) >= 0 && fails(fcntl(fd2, F_GET_SEALS), EINVAL));
    close(fd2);
    close(fd);
    end();
}

static void test_pipe_sizes(void)
{
    struct iovec v = {back, 5};
    int p[2], fd;

    begin("a pipe holds what F_SETPIPE_SZ says");
    CHECK(pipe2(p, O_NONBLOCK) == 0 && fcntl(p[0], F_GETPIPE_SZ) == 65536);
    CHECK(fcntl(p[1], F_SETPIPE_SZ, 5000) == 8192 && fcntl(p[0], F_GETPIPE_SZ) == 8192);
    CHECK(write(p[1], big, 100000) == 8192 && fails(write(p[1], big, 1), EAGAIN));
    CHECK(fails(fcntl(p[0], F_SETPIPE_SZ, 4096), EBUSY) &&
          fcntl(p[0], F_SETPIPE_SZ, 65536) == 65536);
    CHECK(write(p[1], big, 100000) == 65536 - 8192);
    close(p[0]);
    close(p[1]);
    CHECK((fd = open("f", O_RDWR | O_CREAT | O_TRUNC, 0644)) >= 0);
    CHECK(pwritev2(fd, &v, 1, 0, RWF_SYNC) == 5 && preadv2(fd, &v, 1, 0, RWF_HIPRI) == 5);
    CHECK(fails(preadv2(fd, &v, 1, 0, 0x4000), EOPNOTSUPP));
    close(fd);
    end();
}

int main(int argc, char **argv)
{
    if (chdir(argc > 1 ? argv[1] : "/tmp") != 0)
        return 2;
    umask(022);
    test_offsets();
    test_big();
    test_names();
    test_pipes();
    test_sockets();
    test_waiting();
    test_signalfd();
    test_locks();
    test_descriptors();
    test_seals();
    test_pipe_sizes();
    return finish();
}
