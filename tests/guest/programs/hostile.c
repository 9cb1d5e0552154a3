/* SPDX-License-Identifier: MIT
 *
 * Does what a program must not do. Each way is named by the first argument; the table at the end
 * lists them. A way that must be stopped by a signal never returns; one that must be answered by
 * errors returns 0 when every answer was one.
 *
 * The one idea: wild pointers are tried from a child each, because a call may really end or replace
 * the process that makes it (exit, execve, a resume with made-up registers); what counts is that
 * nothing else is harmed, which the test sees from the shell beside it.
 */
#include <errno.h>
#include <exo_trap.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "privileged.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define UTCB_VA      0x00007f2000000000u /* of a process's first thread: libos/posix/posix.h */

static sigjmp_buf back;

static const uintptr_t wild[] = {
    0,
    1,
    4095,
    (uintptr_t)0x00007fffffffffff,
    (uintptr_t)0x0000800000000000,
    (uintptr_t)0xdeadbeefdeadbeef,
    (uintptr_t)0xffff800000000000,
    kernel_address,
    (uintptr_t)-4096,
    (uintptr_t)-1,
};

static int read_kernel(void)
{
    return *(volatile char *)kernel_address;
}

static int write_kernel(void)
{
    *(volatile char *)kernel_address = 1;
    return 1;
}

static int jump_kernel(void)
{
    void (*there)(void);

    memcpy(&there, &kernel_address, sizeof there);
    there();
    return 1;
}

/* The whole of the address space that a program's own map does not show. */
static int read_foreign(void)
{
    volatile char *low = (volatile char *)(uintptr_t)0x1000;

    return *low;
}

static int non_canonical(void)
{
    return *(volatile char *)(uintptr_t)0x1234567812345678;
}

static int jump_data(void)
{
    static unsigned char code[] = {0xc3};
    void (*there)(void);
    uintptr_t address = (uintptr_t)code;

    memcpy(&there, &address, sizeof there);
    there();
    return 1;
}

static int grow(volatile char *below, int depth)
{
    volatile char here[4096];

    here[0] = *below;
    return depth < 0 ? here[0] : grow(here, depth + 1) + here[0];
}

static int stack(void)
{
    struct rlimit limit = {8 << 20, 8 << 20};
    volatile char start = 0;

    setrlimit(RLIMIT_STACK, &limit);
    return grow(&start, 0);
}

static void jump_back(int signal_number)
{
    siglongjmp(back, signal_number);
}

static int privileged(void)
{
    struct sigaction action = {.sa_handler = jump_back, .sa_flags = SA_NODEFER | SA_ONSTACK};
    static char other_stack[64 * 1024];
    stack_t place = {.ss_sp = other_stack, .ss_size = sizeof other_stack};

    sigaltstack(&place, NULL);
    sigaction(SIGSEGV, &action, NULL);
    sigaction(SIGILL, &action, NULL);
    sigaction(SIGBUS, &action, NULL);
    for (size_t i = 0; i < COUNT(privileged_ways); i++) {
        if (sigsetjmp(back, 1) == 0) {
            privileged_ways[i]();
            printf("privileged instruction %zu was carried out\n", i);
            return 1;
        }
    }
    return 0;
}

typedef void call_way(uint64_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
                      uint64_t a4, uint64_t a5);

static void linux_call(uint64_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
                       uint64_t a4, uint64_t a5)
{
    syscall((long)number, a0, a1, a2, a3, a4, a5);
}

static void native_call(uint64_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3,
                        uint64_t a4, uint64_t a5)
{
    exo_trap(number, a0, a1, a2, a3, a4, a5);
}

/* Makes one call with every combination of a wild value in one place and zeros or ones elsewhere;
 * in a child, because some of these calls are right to end it. */
static void try_call(call_way *call, uint64_t number)
{
    pid_t child = fork();

    if (child == 0) {
        alarm(1);
        for (size_t i = 0; i < COUNT(wild); i++) {
            call(number, wild[i], wild[i], wild[i], wild[i], wild[i], wild[i]);
            call(number, wild[i], 1, 1, 1, 1, 1);
            call(number, 0, wild[i], 8, 0, 0, 0);
            call(number, 1, wild[i], 4096, wild[i], 1, 0);
            call(number, 3, 1, wild[i], 1, wild[i], wild[i]);
        }
        _exit(0);
    }
    /* Some calls are right to stop it for good, where not even its alarm reaches it. */
    for (int i = 0; child > 0 && waitpid(child, NULL, WNOHANG) == 0; i++) {
        if (i == 150)
            kill(child, SIGKILL);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
}

/* These reach other processes on purpose: kill and its like, with -1 for everyone. */
static const uint64_t left_out[] = {
    SYS_kill,   SYS_tkill,   SYS_tgkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo,
    SYS_reboot, SYS_vhangup,
#ifdef SYS_fork /* newer machines make processes by clone alone */
    SYS_fork,   SYS_vfork,
#endif
};

static int linux_calls(void)
{
    for (uint64_t number = 0; number < 462; number++) {
        size_t i = 0;

        while (i < COUNT(left_out) && left_out[i] != number)
            i++;
        if (i == COUNT(left_out))
            try_call(linux_call, number);
    }
    return 0;
}

static int native_calls(void)
{
#define EXO_CALL0(number, name)      EXO_NR_##name,
#define EXO_CALL1(number, name, ...) EXO_NR_##name,
#define EXO_CALL2                    EXO_CALL1
#define EXO_CALL3                    EXO_CALL1
#define EXO_CALL4                    EXO_CALL1
#define EXO_CALL5                    EXO_CALL1
#define EXO_CALL6                    EXO_CALL1
#define EXO_CALL_MSG                 EXO_CALL1
    static const uint64_t numbers[] = {
#include <exo/calls.def>
    };

    for (size_t i = 0; i < COUNT(numbers); i++)
        try_call(native_call, numbers[i]);
    return 0;
}

static int unknown_calls(void)
{
    static const long numbers[] = {-1, 500, 1023, 100000, 0x7fffffff};

    for (size_t i = 0; i < COUNT(numbers); i++) {
        if (syscall(numbers[i], 0, 0, 0, 0, 0, 0) != -1 || errno != ENOSYS) {
            printf("call %ld: errno %d\n", numbers[i], errno);
            return 1;
        }
    }
    return 0;
}

static int loop(void)
{
    for (;;)
        ;
}

/* Behind the back of the LibOS: the kernel is told to hold every upcall back. */
static int loop_masked(void)
{
    ((struct exo_utcb *)UTCB_VA)->masked = 1;
    return loop();
}

static const struct way {
    const char *name;
    int (*body)(void);
} ways[] = {
    {"read-kernel", read_kernel},
    {"write-kernel", write_kernel},
    {"jump-kernel", jump_kernel},
    {"read-foreign", read_foreign},
    {"non-canonical", non_canonical},
    {"jump-data", jump_data},
    {"stack", stack},
    {"privileged", privileged},
    {"linux-calls", linux_calls},
    {"native-calls", native_calls},
    {"unknown-calls", unknown_calls},
    {"loop", loop},
    {"loop-masked", loop_masked},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc == 2 && i < COUNT(ways); i++) {
        if (strcmp(argv[1], ways[i].name) == 0)
            return ways[i].body();
    }
    fprintf(stderr, "usage: hostile WAY, one of:");
    for (size_t i = 0; i < COUNT(ways); i++)
        fprintf(stderr, " %s", ways[i].name);
    fprintf(stderr, "\n");
    return 2;
}
