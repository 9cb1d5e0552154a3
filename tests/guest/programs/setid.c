// SPDX-License-Identifier: MIT
/*
 * Set-id programs, as on Linux: run as root it makes a set-id copy of itself, becomes somebody else, and
 * runs that one in every way there is. Argument: a directory on which set-id bits count.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "tap.h"

static char copy[256];

static void make_copy(int mode, uid_t user, gid_t group)
{
    char buffer[65536];
    ssize_t n;
    int from = open("/proc/self/exe", O_RDONLY), to;

    unlink(copy);
    to = open(copy, O_WRONLY | O_CREAT | O_EXCL, 0755);
    CHECK(from >= 0 && to >= 0);
    while ((n = read(from, buffer, sizeof buffer)) > 0)
        CHECK(write(to, buffer, (size_t)n) == n);
    close(from);
    close(to);
    CHECK(chown(copy, user, group) == 0 && chmod(copy, (mode_t)mode) == 0);
}

/* What the copy says of itself, on the pipe that is its descriptor 15. */
static int report(char **argv)
{
    char cwd[256] = "";
    struct rlimit files;
    sigset_t blocked;
    uid_t r, e, s;
    gid_t rg, eg, sg;

    getresuid(&r, &e, &s);
    getresgid(&rg, &eg, &sg);
    getrlimit(RLIMIT_NOFILE, &files);
    sigprocmask(SIG_SETMASK, 0, &blocked);
    if (!getcwd(cwd, sizeof cwd))
        strcpy(cwd, "?");
    mode_t mask = umask(0);
    dprintf(15, "%d %d %d/%d %d %d/%lu/%s/%s/%s/%o/%d%d/%d/%d", (int)r, (int)e, (int)s, (int)rg,
            (int)eg, (int)sg, getauxval(AT_SECURE), argv[2], getenv("SET") ? getenv("SET") : "-",
            cwd, (int)mask, sigismember(&blocked, SIGUSR2), signal(SIGUSR1, SIG_DFL) == SIG_IGN,
            (int)files.rlim_cur, fcntl(16, F_GETFD) == -1);
    return 7;
}

enum way { FORK, VFORK };

/* Runs the copy as uid 1234, in a process of its own; what it says, at `text`. */
static void run(enum way way, char text[512])
{
    static char called[] = "called", word[] = "report", argument[] = "argument",
                set_to[] = "SET=value";
    char *const argv[] = {called, word, argument, 0}, *const envp[] = {set_to, 0};
    int p[2], status = 0;
    pid_t child = fork();

    if (child < 0)
        _exit(1);
    if (child > 0) {
        CHECK(waitpid(child, &status, 0) == child && status == 0);
        int fd = open("out", O_RDONLY);
        ssize_t n = read(fd, text, 511);

        text[n < 0 ? 0 : n] = 0;
        close(fd);
        return;
    }
    int out = open("out", O_RDWR | O_CREAT | O_TRUNC, 0666);
    if (out < 0 || pipe(p) != 0 || setresgid(1234, 1234, 1234) != 0 ||
        setresuid(1234, 1234, 1234) != 0)
        _exit(1);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR2);
    sigprocmask(SIG_BLOCK, &set, 0);
    signal(SIGUSR1, SIG_IGN);
    umask(027);
    setrlimit(RLIMIT_NOFILE, &(struct rlimit){100, 100});
    dup2(p[1], 15);
    dup2(out, 16);
    fcntl(16, F_SETFD, FD_CLOEXEC);
    close(p[1]);
    child = way == FORK ? fork() : vfork();
    if (child == 0) {
        execve(copy, argv, envp);
        _exit(3);
    }
    close(15);
    ssize_t n = read(p[0], text, 511);
    if (n < 0 || write(out, text, (size_t)n) != n)
        _exit(4);
    _exit(waitpid(child, &status, 0) == child && status == 7 << 8 ? 0 : 5);
}

static void check_run(enum way way, const char *ids, int secure, const char *directory)
{
    char text[512], wanted[512];

    run(way, text);
    snprintf(wanted, sizeof wanted, "%s/%d/argument/value/%s/27/11/100/1", ids, secure, directory);
    if (strcmp(text, wanted) != 0)
        printf("# %s, not %s\n", text, wanted);
    CHECK(strcmp(text, wanted) == 0);
}

int main(int argc, char **argv)
{
    const char *directory = argc > 1 ? argv[1] : "/tmp";

    if (argc == 3)
        return report(argv);
    if (chdir(directory) != 0)
        return 2;
    snprintf(copy, sizeof copy, "%s/set-id-copy", directory);
    chmod(".", 01777);

    begin("a program without set-id bits");
    make_copy(0755, 0, 0);
    check_run(FORK, "1234 1234 1234/1234 1234 1234", 0, directory);
    end();
    begin("set-user-id, after fork and after vfork");
    make_copy(04755, 0, 0);
    check_run(FORK, "1234 0 0/1234 1234 1234", 1, directory);
    check_run(VFORK, "1234 0 0/1234 1234 1234", 1, directory);
    end();
    begin("set-group-id, and both");
    make_copy(02755, 0, 7);
    check_run(FORK, "1234 1234 1234/1234 7 7", 1, directory);
    make_copy(06755, 33, 7);
    check_run(VFORK, "1234 33 33/1234 7 7", 1, directory);
    make_copy(02745, 0, 7); /* not for locking, but no right to run for the group */
    check_run(FORK, "1234 1234 1234/1234 1234 1234", 0, directory);
    end();
    begin("a write takes the bits away, and PR_SET_NO_NEW_PRIVS their effect");
    make_copy(04777, 0, 0);
    if (fork() == 0) {
        if (setuid(1234) != 0)
            _exit(1);
        int fd = open(copy, O_RDWR);
        _exit(fd >= 0 && pwrite(fd, "\177", 1, 0) == 1 ? 0 : 1);
    }
    struct stat st;
    int status;
    CHECK(wait(&status) > 0 && status == 0 && stat(copy, &st) == 0 && !(st.st_mode & S_ISUID));
    make_copy(04755, 0, 0);
    CHECK(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
    check_run(FORK, "1234 1234 1234/1234 1234 1234", 0, directory);
    end();
    unlink(copy);
    unlink("out");
    return finish();
}
