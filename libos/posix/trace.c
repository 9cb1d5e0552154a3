// SPDX-License-Identifier: MIT
/*
 * Telling what a program calls: EXO_TRACE=1 in its environment tells what is missing, EXO_TRACE=2 every
 * call. The program tools/guest/exo-trace makes text, sums and pictures of the latter.
 *
 * A program that is not traced pays nothing: one that is gets a private copy of the page of the dispatch
 * table, in which every line leads here. Lines go to the file named by EXO_TRACE_FILE, or to what
 * descriptor 2 was when the program began, and not through a descriptor, which the program might close.
 * A line of a call:
 *
 *     TID START NAME(ARGUMENTS) = RESULT <NANOSECONDS KERNEL-ENTRIES> [what the table says does not work]
 *
 * and before it the native calls that were made for it, with a "+" before the name (trace_native.c).
 */
#include "calls.h"
#include "core.h"
#include "files.h"
#include "trace.h"

#include <lib/format.h>

#define TRACE_VA \
    POSIX_STACK_TOP /* a page of program memory that no mapping reaches: see line_put */
#define LINE 768u

extern const char *const dispatch_table[NUMBER_LIMIT];
static const char **original; /* as dispatch_table was; 0: not traced */

#define POSIX_NUMBER(number, name) [number] = #name,
static const char *const call_names[NUMBER_LIMIT] = {
#include "numbers.def"
};
#undef POSIX_NUMBER

#define POSIX_CALL(name, note) [NR_##name] = (note),
#define POSIX_FREE(name, note) [NR_##name] = (note),
static const char *const call_notes[NUMBER_LIMIT] = {
#include "linux/calls.def"
};
#undef POSIX_CALL
#undef POSIX_FREE

/* Arguments: d a number, x a word in hexadecimal, s a string, a a list of strings, w (r) bytes that the
 * next argument (the result) counts. Calls that are not here are shown with three words. */
static const struct {
    const char *shape, *calls;
} shapes[] = {
    {"",
     " fork vfork getpid getppid gettid getuid geteuid getgid getegid pause sync sched_yield setsid "
     "rt_sigreturn getpgrp munlockall restart_syscall inotify_init vhangup "},
    {"s", " chdir rmdir unlink chroot acct "},
    {"sx", " access stat lstat statfs creat mkdir chmod truncate utime utimes umount2 "
           "memfd_create swapon "},
    {"sxx", " open chown lchown mknod getxattr "},
    {"ss", " rename link symlink pivot_root removexattr lremovexattr "},
    {"srx", " readlink "},
    {"saa", " execve "},
    {"sxxx", " mq_open "},
    {"d", " close exit exit_group dup fsync fdatasync umask alarm getpgid getsid setuid setgid "
          "setfsuid setfsgid fchdir syncfs epoll_create epoll_create1 inotify_init1 eventfd "
          "shmdt sethostname "},
    {"dd", " kill dup2 tkill ftruncate flock listen shutdown setpgid setreuid setregid getpriority "
           "fchmod pidfd_open inotify_rm_watch eventfd2 timerfd_create munlock "},
    {"ddd",
     " dup3 tgkill lseek fchown setresuid setresgid setpriority socket close_range msgget semget "
     "shmget fadvise64 readahead "},
    {"drd", " read "},
    {"drdx", " pread64 "},
    {"dwd", " write "},
    {"dwdx", " pwrite64 "},
    {"dxd", " getdents64 connect bind fstat accept "},
    {"dxdd", " fcntl ioctl accept4 "},
    {"dsxx", " openat faccessat faccessat2 mkdirat mknodat fchmodat newfstatat utimensat openat2 "
             "inotify_add_watch execveat futimesat "},
    {"dsx", " unlinkat "},
    {"dsxxx", " statx fchownat name_to_handle_at "},
    {"dsrx", " readlinkat "},
    {"dsdsx", " renameat2 linkat renameat "},
    {"sds", " symlinkat "},
    {"xdxdxx", " mmap "},
    {"xd", " munmap nanosleep mlock "},
    {"xdd", " mprotect madvise msync poll mincore "},
    {"dxxd",
     " rt_sigaction rt_sigprocmask epoll_ctl epoll_wait sendfile wait4 prlimit64 semctl msgctl "},
    {"x", " brk times time uname pipe set_tid_address sysinfo personality "},
    {"xx",
     " pipe2 rt_sigsuspend rt_sigpending sigaltstack gettimeofday set_robust_list arch_prctl "},
    {"dx",
     " clock_gettime clock_getres getrlimit setrlimit getrusage getitimer setgroups getgroups "},
    {"xdxxxd", " futex "},
    {"xxxxx", " clone prctl ptrace "},
    {"xxxxxx", " pselect6 select recvfrom sendto splice copy_file_range "},
};

static const char *shape_of(const char *name)
{
    char padded[40];

    format_text(padded, sizeof padded, " %s ", name);
    uint64_t bytes = strlen(padded);
    for (uint32_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        for (const char *at = shapes[i].calls; *at; at++) {
            if (*at == ' ' && strncmp(at, padded, bytes) == 0)
                return shapes[i].shape;
        }
    }
    return "xxx";
}

/* ---- one line -------------------------------------------------------------------------------------- */

void trace_add(struct trace_line *l, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    l->bytes += vformat_text(l->text + l->bytes, TRACE_LINE - l->bytes, format, arguments);
    va_end(arguments);
}

/* Bytes as C would have them; `more` if there are others. */
static void add_quoted(struct trace_line *l, const char *text, uint64_t bytes, bool more)
{
    trace_add(l, "\"");
    for (uint64_t i = 0; i < bytes; i++) {
        uint8_t c = (uint8_t)text[i];

        if (c == '\n')
            trace_add(l, "\\n");
        else if (c == '"' || c == '\\')
            trace_add(l, "\\%c", c);
        else if (c >= ' ' && c < 127)
            trace_add(l, "%c", c);
        else
            trace_add(l, "\\%u%u%u", c >> 6, c >> 3 & 7, c & 7);
    }
    trace_add(l, more ? "\"..." : "\"");
}

#define SHOWN 32u

static void add_bytes(struct trace_line *l, uint64_t address, int64_t bytes)
{
    char text[SHOWN];
    uint64_t shown = bytes < 0 ? 0 : bytes > SHOWN ? SHOWN : (uint64_t)bytes;

    if (bytes < 0 || user_read(text, address, shown) < 0)
        trace_add(l, "0x%llx", (unsigned long long)address);
    else
        add_quoted(l, text, shown, (uint64_t)bytes > shown);
}

static void add_string(struct trace_line *l, uint64_t address)
{
    char text[128];
    int64_t bytes = user_string(text, address, sizeof text);

    if (bytes >= 0 || bytes == -ENAMETOOLONG)
        add_quoted(l, text, bytes < 0 ? sizeof text : (uint64_t)bytes, bytes < 0);
    else
        trace_add(l, "0x%llx", (unsigned long long)address);
}

static void add_strings(struct trace_line *l, uint64_t address)
{
    uint64_t string = 0;

    trace_add(l, "[");
    for (uint32_t i = 0; user_read64(&string, address + 8 * i) == 0 && string; i++) {
        if (i == 8) {
            trace_add(l, ", ...");
            break;
        }
        trace_add(l, i ? ", " : "");
        add_string(l, string);
    }
    trace_add(l, "]");
}

static void add_argument(struct trace_line *l, char shape, const uint64_t *argument, int64_t result)
{
    switch (shape) {
    case 'd': trace_add(l, (int)argument[0] == -100 ? "AT_FDCWD" : "%d", (int)argument[0]); break;
    case 's': add_string(l, argument[0]); break;
    case 'a': add_strings(l, argument[0]); break;
    case 'w': add_bytes(l, argument[0], (int64_t)argument[1]); break;
    case 'r': add_bytes(l, argument[0], result); break;
    default: trace_add(l, "0x%llx", (unsigned long long)argument[0]); break;
    }
}

static void add_call(struct trace_line *l, const char *name, const uint64_t arguments[6],
                     int64_t result)
{
    const char *shape = shape_of(name);

    trace_add(l, "%s(", name);
    for (uint32_t i = 0; shape[i]; i++) {
        trace_add(l, i ? ", " : "");
        add_argument(l, shape[i], &arguments[i], result);
    }
    trace_add(l, ")");
}

static void add_result(struct trace_line *l, int64_t result)
{
    static const char *const names[] = {
        "",        "EPERM",        "ENOENT", "ESRCH",  "EINTR",     "EIO",     "ENXIO",
        "E2BIG",   "ENOEXEC",      "EBADF",  "ECHILD", "EAGAIN",    "ENOMEM",  "EACCES",
        "EFAULT",  "ENOTBLK",      "EBUSY",  "EEXIST", "EXDEV",     "ENODEV",  "ENOTDIR",
        "EISDIR",  "EINVAL",       "ENFILE", "EMFILE", "ENOTTY",    "ETXTBSY", "EFBIG",
        "ENOSPC",  "ESPIPE",       "EROFS",  "EMLINK", "EPIPE",     "EDOM",    "ERANGE",
        "EDEADLK", "ENAMETOOLONG", "ENOLCK", "ENOSYS", "ENOTEMPTY", "ELOOP"};
    uint64_t error = (uint64_t)-result;

    if (result >= 0 || error > 4095)
        trace_add(l, result >= 0 && result < 0x100000 ? "%lld" : "0x%llx", (long long)result);
    else if (error < sizeof names / sizeof names[0])
        trace_add(l, "-1 %s", names[error]);
    else if (error == ERESTARTSYS || error == ERESTARTNOHAND || error == ERESTART_RESTARTBLOCK)
        trace_add(l, "? (a signal)");
    else
        trace_add(l, "-1 errno %u", (unsigned)error);
}

/* The file wants an address of the program's, so there is a page for it between its stack and us. */
void trace_put(struct trace_line *l)
{
    struct file *f = image_state.trace_file;

    if (l->bytes == TRACE_LINE - 1)
        l->bytes--;
    l->text[l->bytes++] = '\n';
    if (f && user_write(TRACE_VA, l->text, l->bytes) == 0)
        file_write(f, TRACE_VA, l->bytes);
}

/* ---- calls ------------------------------------------------------------------------------------------ */

static const char *name_of(uint64_t number)
{
    return number < NUMBER_LIMIT && call_names[number] ? call_names[number] : "?";
}

static const char *note_of(uint64_t number)
{
    if (number >= NUMBER_LIMIT || !call_notes[number])
        return "no such call";
    return call_notes[number];
}

/* Is this what a call answers that is not, or not wholly, there? */
static bool refused(int64_t result)
{
    return result == -ENOSYS || result == -EINVAL || result == -EOPNOTSUPP ||
           result == -EAFNOSUPPORT || result == -ENOPROTOOPT || result == -EPROTONOSUPPORT;
}

/* What is missing: one line. */
static void note_put(uint64_t number, const uint64_t arguments[6], int64_t result)
{
    struct trace_line l = {.bytes = 0};
    const struct thread *t = self();

    trace_add(&l, "exo: %s (%d): ", t->comm, t->process->pid);
    if (number < NUMBER_LIMIT)
        add_call(&l, name_of(number), arguments, result);
    else
        trace_add(&l, "call %llu", (unsigned long long)number);
    trace_add(&l, " = ");
    add_result(&l, result);
    trace_add(&l, ": %s", note_of(number));
    trace_put(&l);
}

/* The kernel entries since the last time. */
static uint32_t entries_take(void)
{
    uint64_t *entries = &exo_utcb()->libos[POSIX_WORD_ENTRIES];
    uint32_t count = (uint32_t)*entries;

    *entries = 0;
    return count;
}

static void call_put(uint64_t number, const uint64_t arguments[6], exo_time start, bool returns,
                     int64_t result)
{
    exo_time end = time_now();
    struct trace_line l = {.bytes = 0};
    const char *note = note_of(number);

    trace_add(&l, "%d %llu ", self()->tid, (unsigned long long)start);
    add_call(&l, name_of(number), arguments, result);
    if (returns) {
        trace_add(&l, " = ");
        add_result(&l, result);
        trace_add(&l, " <%llu %u>", (unsigned long long)(end - start), entries_take());
    } else {
        trace_add(&l, " = ? <0 0>");
    }
    if (returns && refused(result) && *note)
        trace_add(&l, " [%s]", note);
    trace_put(&l);
}

/* Calls of which nothing is to be told afterwards if they do what they are for. */
static bool never_returns(uint64_t number)
{
    return number == NR_execve || number == NR_exit || number == NR_exit_group ||
           number == NR_rt_sigreturn;
}

static int64_t call_do(uint64_t number, const uint64_t a[6])
{
    static const struct {
        uint64_t number;
        posix_function *function;
    } with_registers[] = {MACHINE_CALLS_WITH_REGISTERS};
    uintptr_t function =
        number < NUMBER_LIMIT ? (uintptr_t)original[number] : (uintptr_t)posix_unknown;
    bool locked = function & 1;

    function &= ~(uintptr_t)1;
    for (uint32_t i = 0; i < sizeof with_registers / sizeof with_registers[0]; i++) {
        if (with_registers[i].number == number)
            function = (uintptr_t)with_registers[i].function;
    }
    if (locked)
        image_lock();
    int64_t result = ((posix_function *)function)(a[0], a[1], a[2], a[3], a[4], a[5]);
    if (locked)
        image_unlock();
    return result;
}

/* What telling needs of the kernel is not told. */
static void tell_begin(void)
{
    exo_utcb()->libos[POSIX_WORD_TELLING] = 1;
    image_lock();
}

static void tell_end(void)
{
    image_unlock();
    exo_utcb()->libos[POSIX_WORD_TELLING] = 0;
}

/* Every call of a traced program, from posix_trace in entry.S. */
int64_t trace_call(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5)
{
    const uint64_t arguments[6] = {a0, a1, a2, a3, a4, a5};
    uint64_t number = call_frame_of(self())->number;
    bool all = image_state.trace >= TRACE_CALLS;
    exo_time start = time_now();

    if (all && never_returns(number)) {
        tell_begin();
        call_put(number, arguments, start, false, 0);
        tell_end();
    }
    int64_t result = call_do(number, arguments);
    tell_begin();
    if (all) {
        trace_native_tell();
        call_put(number, arguments, start, true, result);
    } else if (refused(result) && *note_of(number)) {
        note_put(number, arguments, result);
    }
    tell_end();
    return result;
}

DEFINE_CALL0(unknown)
{
    const uint64_t none[6] = {0};
    uint64_t number = call_frame_of(self())->number;

    if (image_state.trace != TRACE_NOTHING && number >= NUMBER_LIMIT) {
        tell_begin(); /* not in the table, so not by way of trace_call */
        note_put(number, none, -ENOSYS);
        tell_end();
    }
    return -ENOSYS;
}

/* ---- beginning and end -------------------------------------------------------------------------------- */

static int64_t table_open(void)
{
    uint64_t start = PAGE_DOWN(dispatch_table), end = PAGE_UP(&dispatch_table[NUMBER_LIMIT]);
    char *copy = heap_alloc(end - start);
    int64_t st = copy ? 0 : -ENOMEM;

    /* A constant page of the image cannot be written: memory of our own takes its place. */
    if (st == 0) {
        memcpy(copy, (const char *)start, end - start);
        st = errno_of(exo_map(0, start, PAGES(end - start), 0, 0, EXO_MAP_READ | EXO_MAP_WRITE));
    }
    if (st == 0) {
        memcpy((char *)start, copy, end - start);
        original = (const char **)(copy + ((uintptr_t)dispatch_table - start));
    } else {
        heap_free(copy);
    }
    return st;
}

static void table_set(bool traced)
{
    const char **table;

    /* The compiler must not know that this is the constant: it would leave the stores out. */
    __asm__("" : "=r"(table) : "0"(dispatch_table));
    for (uint32_t i = 0; i < NUMBER_LIMIT; i++)
        table[i] = traced ? (const char *)posix_trace : original[i];
}

static struct file *trace_open(const char *path)
{
    struct file *f = 0;

    if (path && file_open(path, O_WRONLY | O_CREAT | O_APPEND, 0600, &f) == 0)
        return f;
    return fd_file(2) ? file_get(fd_file(2)) : 0;
}

static uint32_t wanted(const char *how)
{
    if (!how || how[0] < '0' + TRACE_NOTES || how[0] > '0' + TRACE_CALLS || how[1])
        return TRACE_NOTHING;
    return (uint32_t)(how[0] - '0');
}

void trace_begin(const char *how, const char *path)
{
    uint32_t trace = wanted(how);

    if (trace == TRACE_NOTHING && !original)
        return;
    if (!original && table_open() < 0)
        trace = TRACE_NOTHING;
    trace_native_set(trace == TRACE_CALLS);
    exo_map(0, TRACE_VA, 1, 0, 0, EXO_MAP_READ | EXO_MAP_WRITE); /* if not, nothing is told */
    if (original)
        table_set(trace != TRACE_NOTHING);
    if (trace != TRACE_NOTHING && !image_state.trace_file)
        image_state.trace_file = trace_open(path);
    if (trace == TRACE_NOTHING && image_state.trace_file) {
        file_put(image_state.trace_file);
        image_state.trace_file = 0;
    }
    image_state.trace = trace;
}
