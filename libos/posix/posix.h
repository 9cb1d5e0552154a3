/* SPDX-License-Identifier: MIT */
/*
 * The POSIX LibOS: the structures that all of its files share.
 *
 * It is linked at a fixed address above the program and lives in every POSIX process. A foreign
 * (Linux) system call of the program arrives at arch/MACHINE/entry.S, which switches to the thread's
 * LibOS stack and calls posix_call. Upcalls are masked while LibOS code runs; events are served when
 * a call ends (signal.c).
 *
 * Nothing hangs off globals but the one pointer per thread (in the UTCB): a vfork child is a second
 * struct process in the same address space. What belongs to the address space and not to the
 * process (the program's mappings, brk, capability reference counts) is in struct image.
 *
 * Locking: threads of one process exclude each other by image->lock, a futex lock taken at the entry
 * of a call that touches shared state and released around every sleep (lock.c).
 *
 * Results: a non-negative value or a negative Linux errno (linux/errno.h), as in Linux itself.
 */
#ifndef POSIX_H
#define POSIX_H

#include "machine.h"

#include <exo.h>
#include <lib/heap.h>
#include <lib/linux/errno.h>
#include <proto/fs.h>
#include <proto/proc.h>
#include <proto/tty.h>
#include <stdbool.h>

struct process;
struct file;
struct parcel;
struct waiter;

/* ---- where things are in a POSIX environment (above every program address) -------------------- */
#define POSIX_MMAP_TOP    0x00007effff000000u /* mmap grows down from here; the stack is above it */
#define POSIX_STACK_TOP   0x00007efffffff000u
#define POSIX_LIBOS_VA    0x00007f0000000000u /* the LibOS image: text, rodata, data, bss */
#define POSIX_HANDOVER_VA 0x00007f0f00000000u /* struct handover of a fresh environment (exec.c) */
#define POSIX_UTCB_VA     0x00007f2000000000u /* UTCB of thread k: + k * 0x10000 */
#define POSIX_STACKS_VA \
    0x00007f2100000000u            /* LibOS stack of thread k: + k * 0x10000, 32 KiB used;
                                                 struct thread lies at its upper end */
#define POSIX_STRIDE      0x10000u /* of the two above */
#define POSIX_STACK_BYTES 0x8000u
#define POSIX_OFD_VA      0x00007f3000000000u /* shared open file descriptions (ofd.c) */
#define POSIX_WINDOW_VA   0x00007f4000000000u /* file contents, pipe rings, tty pages: window.c */
#define POSIX_WINDOW_END  0x00007fe000000000u
#define POSIX_HEAP_VA     0x00007ff000000000u /* the LibOS's own small allocator (heap.c) */

/* ---- one thread -------------------------------------------------------------------------------- */

struct thread {
    uint64_t saved[MACHINE_SAVED]; /* entry.S: registers of fork, vfork, clone; stays first */
    struct process *process;
    struct thread *next; /* of the process */
    exo_cap cap;
    struct exo_utcb *utcb;
    int32_t tid;
    uint32_t index;         /* k in the addresses above */
    uint64_t sigmask;       /* blocked; bit signo-1 */
    uint64_t saved_sigmask; /* sigsuspend, ppoll...: restored after the handler */
    bool restore_sigmask;
    bool end;             /* it is to end as soon as it leaves its call */
    uint64_t pending;     /* directed at this thread; notes in process->queue */
    uint64_t sleep_until; /* restart_syscall of nanosleep: exo_time; 0: none */
    uint64_t altstack_base, altstack_size;
    uint32_t altstack_flags;
    uint64_t clear_tid; /* CLONE_CHILD_CLEARTID */
    uint64_t robust_list;
    char comm[16];
};

/* ---- one process (context) --------------------------------------------------------------------- */

#define POSIX_NOFILE 1024 /* hard limit on descriptors; the table grows up to it */

struct sigaction_record {
    uint64_t handler, flags, restorer, mask;
};

struct process {
    struct image *image;
    struct process *next; /* of the image: vfork contexts */
    struct thread *threads;
    _Atomic uint32_t thread_count;
    int32_t pid;
    uint32_t slot;         /* in proc's table */
    exo_cap proc, fs, tty; /* endpoints with this process's badge */
    exo_cap shared_cap;
    struct proc_shared *shared;
    const struct proc_entry *entry; /* own record in the published table */
    struct process *vfork_parent;   /* not 0: a vfork context; who waits for it */
    _Atomic uint32_t *vfork_done;   /* word in the parent thread's frame that it waits on */
    uint32_t context;               /* 0, or k of its proc_shared and its capability slots */
    uint64_t pending;               /* signals for any thread, taken from proc_shared or our own */
    uint64_t ignored;               /* as the actions say; blocked ones are not ignored */
    struct signal_note *queue;      /* what is known about pending ones; real-time: one each */
    _Atomic uint32_t signal_change; /* a word that moves when one becomes pending ... */
    bool signal_watched;            /* ... and somebody wants to know: signalfd.c */
    struct sigaction_record actions[65];
    struct descriptor {
        struct file *file;
        uint32_t cloexec;
    } * fds;
    uint32_t fd_limit; /* entries allocated in fds */
    uint32_t umask;
    struct file *cwd, *root; /* directories; root 0: the real one */
    char cwd_path[512];
    uint64_t rlimits[16][2];
    struct timer *timers;        /* timer.c: ITIMER_REAL and timer_create's */
    struct thread *timer_thread; /* whose kernel timer is set for them ... */
    exo_time timer_deadline;     /* ... and to when */
    uint32_t dumpable, no_new_privs, parent_death_signal, personality, timer_slack;
    bool exiting;
};

extern struct image image_state; /* the one of this address space (process.c) */

/* The running thread and its process; cheap (one load from the UTCB). */
#define POSIX_WORD_THREAD  0  /* utcb->libos[] indices: entry.S knows 0-3 */
#define POSIX_WORD_STACK   1  /* top of the thread's LibOS stack */
#define POSIX_WORD_USER_SP 2  /* the program's stack pointer at the last call */
#define POSIX_WORD_ENTRIES 10 /* trace_native.c: native calls of the thread that were seen ... */
#define POSIX_WORD_TELLING 11 /* ... not 0: and are not to be seen now */
static inline struct thread *self(void)
{
    return (struct thread *)exo_utcb()->libos[POSIX_WORD_THREAD];
}
static inline struct process *current(void)
{
    return self()->process;
}

/* ---- open files -------------------------------------------------------------------------------- */

/* What processes share of an open file: the open file description. 64 bytes, in the shared region
 * mapped at POSIX_OFD_VA (ofd.c); `users` counts struct file of all processes. */
struct ofd {
    _Atomic uint32_t users;
    _Atomic uint32_t flags; /* O_APPEND, O_NONBLOCK, ... and the access mode */
    _Atomic uint64_t offset;
    _Atomic uint32_t offset_lock; /* claim on the offset: pid of the holder, see ofd.c */
    uint32_t pad[11];
};
static_assert(sizeof(struct ofd) == 64, "ofd");

enum {
    POLL_IN = 1,
    POLL_PRI = 2,
    POLL_OUT = 4,
    POLL_ERR = 8,
    POLL_HUP = 16,
    POLL_NVAL = 32,
    POLL_RDHUP = 0x2000
};

/* Words to sleep on until something may have changed; see wait.c. */
struct waiter {
    struct exo_wait_word words[EXO_WAIT_WORDS];
    uint32_t count;
    exo_time deadline;
    exo_time alarm; /* by then something may have changed without any of the words: look again */
};
void waiter_add(struct waiter *w, const _Atomic uint32_t *word, uint32_t expected);

/*
 * Operations of a kind of file. Each is a *try*: what would block answers -EAGAIN, and the generic
 * code (file.c) then asks `poll`, sleeps and retries unless the file is O_NONBLOCK. `poll` returns
 * the POLL_* bits that hold now; if `w` is given it FIRST adds the words whose change could make
 * more of them hold (with the values it then judges by), so that no wake-up is lost. `user` buffers
 * are program addresses: only user_read/user_write (usercopy.c) touch them. 0: not supported, the
 * errno in comments.
 */
struct file_ops {
    int64_t (*read)(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset);  /* EINVAL */
    int64_t (*write)(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset); /* EINVAL */
    uint32_t (*poll)(struct file *f, uint32_t events, struct waiter *w); /* 0: always IN|OUT */
    int64_t (*seek)(struct file *f, int64_t offset, int whence);         /* ESPIPE */
    int64_t (*ioctl)(struct file *f, uint32_t request, uint64_t arg);    /* ENOTTY */
    int64_t (*stat)(struct file *f, struct fs_stat *out);
    int64_t (*sync)(struct file *f);                                   /* asks fs */
    int64_t (*truncate)(struct file *f, uint64_t size);                /* EINVAL */
    int64_t (*readdir)(struct file *f, uint64_t user, uint64_t bytes); /* ENOTDIR */
    /* The capability to map and the page index in it where file offset 0 lies. ENODEV */
    int64_t (*region)(struct file *f, uint32_t rights, exo_cap *cap, uint64_t *first_page);
    /* After fork, in the child; and before a file's last close in this process. */
    void (*forked)(struct file *f);
    void (*release)(struct file *f);
    /* At most 2 aligned words at units[]: a file of which `poll` said that nothing holds stays so as
     * long as they keep their values. Their number; 0, or no function: no telling (epoll.c). */
    uint32_t (*watch)(struct file *f, const _Atomic uint64_t **units);
    /* How it goes to another process (parcel.h): 0 not at all; `pack` adds what is more than
     * struct file's own words and its first capability. */
    uint32_t parcel;
    void (*pack)(struct file *f, struct parcel *p);
};

/* One open file of one environment: reference-counted by descriptors of all its contexts. A fork
 * copies it with the memory; capabilities keep their handles there. */
struct file {
    const struct file_ops *ops;
    uint32_t refs;
    uint32_t kind; /* enum fs_kind, or FILE_* below */
    struct ofd *ofd;
    exo_cap caps[4]; /* [0] the endpoint (fs, tty) or ring region; others per kind */
    uint64_t number; /* fs: number of the file */
    uint64_t rdev, ino;
    void *state; /* per kind: window, ring, ... */
    uint64_t extra[2];
};
enum {
    FILE_PIPE = 100,
    FILE_SOCKET,
    FILE_TTY,
    FILE_BLOCK,
    FILE_EPOLL,
    FILE_EVENT,
    FILE_SIGNAL,
    FILE_INOTIFY,
    FILE_NULL,
    FILE_ZERO,
    FILE_FULL,
    FILE_RANDOM,
    FILE_OTHER
};

/* ---- one address space ------------------------------------------------------------------------- */

/* A mapping of the program, as mmap knows it; the kernel's own table is the truth about access. */
struct vma {
    uint64_t start, end; /* page aligned */
    uint32_t rights;     /* EXO_MAP_READ ... */
    uint32_t flags;      /* Linux MAP_* */
    struct file *file;   /* holds a reference; 0: anonymous */
    uint64_t offset;
    uint32_t place; /* where it is published, and 1; 0: nowhere (publish.c) */
};

struct image {
    _Atomic uint32_t lock;     /* lock.c; stays first */
    struct process *processes; /* contexts, the oldest last */
    struct vma *vmas;          /* sorted array */
    uint32_t vma_count, vma_limit;
    uint64_t pages; /* in all of them */
    uint64_t brk_start, brk;
    uint64_t stack_low, mmap_top;
    uint64_t auxv[64]; /* as given to the program, for /proc */
    char exe[512];
    uint64_t argument_start, argument_end, environment_end; /* strings on the program's stack */
    uint32_t thread_count;                                  /* of all contexts */
    const char *exec_path;                                  /* during exec */
    bool renewed;            /* no program ran here yet, and one that is set-id may (renew.c) */
    uint32_t trace;          /* trace.h: what is told of the program's calls ... */
    struct file *trace_file; /* ... and where; holds a reference */
    /* publish.c: whose page shows the mappings, and the places there that are free again. */
    struct process *maps_in;
    uint32_t maps_count, maps_free_count;
    uint16_t maps_free[PROC_MAPS];
};

/* ---- system calls ------------------------------------------------------------------------------ */

/*
 * Each Linux call `name` is implemented by posix_NAME, with six words, whatever it uses of them.
 * linux/calls.def has one line a call: POSIX_CALL(name, "note") runs with image->lock held (taken
 * and released by entry.S), POSIX_FREE(name, "note") without; linux/legacy.def has those that newer
 * machines have no number for. Numbers: arch/MACHINE/numbers.def.
 * A definition names the arguments it has:
 *
 *     DEFINE_CALL3(read, fd, buffer, bytes) { ... return got; }
 */
typedef int64_t posix_function(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

#define POSIX_UNUSED __attribute__((unused)) uint64_t
#define DEFINE_CALL0(name)                                                                   \
    int64_t posix_##name(POSIX_UNUSED u0, POSIX_UNUSED u1, POSIX_UNUSED u2, POSIX_UNUSED u3, \
                         POSIX_UNUSED u4, POSIX_UNUSED u5)
#define DEFINE_CALL1(name, a0)                                                           \
    int64_t posix_##name(uint64_t a0, POSIX_UNUSED u1, POSIX_UNUSED u2, POSIX_UNUSED u3, \
                         POSIX_UNUSED u4, POSIX_UNUSED u5)
#define DEFINE_CALL2(name, a0, a1)                                                   \
    int64_t posix_##name(uint64_t a0, uint64_t a1, POSIX_UNUSED u2, POSIX_UNUSED u3, \
                         POSIX_UNUSED u4, POSIX_UNUSED u5)
#define DEFINE_CALL3(name, a0, a1, a2)                                                            \
    int64_t posix_##name(uint64_t a0, uint64_t a1, uint64_t a2, POSIX_UNUSED u3, POSIX_UNUSED u4, \
                         POSIX_UNUSED u5)
#define DEFINE_CALL4(name, a0, a1, a2, a3)                                                    \
    int64_t posix_##name(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, POSIX_UNUSED u4, \
                         POSIX_UNUSED u5)
#define DEFINE_CALL5(name, a0, a1, a2, a3, a4)                                            \
    int64_t posix_##name(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, \
                         POSIX_UNUSED u5)
#define DEFINE_CALL6(name, a0, a1, a2, a3, a4, a5)                                        \
    int64_t posix_##name(uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, \
                         uint64_t a5)

#define POSIX_CALL(name, note) posix_function posix_##name;
#define POSIX_FREE(name, note) posix_function posix_##name;
#include "linux/calls.def"
#include "linux/legacy.def"
#undef POSIX_CALL
#undef POSIX_FREE

/* Internal results that never reach a program (Linux's own values). Whoever returns one leaves a
 * signal to be delivered: waiter_sleep sees to it. */
#define ERESTARTSYS           512 /* restart if SA_RESTART or no handler, else EINTR */
#define ERESTARTNOHAND        514 /* EINTR if a handler runs, else restart */
#define ERESTART_RESTARTBLOCK 516 /* EINTR if a handler runs, else go on sleeping */

/* ---- what the core gives to the files part ----------------------------------------------------- */

/* Program memory (usercopy.c). A bad address is -EFAULT and nothing worse; addresses of the LibOS
 * are bad. Part of a copy may have been done when it fails. */
int64_t user_read(void *to, uint64_t from, uint64_t bytes);
int64_t user_write(uint64_t to, const void *from, uint64_t bytes);
int64_t user_zero(uint64_t to, uint64_t bytes);
/* A string with its NUL into to[0 .. limit-1]: its length, -EFAULT or -ENAMETOOLONG. */
int64_t user_string(char *to, uint64_t from, uint64_t limit);
int64_t user_read32(uint32_t *to, uint64_t from);
int64_t user_write32(uint64_t to, uint32_t value);
int64_t user_read64(uint64_t *to, uint64_t from);
int64_t user_write64(uint64_t to, uint64_t value);
/* Whether [va, va + bytes) lies below the LibOS; says nothing about what is mapped there. */
static inline bool user_range(uint64_t va, uint64_t bytes)
{
    return va <= POSIX_LIBOS_VA && bytes <= POSIX_LIBOS_VA - va;
}

/* The LibOS's own memory: <lib/heap.h>, fed by memory.c. Needs image->lock. */

/* image->lock (lock.c): POSIX_CALL functions hold it already. */
void image_lock(void);
void image_unlock(void);

/* Sleeping (wait.c): releases image->lock meanwhile. 0: look again; -ETIMEDOUT; -ERESTARTSYS: a
 * signal is to be delivered (callers that never restart turn it into -EINTR). */
void waiter_init(struct waiter *w, exo_time deadline);
int64_t waiter_sleep(struct waiter *w);
/* Whether a signal waits to be delivered to this thread. */
bool signal_waiting(void);
/* Raises a signal at the calling process (SIGPIPE...); delivered when the call ends. */
void signal_raise(int32_t signo);
/* Blocks signals as pselect, ppoll and epoll_pwait do: `mask` is a program address, 0: leaves as
 * is. Undone by signal_mask_restore at the end of the call, or after the handler if one is due. */
int64_t signal_mask_set(uint64_t mask, uint64_t mask_bytes);
void signal_mask_restore(void);

/* Time (time.c). A struct timespec at a program address as a deadline: exo_time, EXO_FOREVER for
 * address 0; -EINVAL, -EFAULT. Relative to now. */
exo_time time_now(void);
uint64_t time_real_ns(void);
int64_t time_deadline(uint64_t timespec, exo_time *deadline);

/* Random bytes (random.c). */
void random_fill(void *to, uint64_t bytes);

/* RLIMIT_FSIZE (limits.c): may a file end there? 0, or -EFBIG and SIGXFSZ. */
int64_t limit_file_end(uint64_t end);
static inline uint64_t limit_file_bytes(void)
{
    return current()->rlimits[1 /* RLIMIT_FSIZE */][0];
}

/* Calls to proc (identity.c): label and words; the answer's w0; words come back in *m. */
int64_t proc_call(struct exo_message *m, uint32_t op, uint64_t w0, uint64_t w1, uint64_t w2,
                  uint64_t w3);

/* Address space: forgets that a file is mapped nowhere (mm.c never keeps a file without a
 * reference). Publishes fds[] after a change if anyone looks: the files part's publish_fds. */

/* ---- what the files part gives to the core ----------------------------------------------------- */

/* References to open files. file_put of the last one releases. */
struct file *file_get(struct file *f);
void file_put(struct file *f);
/* The file of a descriptor, 0 if there is none; takes no reference (image->lock is held). */
struct file *fd_file(uint64_t fd);

/* Opens a path (LibOS memory) as open() would, without a descriptor. */
int64_t file_open(const char *path, uint32_t flags, uint32_t mode, struct file **out);
/* access(path, X_OK) by effective ids and a regular file: 0, -EACCES, -ENOENT, ... (exec.c). */
int64_t path_executable(const char *path);
/* Puts an open file at descriptor `fd` exactly (takes over the reference): start.c. */
int64_t fd_install(uint32_t fd, struct file *f, bool cloexec);
int64_t path_chdir(const char *path);

/* Life of a process. fds_start: first process of a fresh environment, table empty. fds_share: the
 * vfork child `to` gets the descriptors, cwd and root of `from` (same address space). fds_forked: in
 * a fork's child, after the copy. fds_exec: close-on-exec. fds_end: closes all (exit of a vfork
 * context; process whose environment goes right away: only what the kernel would not do). */
/* Fork, and exec of a vfork child: the parent calls fds_fork before the copy can run (after
 * PROC_FORK, before PROC_START), which counts the shared descriptions once more for the environment
 * of process `slot`, `pid`; fds_fork_undo if the copy is given up. The copy calls fds_forked(p) when
 * p is its one process and image->vmas are as they are to be: it counts the references of every file
 * anew (fds, cwd, root, vmas) and closes what only other contexts had. */
int64_t fds_fork(uint32_t slot, int32_t pid);
void fds_fork_undo(uint32_t slot, int32_t pid);
void fds_start(struct process *p);
int64_t fds_share(struct process *to, struct process *from);
void fds_forked(struct process *p);
void fds_exec(struct process *p);
void fds_end(struct process *p, bool environment_goes);
/* cwd, fds in the published page of a new process or after exec. */
void publish_files(struct process *p);

#endif
