// SPDX-License-Identifier: MIT
/*
 * Local sockets beyond a stream of bytes: descriptors and credentials in messages, datagrams,
 * packets; bytes between pipes and files. The same checks pass on Linux. A program of the Linux ABI (static); prints TAP; argument:
 * a directory.
 */
#include "tap.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>

#define FDS_MAX 16

/* Sends one byte and descriptors. */
static ssize_t send_fds(int s, const int *fds, int count)
{
    char byte = 'x', room[CMSG_SPACE(sizeof(int) * FDS_MAX)] = {0};
    struct iovec piece = {&byte, 1};
    struct msghdr m = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = room};
    struct cmsghdr *c;

    m.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)count);
    c = CMSG_FIRSTHDR(&m);
    *c = (struct cmsghdr){.cmsg_level = SOL_SOCKET,
                          .cmsg_type = SCM_RIGHTS,
                          .cmsg_len = CMSG_LEN(sizeof(int) * (size_t)count)};
    memcpy(CMSG_DATA(c), fds, sizeof(int) * (size_t)count);
    return sendmsg(s, &m, 0);
}

struct got {
    ssize_t bytes;
    int fds[FDS_MAX], count, flags, cloexec;
    struct ucred who;
    int has_who;
    char data[64];
};

static void get(int s, struct got *g, int flags, size_t control)
{
    char room[CMSG_SPACE(sizeof(int) * FDS_MAX) + CMSG_SPACE(sizeof(struct ucred))];
    struct iovec piece = {g->data, sizeof g->data};
    struct msghdr m = {.msg_iov = &piece, .msg_iovlen = 1, .msg_control = room};

    m.msg_controllen = control ? control : sizeof room;
    g->count = g->has_who = 0;
    g->bytes = recvmsg(s, &m, flags);
    g->flags = m.msg_flags;
    if (g->bytes < 0)
        return;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
        if (c->cmsg_type == SCM_RIGHTS) {
            g->count = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            memcpy(g->fds, CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0));
            g->cloexec = fcntl(g->fds[0], F_GETFD);
        } else if (c->cmsg_type == SCM_CREDENTIALS) {
            memcpy(&g->who, CMSG_DATA(c), sizeof g->who);
            g->has_who = 1;
        }
    }
}

static void test_descriptors(void)
{
    int pair[2], pipes[2], fd, status, event;
    char text[32];
    struct got g;
    uint64_t count;
    struct stat a, b;

    begin("a file goes to another process with its offset, and stays shared");
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    if (fork() == 0) {
        close(pair[0]);
        CHECK((fd = open("sent", O_CREAT | O_TRUNC | O_RDWR, 0600)) >= 0);
        CHECK(write(fd, "0123456789", 10) == 10 && lseek(fd, 3, SEEK_SET) == 3);
        CHECK(send_fds(pair[1], &fd, 1) == 1);
        CHECK(read(pair[1], text, 1) == 1);
        CHECK(lseek(fd, 0, SEEK_CUR) == 5);
        _exit(tap_bad);
    }
    close(pair[1]);
    get(pair[0], &g, MSG_CMSG_CLOEXEC, 0);
    CHECK(g.bytes == 1 && g.data[0] == 'x' && g.count == 1 && g.cloexec == FD_CLOEXEC);
    CHECK(read(g.fds[0], text, 2) == 2 && memcmp(text, "34", 2) == 0);
    CHECK(write(pair[0], "k", 1) == 1);
    CHECK(wait(&status) > 0 && status == 0);
    CHECK(fstat(g.fds[0], &a) == 0 && stat("sent", &b) == 0 && a.st_ino == b.st_ino);
    close(g.fds[0]);
    close(pair[0]);
    end();

    begin("descriptors survive their sender: pipe, socket, eventfd, memfd, several at once");
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    if (fork() == 0) {
        int fds[5], inner[2];

        CHECK(pipe(pipes) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, inner) == 0);
        fds[0] = pipes[0];
        fds[1] = inner[0];
        fds[2] = eventfd(7, 0);
        fds[3] = memfd_create("m", 0);
        fds[4] = open("/dev/null", O_RDONLY);
        CHECK(write(pipes[1], "piped", 5) == 5 && write(inner[1], "inner", 5) == 5);
        CHECK(write(fds[3], "memory", 6) == 6);
        CHECK(send_fds(pair[1], fds, 5) == 1);
        _exit(tap_bad);
    }
    CHECK(wait(&status) > 0 && status == 0);
    close(pair[1]);
    get(pair[0], &g, 0, 0);
    CHECK(g.bytes == 1 && g.count == 5 && g.cloexec == 0);
    CHECK(read(g.fds[0], text, 32) == 5 && memcmp(text, "piped", 5) == 0);
    CHECK(read(g.fds[0], text, 32) == 0);
    CHECK(read(g.fds[1], text, 32) == 5 && memcmp(text, "inner", 5) == 0);
    CHECK(read(g.fds[1], text, 32) == 0);
    CHECK(read(g.fds[2], &count, 8) == 8 && count == 7);
    CHECK(pread(g.fds[3], text, 32, 0) == 6 && memcmp(text, "memory", 6) == 0);
    CHECK(read(g.fds[4], text, 1) == 0);
    for (int i = 0; i < g.count; i++)
        close(g.fds[i]);
    CHECK(read(pair[0], text, 1) == 0);
    close(pair[0]);
    end();

    begin("a message does not run into the next one's descriptors");
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && pipe(pipes) == 0);
    CHECK(write(pair[1], "ab", 2) == 2 && send_fds(pair[1], &pipes[0], 1) == 1);
    CHECK(write(pair[1], "cd", 2) == 2 && send_fds(pair[1], &pipes[1], 1) == 1);
    get(pair[0], &g, 0, 0);
    CHECK(memcmp(g.data, "ab", 2) == 0);
    if (g.bytes == 2) /* Linux gives these bytes and the descriptor's together */
        get(pair[0], &g, 0, 0);
    CHECK(g.count == 1 && g.data[g.bytes - 1] == 'x' && fstat(g.fds[0], &a) == 0);
    close(g.fds[0]);
    while ((g.bytes = recv(pair[0], text, 32, MSG_DONTWAIT)) > 0)
        ;
    close(pipes[1]);
    CHECK(read(pipes[0], text, 1) == 0); /* the end that nobody received is gone */
    close(pipes[0]);
    end();

    begin("what is never received is closed, and what has no room is cut");
    CHECK(pipe(pipes) == 0 && send_fds(pair[1], &pipes[1], 1) == 1);
    close(pipes[1]);
    close(pair[0]);
    close(pair[1]);
    CHECK(read(pipes[0], text, 1) == 0);
    close(pipes[0]);
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0 && pipe(pipes) == 0);
    CHECK(send_fds(pair[1], pipes, 2) == 1);
    get(pair[0], &g, 0, CMSG_LEN(sizeof(int)));
    CHECK(g.count == 1 && (g.flags & MSG_CTRUNC));
    close(g.fds[0]);
    CHECK(send_fds(pair[1], (int[]){99}, 1) == -1 && errno == EBADF);
    close(pipes[0]);
    close(pipes[1]);
    end();

    begin("a socket goes through itself's neighbour, also to an exec'ed shape of us");
    CHECK((event = eventfd(0, EFD_NONBLOCK)) >= 0);
    for (int i = 0; i < 50; i++) {
        CHECK(send_fds(pair[1], &event, 1) == 1);
        get(pair[0], &g, 0, 0);
        CHECK(g.count == 1 && write(g.fds[0], &(uint64_t){1}, 8) == 8);
        close(g.fds[0]);
    }
    CHECK(read(event, &count, 8) == 8 && count == 50);
    close(event);
    close(pair[0]);
    close(pair[1]);
    end();
}

static void test_credentials(void)
{
    struct ucred who;
    socklen_t room = sizeof who;
    int pair[2], one = 1, status;
    struct got g;
    pid_t child;

    begin("credentials come with messages to who asked for them");
    CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
    CHECK(getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &who, &room) == 0 && who.pid == getpid());
    CHECK(setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &one, sizeof one) == 0);
    child = fork();
    if (child == 0)
        _exit(write(pair[1], "hello", 5) == 5 ? 0 : 1);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    get(pair[0], &g, 0, 0);
    CHECK(g.bytes == 5 && g.has_who && g.who.pid == child && g.who.uid == getuid());
    close(pair[0]);
    close(pair[1]);
    CHECK(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) == 0);
    CHECK(setsockopt(pair[0], SOL_SOCKET, SO_PASSCRED, &one, sizeof one) == 0);
    CHECK(write(pair[1], "dg", 2) == 2);
    get(pair[0], &g, 0, 0);
    CHECK(g.bytes == 2 && g.has_who && g.who.pid == getpid() && g.who.gid == getgid());
    close(pair[0]);
    close(pair[1]);
    end();
}

static void test_records(int type, const char *name)
{
    int pair[2];
    char text[64], big[40000];
    struct iovec out[2] = {{(char[]){'a', 'b'}, 2}, {(char[]){'c'}, 1}},
                 in[2] = {{text, 1}, {text + 8, 8}};
    struct msghdr m = {.msg_iov = out, .msg_iovlen = 2};

    begin(name);
    CHECK(socketpair(AF_UNIX, type, 0, pair) == 0);
    CHECK(write(pair[0], "first", 5) == 5 && write(pair[0], "second", 6) == 6);
    CHECK(read(pair[1], text, 3) == 3 && memcmp(text, "fir", 3) == 0);
    CHECK(recv(pair[1], text, 64, MSG_PEEK) == 6);
    CHECK(recv(pair[1], text, 2, MSG_TRUNC) == 6 && memcmp(text, "se", 2) == 0);
    CHECK(recv(pair[1], text, 64, MSG_DONTWAIT) == -1 && errno == EAGAIN);
    CHECK(sendmsg(pair[1], &m, 0) == 3);
    m.msg_iov = in;
    CHECK(recvmsg(pair[0], &m, 0) == 3 && text[0] == 'a' && text[8] == 'b' && text[9] == 'c');
    CHECK(send(pair[0], big, 0, 0) == 0 && recv(pair[1], text, 64, 0) == 0);
    memset(big, 'B', sizeof big);
    if (fork() == 0) {
        for (int i = 0; i < 20; i++) {
            if (send(pair[0], big, sizeof big, 0) != sizeof big)
                _exit(1);
        }
        _exit(0);
    }
    for (int i = 0; i < 20; i++) {
        memset(big, 0, sizeof big);
        CHECK(recv(pair[1], big, sizeof big, 0) == sizeof big && big[sizeof big - 1] == 'B');
    }
    CHECK(wait(NULL) > 0);
    CHECK(poll(&(struct pollfd){pair[1], POLLIN, 0}, 1, 0) == 0);
    close(pair[0]);
    if (type == SOCK_SEQPACKET) {
        CHECK(recv(pair[1], text, 64, 0) == 0);
        CHECK(send(pair[1], "x", 1, MSG_NOSIGNAL) == -1 && errno == EPIPE);
    } else {
        CHECK(send(pair[1], "x", 1, MSG_NOSIGNAL) == -1 && errno == ECONNREFUSED);
    }
    close(pair[1]);
    end();
}

static struct sockaddr_un address(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};

    strcpy(a.sun_path, path);
    return a;
}

static void test_names(void)
{
    struct sockaddr_un server = address("inbox"), client = address("client"), from;
    socklen_t room = sizeof from;
    char text[32];
    int a, b, c, status;
    struct got g;

    begin("datagrams go to a name, and can be answered");
    unlink("inbox");
    unlink("client");
    CHECK((a = socket(AF_UNIX, SOCK_DGRAM, 0)) >= 0);
    CHECK(bind(a, (void *)&server, sizeof server) == 0);
    if (fork() == 0) {
        CHECK((b = socket(AF_UNIX, SOCK_DGRAM, 0)) >= 0);
        CHECK(bind(b, (void *)&client, sizeof client) == 0);
        CHECK(sendto(b, "ask", 3, 0, (void *)&server, sizeof server) == 3);
        CHECK(recv(b, text, 32, 0) == 6 && memcmp(text, "answer", 6) == 0);
        CHECK(connect(b, (void *)&server, sizeof server) == 0);
        CHECK(send(b, "again", 5, 0) == 5 && send_fds(b, &b, 1) == 1);
        _exit(tap_bad);
    }
    CHECK(recvfrom(a, text, 32, 0, (void *)&from, &room) == 3 && memcmp(text, "ask", 3) == 0);
    CHECK(strcmp(from.sun_path, "client") == 0);
    CHECK(sendto(a, "answer", 6, 0, (void *)&from, room) == 6);
    CHECK(recv(a, text, 32, 0) == 5 && memcmp(text, "again", 5) == 0);
    get(a, &g, 0, 0);
    CHECK(g.count == 1 && g.bytes == 1);
    CHECK(send(g.fds[0], "self", 4, 0) == 4 && recv(a, text, 32, 0) == 4);
    close(g.fds[0]);
    CHECK(wait(&status) > 0 && status == 0);
    CHECK((b = socket(AF_UNIX, SOCK_DGRAM, 0)) >= 0);
    CHECK(connect(b, (void *)&server, sizeof server) == 0);
    close(a);
    CHECK(send(b, "x", 1, 0) == -1 && errno == ECONNREFUSED);
    CHECK(sendto(b, "x", 1, 0, (void *)&client, sizeof client) == -1 && errno == ECONNREFUSED);
    CHECK((c = socket(AF_UNIX, SOCK_STREAM, 0)) >= 0);
    close(b);
    close(c);
    end();

    begin("packets are accepted from a listener, and keep their borders");
    unlink("packets");
    server = address("packets");
    CHECK((a = socket(AF_UNIX, SOCK_SEQPACKET, 0)) >= 0);
    CHECK(bind(a, (void *)&server, sizeof server) == 0 && listen(a, 3) == 0);
    if (fork() == 0) {
        CHECK((b = socket(AF_UNIX, SOCK_STREAM, 0)) >= 0);
        CHECK(connect(b, (void *)&server, sizeof server) == -1 && errno == EPROTOTYPE);
        CHECK((c = socket(AF_UNIX, SOCK_SEQPACKET, 0)) >= 0);
        CHECK(connect(c, (void *)&server, sizeof server) == 0);
        CHECK(send(c, "one", 3, 0) == 3 && send(c, "three", 5, 0) == 5);
        CHECK(recv(c, text, 32, 0) == 3);
        _exit(tap_bad);
    }
    CHECK((c = accept(a, NULL, NULL)) >= 0);
    CHECK(recv(c, text, 32, 0) == 3 && recv(c, text, 32, 0) == 5);
    CHECK(send(c, "end", 3, 0) == 3);
    CHECK(wait(&status) > 0 && status == 0);
    CHECK(recv(c, text, 32, 0) == 0);
    close(c);
    close(a);
    end();
}

static void test_abstract(void)
{
    struct sockaddr_un name = {AF_UNIX, "\0exo\0test"}, own;
    socklen_t bytes = offsetof(struct sockaddr_un, sun_path) + 9, room = sizeof own;
    char text[8];
    int a, b = -1, c = -1;

    begin("abstract names: taken while somebody listens, and never files");
    CHECK((a = socket(AF_UNIX, SOCK_STREAM, 0)) >= 0 && (b = socket(AF_UNIX, SOCK_STREAM, 0)) >= 0);
    CHECK(connect(a, (void *)&name, bytes) == -1 && errno == ECONNREFUSED);
    CHECK(bind(a, (void *)&name, bytes) == 0 && listen(a, 1) == 0);
    CHECK(getsockname(a, (void *)&own, &room) == 0 && room == bytes && !memcmp(&own, &name, bytes));
    CHECK(bind(b, (void *)&name, bytes) == -1 && errno == EADDRINUSE);
    CHECK(connect(b, (void *)&name, bytes - 1) == -1 && errno == ECONNREFUSED);
    CHECK(connect(b, (void *)&name, bytes) == 0 && (c = accept(a, NULL, NULL)) >= 0);
    CHECK(write(b, "hi", 2) == 2 && read(c, text, 8) == 2);
    close(a);
    CHECK(write(c, "yo", 2) == 2 && read(b, text, 8) == 2);
    CHECK((a = socket(AF_UNIX, SOCK_DGRAM, 0)) >= 0 && bind(a, (void *)&name, bytes) == 0);
    CHECK(sendto(a, "me", 2, 0, (void *)&name, bytes) == 2);
    room = sizeof own;
    CHECK(recvfrom(a, text, 8, 0, (void *)&own, &room) == 2 && room == bytes);
    close(a);
    close(b);
    close(c);
    end();
}

static void test_splice(void)
{
    static char block[100000], back[100000];
    int a[2], b[2], fd, out, status;
    loff_t offset = 5;
    char text[16];

    begin("splice, tee and vmsplice move bytes through pipes");
    for (size_t i = 0; i < sizeof block; i++)
        block[i] = (char)(i * 13 >> 4);
    CHECK(pipe(a) == 0 && pipe(b) == 0);
    CHECK((fd = open("spliced", O_CREAT | O_TRUNC | O_RDWR, 0600)) >= 0);
    CHECK(write(fd, block, sizeof block) == sizeof block && lseek(fd, 0, SEEK_SET) == 0);
    CHECK((out = open("spliced.out", O_CREAT | O_TRUNC | O_RDWR, 0600)) >= 0);
    if (fork() == 0) {
        ssize_t moved, all = 0;

        close(a[0]);
        while ((moved = splice(fd, NULL, a[1], NULL, sizeof block, 0)) > 0)
            all += moved;
        _exit(all == sizeof block ? 0 : 1);
    }
    close(a[1]);
    while (splice(a[0], NULL, out, NULL, sizeof block, 0) > 0)
        ;
    CHECK(wait(&status) > 0 && status == 0 && lseek(fd, 0, SEEK_CUR) == sizeof block);
    CHECK(pread(out, back, sizeof back, 0) == sizeof back && !memcmp(block, back, sizeof back));
    CHECK(splice(fd, &offset, b[1], NULL, 4, 0) == 4 && offset == 9);
    CHECK(read(b[0], text, 16) == 4 && memcmp(text, block + 5, 4) == 0);
    CHECK(splice(b[0], NULL, out, NULL, 4, SPLICE_F_NONBLOCK) == -1 && errno == EAGAIN);
    CHECK(splice(fd, NULL, out, NULL, 4, 0) == -1 && errno == EINVAL);
    CHECK(splice(fd, NULL, b[1], &offset, 4, 0) == -1 && errno == ESPIPE);
    CHECK(pipe(a) == 0 && vmsplice(b[1], &(struct iovec){(char[]){"vm"}, 2}, 1, 0) == 2);
    CHECK(tee(b[0], a[1], 100, 0) == 2 && read(a[0], text, 16) == 2 && text[1] == 'm');
    CHECK(read(b[0], text, 16) == 2 && text[0] == 'v');
    end();
}

int main(int argc, char **argv)
{
    if (argc > 1 && chdir(argv[1]) < 0)
        return 1;
    signal(SIGPIPE, SIG_IGN);
    test_descriptors();
    test_credentials();
    test_records(SOCK_DGRAM, "datagrams keep their borders");
    test_records(SOCK_SEQPACKET, "packets keep their borders");
    test_names();
    test_abstract();
    test_splice();
    return finish();
}
