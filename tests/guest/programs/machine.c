// SPDX-License-Identifier: MIT
/*
 * What programs may rely on of the machine: registers across calls and signals, signal frames, which
 * signal an exception is, the vDSO, threads. The same checks pass on Linux and on ExoV6. A program of
 * the Linux ABI (static); prints TAP.
 */
#include <elf.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tap.h"
#include "registers.h"

#define PATTERN 0x0101010101010101ull
#define FLAGS   31u /* the place of the flags, where a machine has them there */

int64_t registers_through(uint64_t number, const uint64_t arguments[6], uint64_t seen[64]);

/* ---- registers across calls ---------------------------------------------------------------------- */

/* Makes a call and checks what it left of the registers; its result. */
static int64_t call_checked(uint64_t number, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
    static const int places[6] = ARGUMENTS;
    uint64_t arguments[6] = {a0, a1, a2, a3, 14, 15}, seen[64] = {0};
    int64_t result = registers_through(number, arguments, seen);

    for (unsigned n = 0; n < 32; n++) {
        uint64_t want = KEPT == 0x7fffffffull && n == FLAGS ? 0x60000000 : PATTERN * n;

        if ((KEPT & 1ull << n) && seen[n] != want) {
            printf("# call %d: register %u is %#llx\n", (int)number, n,
                   (unsigned long long)seen[n]);
            tap_bad = 1;
        }
        if ((FLOATS_KEPT & 1ull << n) && seen[32 + n] != PATTERN * n) {
            printf("# call %d: vector register %u is %#llx\n", (int)number, n,
                   (unsigned long long)seen[32 + n]);
            tap_bad = 1;
        }
    }
    for (unsigned i = 1; i < 6; i++) {
        if (seen[places[i]] != arguments[i]) {
            printf("# call %d: argument %u is %#llx\n", (int)number, i,
                   (unsigned long long)seen[places[i]]);
            tap_bad = 1;
        }
    }
    (void)result;
    return (int64_t)seen[places[0] == 7 ? 0 : places[0]];
}

static volatile int handled;

static void clobber(int signo)
{
    volatile double x = signo;

    CLOBBER_FLOAT();
    x = x * 3.25 + 1;
    handled++;
}

static void handler_set(int signo, void (*handler)(int), int flags)
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = flags};

    sigaction(signo, &action, NULL);
}

static void test_registers(void)
{
    uint64_t set = 1ull << (SIGUSR1 - 1), none = 0;
    struct timespec moment = {0, 1000000};

    begin("a call leaves every register but its result");
    CHECK(call_checked(SYS_getppid, 10, 11, 12, 13) == getppid());
    CHECK(call_checked(SYS_getpgid, 0, 11, 12, 13) == getpgrp());
    CHECK(call_checked(100000, 10, 11, 12, 13) == -ENOSYS);
    CHECK(call_checked(SYS_nanosleep, (uintptr_t)&moment, 0, 12, 13) == 0);
    CHECK(call_checked(SYS_close, (uint64_t)-1, 11, 12, 13) == -EBADF);
    end();

    begin("a handler that runs at the end of a call does, too");
    handler_set(SIGUSR1, clobber, 0);
    CHECK(call_checked(SYS_rt_sigprocmask, SIG_BLOCK, (uintptr_t)&set, 0, 8) == 0);
    CHECK(call_checked(SYS_kill, (uint64_t)getpid(), SIGUSR1, 12, 13) == 0 && handled == 0);
    CHECK(call_checked(SYS_rt_sigprocmask, SIG_SETMASK, (uintptr_t)&none, 0, 8) == 0);
    CHECK(handled == 1);
    CHECK(call_checked(SYS_tgkill, (uint64_t)getpid(), (uint64_t)gettid(), SIGUSR1, 13) == 0);
    CHECK(handled == 2);
    end();
}

static void test_restart(void)
{
    struct itimerspec soon = {.it_value = {0, 20000000}};
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    char byte = 0;
    timer_t timer = NULL;
    int fds[2];

    begin("an interrupted call is made again with its arguments, or is EINTR");
    CHECK(pipe(fds) == 0 && timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    handled = 0;
    handler_set(SIGUSR1, clobber, 0);
    timer_settime(timer, 0, &soon, NULL);
    CHECK(call_checked(SYS_read, (uint64_t)fds[0], (uintptr_t)&byte, 1, 13) == -EINTR);
    CHECK(handled == 1);
    handler_set(SIGUSR1, clobber, SA_RESTART);
    pid_t child = fork();
    if (child == 0) {
        nanosleep(&(struct timespec){0, 100000000}, NULL);
        _exit(write(fds[1], "x", 1) != 1);
    }
    timer_settime(timer, 0, &soon, NULL);
    CHECK(call_checked(SYS_read, (uint64_t)fds[0], (uintptr_t)&byte, 1, 13) == 1 && byte == 'x');
    CHECK(handled == 2);
    CHECK(waitpid(child, NULL, 0) == child);
    timer_delete(timer);
    close(fds[0]);
    close(fds[1]);
    end();
}

/* ---- exceptions ------------------------------------------------------------------------------------ */

static struct {
    int signo, code;
    void *address;
    uint64_t pc;
    int skip;
} fault;

static void fault_handler(int signo, siginfo_t *info, void *context)
{
    ucontext_t *u = context;

    fault.signo = signo;
    fault.code = info->si_code;
    fault.address = info->si_addr;
    fault.pc = (uint64_t)CONTEXT_PC(u);
    CONTEXT_PC(u) += fault.skip;
    CONTEXT_RESULT(u) = 4711;
    CLOBBER_FLOAT();
}

static int fault_was(int signo, int code, const void *address)
{
    return fault.signo == signo && fault.code == code && (!address || fault.address == address);
}

static void test_faults(void)
{
    struct sigaction action = {.sa_sigaction = fault_handler, .sa_flags = SA_SIGINFO};
    static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGTRAP};
    char *page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    for (unsigned i = 0; i < 4; i++)
        sigaction(signals[i], &action, NULL);
    begin("a fault tells its address, and a handler may go on elsewhere");
    fault.skip = FAULT_BYTES;
    CHECK(fault_here(page + 24) == 4711 && fault_was(SIGSEGV, SEGV_ACCERR, page + 24));
    munmap(page, 4096);
    CHECK(fault_here(page + 8) == 4711 && fault_was(SIGSEGV, SEGV_MAPERR, page + 8));
    CHECK(fault_here((void *)0xffffffff81000000) == 4711 && fault.signo == SIGSEGV);
    end();

    begin("illegal instructions and breakpoints");
    fault.skip = ILLEGAL_BYTES;
    DO_ILLEGAL();
    CHECK(fault_was(SIGILL, ILLEGAL_CODE, NULL) && (uint64_t)fault.address == fault.pc);
    fault.skip = BREAK_BYTES;
    DO_BREAK();
    CHECK(fault_was(SIGTRAP, BREAK_CODE, NULL));
    end();
    for (unsigned i = 0; i < 4; i++)
        signal(signals[i], SIG_DFL);
}

/* ---- frames ---------------------------------------------------------------------------------------- */

static char other_stack[64 * 1024];
static volatile int on_other_stack, aligned;

static void stack_handler(int signo, siginfo_t *info, void *context)
{
    char here;
    ucontext_t *u = context;

    (void)info, (void)signo;
    on_other_stack = &here >= other_stack && &here < other_stack + sizeof other_stack;
    aligned = ((uintptr_t)__builtin_frame_address(0) & 15) == 0;
    handled = u->uc_stack.ss_sp == other_stack;
}

/* How a child ends that does rt_sigreturn with this for a frame. */
static int end_of_sigreturn(uintptr_t frame)
{
    pid_t child = fork();
    int status;

    if (child == 0) {
        SIGRETURN(frame);
        _exit(0);
    }
    return waitpid(child, &status, 0) == child && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void test_frames(void)
{
    struct sigaction action = {.sa_sigaction = stack_handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    stack_t place = {.ss_sp = other_stack, .ss_size = sizeof other_stack}, was;
    static char garbage[16384] __attribute__((aligned(64)));

    begin("handlers on the alternate stack");
    CHECK(sigaltstack(&(stack_t){.ss_sp = other_stack, .ss_size = 1024}, NULL) == -1 &&
          errno == ENOMEM);
    CHECK(sigaltstack(&place, NULL) == 0);
    sigaction(SIGUSR2, &action, NULL);
    handled = 0;
    raise(SIGUSR2);
    CHECK(on_other_stack && aligned && handled == 1);
    CHECK(sigaltstack(&(stack_t){.ss_flags = SS_DISABLE}, &was) == 0 && was.ss_sp == other_stack);
    on_other_stack = 1;
    raise(SIGUSR2);
    CHECK(!on_other_stack && aligned);
    end();

    begin("rt_sigreturn to what is no frame ends the program");
    CHECK(end_of_sigreturn(4096) == SIGSEGV);
    CHECK(end_of_sigreturn((uintptr_t)-4096) == SIGSEGV);
    CHECK(end_of_sigreturn((uintptr_t)garbage) == SIGSEGV);
    memset(garbage, 0xff, sizeof garbage);
    CHECK(end_of_sigreturn((uintptr_t)garbage + 4096) == SIGSEGV);
    CHECK(end_of_sigreturn((uintptr_t)garbage + 4101) == SIGSEGV);
    end();
}

/* ---- the vDSO and the auxiliary vector -------------------------------------------------------------- */

typedef int clock_function(clockid_t clock, struct timespec *now);

/* Its function by name, as a C library looks for it: by the segments and the dynamic section alone. */
static void *vdso_function(const char *wanted)
{
    const char *base = (const char *)getauxval(AT_SYSINFO_EHDR);
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)base;
    const Elf64_Phdr *segment = (const Elf64_Phdr *)(base + header->e_phoff);
    const Elf64_Sym *symbols = NULL;
    const char *strings = NULL;
    const uint32_t *hash = NULL;

    if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
        return NULL;
    for (int i = 0; i < header->e_phnum; i++) {
        const Elf64_Dyn *d = (const Elf64_Dyn *)(base + segment[i].p_offset);

        for (; segment[i].p_type == PT_DYNAMIC && d->d_tag != DT_NULL; d++) {
            if (d->d_tag == DT_SYMTAB)
                symbols = (const Elf64_Sym *)(base + d->d_un.d_ptr);
            else if (d->d_tag == DT_STRTAB)
                strings = base + d->d_un.d_ptr;
            else if (d->d_tag == DT_HASH)
                hash = (const uint32_t *)(base + d->d_un.d_ptr);
        }
    }
    for (uint32_t i = 1; symbols && strings && hash && i < hash[1]; i++) {
        if (strcmp(strings + symbols[i].st_name, wanted) == 0)
            return (void *)((uintptr_t)base + symbols[i].st_value);
    }
    return NULL;
}

static int64_t ns_of(const struct timespec *t)
{
    return t->tv_sec * 1000000000 + t->tv_nsec;
}

static void test_vdso(void)
{
    static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_MONOTONIC_RAW,
                                       CLOCK_REALTIME_COARSE, CLOCK_BOOTTIME};
    void *function = vdso_function(VDSO_CLOCK);
    struct timespec before, here, after;
    clock_function *vdso_clock;

    begin("clocks of the vDSO are those of the calls");
    CHECK(function);
    memcpy(&vdso_clock, &function, sizeof vdso_clock);
    for (unsigned i = 0; function && i < sizeof clocks / sizeof clocks[0]; i++) {
        syscall(SYS_clock_gettime, clocks[i], &before);
        CHECK(vdso_clock(clocks[i], &here) == 0 && here.tv_nsec < 1000000000);
        syscall(SYS_clock_gettime, clocks[i], &after);
        CHECK(clocks[i] == CLOCK_REALTIME_COARSE ||
              (ns_of(&before) <= ns_of(&here) && ns_of(&here) <= ns_of(&after)));
    }
    CHECK(!function || vdso_clock(CLOCK_PROCESS_CPUTIME_ID, &here) == 0);
    CHECK(!function || vdso_clock(77, &here) == -EINVAL);
    for (int64_t last = 0, i = 0; function && i < 10000; i++) {
        vdso_clock(CLOCK_MONOTONIC, &here);
        if (ns_of(&here) < last)
            tap_bad = 1;
        last = ns_of(&here);
    }
    end();

    begin("what the auxiliary vector and uname say of the machine");
    struct utsname names;
    const char *platform = (const char *)getauxval(AT_PLATFORM);
    CHECK(uname(&names) == 0 && strcmp(names.machine, MACHINE_NAME) == 0);
    CHECK(!platform || strcmp(platform, MACHINE_NAME) == 0);
    CHECK(getauxval(AT_HWCAP) != 0 && getauxval(AT_PAGESZ) == 4096);
    end();
}

/* ---- threads and processes -------------------------------------------------------------------------- */

static _Thread_local int own = 5;
static volatile int signalled;

static void count_signal(int signo)
{
    (void)signo;
    signalled += own == 7;
}

static void *thread_body(void *argument)
{
    volatile double sum = 0.5;
    int *ready = argument;

    own = 7;
    __atomic_store_n(ready, 1, __ATOMIC_RELEASE);
    while (!signalled)
        sum = sum * 1.0;
    return sum == 0.5 && own == 7 ? argument : NULL;
}

static void test_threads(void)
{
    volatile double kept = 1.0 / 3;
    int ready = 0, status;
    pthread_t thread;
    void *result;
    pid_t child;

    begin("threads have their own pointer, registers and signals");
    handler_set(SIGUSR1, count_signal, 0);
    CHECK(pthread_create(&thread, NULL, thread_body, &ready) == 0);
    while (!__atomic_load_n(&ready, __ATOMIC_ACQUIRE))
        usleep(1000);
    CHECK(pthread_kill(thread, SIGUSR1) == 0);
    CHECK(pthread_join(thread, &result) == 0 && result == &ready && own == 5 && signalled == 1);
    end();

    begin("a child goes on with the parent's registers");
    own = 9;
    child = fork();
    if (child == 0)
        _exit(own == 9 && kept * 3 == 1.0 ? 33 : 1);
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 33);
    child = vfork();
    if (child == 0) {
        execl("/proc/self/exe", "machine", "exit", NULL);
        _exit(1);
    }
    CHECK(waitpid(child, &status, 0) == child && WEXITSTATUS(status) == 44);
    CHECK(own == 9 && kept * 3 == 1.0);
    end();
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "exit") == 0)
        return 44;
    test_registers();
    test_restart();
    test_faults();
    test_frames();
    test_vdso();
    test_threads();
    return finish();
}
