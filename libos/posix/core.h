/* SPDX-License-Identifier: MIT */
/*
 * The core half of the LibOS: what its files share. What the other half calls is in posix.h.
 *
 *   start.c handover.c  a process out of nothing      fork.c clone.c vfork.c  out of another
 *   exec.c load.c arguments.c  another program        exit.c wait4.c          its end
 *   signal.c sigcalls.c attend.c  signals             thread.c futex.c robust.c  threads
 *   vma.c mmap.c remap.c memory.c usercopy.c          memory
 *   time.c timer.c             time                   lock.c wait.c           waiting
 *   identity.c limits.c system.c random.c publish.c   the rest
 *   sysv.c shm.c sem.c msg.c   System V's shared objects (sysv.h)
 *   mqueue.c                   POSIX message queues
 *   trace.c trace_native.c     telling what is called (trace.h)
 *
 * Everything here is used under the image lock unless it says otherwise.
 */
#ifndef POSIX_CORE_H
#define POSIX_CORE_H

#include "handover.h"
#include "posix.h"
#include <libos/exo/ipc.h>

#include <lib/linux/signal.h>
#include <lib/string.h>
#include <stdatomic.h>

#define PAGE_UP(x)   (((uint64_t)(x) + EXO_PAGE_SIZE - 1) & ~(uint64_t)(EXO_PAGE_SIZE - 1))
#define PAGE_DOWN(x) ((uint64_t)(x) & ~(uint64_t)(EXO_PAGE_SIZE - 1))
#define PAGES(bytes) (PAGE_UP(bytes) >> EXO_PAGE_SHIFT)
#define IS_PAGE(x)   (((uint64_t)(x) & (EXO_PAGE_SIZE - 1)) == 0)

#define USER_TOP POSIX_LIBOS_VA /* programs live below */

/** memory.c: readies the heap. */
int64_t memory_start(void);
/** A native error as Linux would say it. */
int64_t errno_of(int64_t native);

/* ---- lock.c, for entry.S ------------------------------------------------------------------------ */

void image_lock_wait(void);
void image_lock_wake(void);

/* ---- process.c ----------------------------------------------------------------------------------- */

extern struct process first_process;

/** Fills in what follows from where the process is: capabilities, published pages. */
void process_place(struct process *p, uint32_t context, int32_t pid, uint32_t slot);
/** Everything of other contexts and threads goes: after a fork, or a move into another environment.
 *  What they refer to is not released; fds_forked counts anew. */
void process_alone(struct process *p, struct thread *t);
/** A vfork context's structure and one for its thread; 0: no memory. */
struct process *process_copy(const struct process *from);
void process_forget(struct process *p);
/** Four slots for the capabilities of each of contexts 1, 2 ... (proto/proc.h): 508, 504 ..., and from
 *  CONTEXTS / 2 on at the table's end, for a process that has so many files open that those are taken. */
#define CONTEXTS 32u
static inline uint32_t context_slot(uint32_t context)
{
    if (context == 0)
        return PROC_CAP_PROC;
    return context < CONTEXTS / 2 ? 512 - 4 * context
                                  : EXO_CAP_SLOTS - 4 * (context + 1 - CONTEXTS / 2);
}
static inline uint64_t context_shared_va(uint32_t context)
{
    return PROC_SHARED_VA + (uint64_t)context * 0x100000;
}
/** A context number not in use, 0 if there is none. */
uint32_t context_find(void);

static inline const struct proc_entry *process_table(void)
{
    return (const struct proc_entry *)PROC_TABLE_VA;
}
/** The record of a pid; 0: there is none. No lock needed. */
const struct proc_entry *process_find(int32_t pid);

/* ---- thread.c ------------------------------------------------------------------------------------ */

#define THREADS PROC_THREADS
static_assert(sizeof(struct thread) <= THREAD_BYTES, "room at the stack's upper end");

static inline struct thread *thread_at(uint32_t index)
{
    uint64_t top = POSIX_STACKS_VA + (uint64_t)index * POSIX_STRIDE + POSIX_STACK_BYTES;

    return (struct thread *)(top - THREAD_BYTES);
}
/** A free place, with its stack mapped and struct thread zeroed; 0: none, or no memory. */
struct thread *thread_new(void);
/** Makes the kernel's thread for it; it starts at s. The thread does not run yet. */
int64_t thread_make(struct thread *t, exo_cap env, struct start *s, uint64_t tls);
/** Gives a place back whose thread never ran. */
void thread_discard(struct thread *t);
/** The thread that came with a fresh environment. */
void thread_start_first(struct thread *t);
void thread_join(struct thread *t, struct process *p);
/** Nobody is found by the thread's id any more, unless that is the pid. */
static inline void thread_unname(struct process *p, const struct thread *t)
{
    p->shared->thread_rounds[t->index] = 0;
}
/** Ends the calling thread, which is not its process's last. */
_Noreturn void thread_end(void);
/** Ends all other threads of the calling process, and waits for it. -ERESTARTSYS: we are to end. */
int64_t threads_end_others(void);
/** After a fork: no thread but this one has a place. */
void threads_forget(struct thread *only);
/** Makes a thread look at its signals. */
void thread_attention(struct thread *t);

/** First C code of a thread that clone or vfork made (clone.c). */
void clone_started(void);

/* ---- arch/MACHINE/sigframe.c ---------------------------------------------------------------------- */

/** Where a signal frame goes: below *sp, which is changed if the alternate stack is wanted and not
 *  in use; and not below the address that is returned. */
static inline uint64_t frame_stack(const struct frame_request *r, uint64_t *sp)
{
    bool enabled = !(r->altstack_flags & SS_DISABLE);

    if (enabled && *sp > r->altstack_base && *sp - r->altstack_base <= r->altstack_size)
        return r->altstack_base;
    if (!enabled || !(r->flags & SA_ONSTACK))
        return 0;
    *sp = r->altstack_base + r->altstack_size;
    return r->altstack_base;
}

/* ---- robust.c ------------------------------------------------------------------------------------ */

/** A thread ends: mutexes that it holds are marked so. */
void robust_release(struct thread *t);
/** The caller is about to sleep on `word`, which is `value`. If it locks a robust mutex there: the words
 *  that tell of the death of its owner, and how many; if that has died, the word has changed. */
uint32_t robust_watch(uint64_t word, uint32_t value, struct exo_wait_word watched[2]);

/* ---- signal.c ------------------------------------------------------------------------------------ */

struct signal_note {
    struct signal_note *next;
    struct thread *thread; /* 0: for the process */
    struct proc_siginfo info;
};

#define SIGNALS_NEVER_BLOCKED (SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP))
#define SIGNALS_STOP \
    (SIGNAL_BIT(SIGSTOP) | SIGNAL_BIT(SIGTSTP) | SIGNAL_BIT(SIGTTIN) | SIGNAL_BIT(SIGTTOU))
#define SIGNALS_DEFAULT_IGNORED \
    (SIGNAL_BIT(SIGCHLD) | SIGNAL_BIT(SIGURG) | SIGNAL_BIT(SIGWINCH) | SIGNAL_BIT(SIGCONT))

/** Sends one to a thread, or (0) to the process. -EAGAIN: too many are queued. */
int64_t signal_post(struct process *p, struct thread *t, const struct proc_siginfo *info);
/** Takes over what proc has left for the process. */
void signal_collect(struct process *p);
/** Wakes who sleeps on signal_change. */
void signal_changed(struct process *p);
/** Takes one pending signal of `set`; false: there is none. */
bool signal_take(struct thread *t, uint64_t set, struct proc_siginfo *out);
/** Serves event bits and takes signals over: whether something is to be delivered to the thread. */
bool signals_serve(struct thread *t);
/** Forgets pending signals of a set, of the process and all its threads. */
void signal_forget(struct process *p, uint64_t set);
/** A thread ends: what was for it alone is forgotten. */
void signal_forget_thread(struct thread *t);
/** Tells proc what need not be sent: after a change of actions, and in a new process. */
void signal_tell_ignored(struct process *p);
void signal_tell(struct process *p);
void signal_set_mask(struct thread *t, uint64_t mask);
/** exec: handlers go, what is ignored stays. */
void signal_exec(struct process *p);
/** siginfo_t, 128 bytes. */
void signal_info_store(uint8_t out[128], const struct proc_siginfo *info);

/* ---- attend.c ------------------------------------------------------------------------------------ */

/** The way back to the program when something is pending. No lock held. */
_Noreturn void attend(struct exo_context *c, uint64_t number);
_Noreturn void context_enter(const struct exo_context *c);
/** Makes sure that the current call ends in attend. No lock needed. */
static inline void attention(void)
{
    atomic_fetch_or(&exo_utcb()->pending, PROC_EVENT_SIGNAL);
}
_Noreturn void upcall_handle(uint64_t kind);
_Noreturn void nested_handle(uint64_t kind);
_Noreturn void start_process(void); /* start.c */
/** After an exec: the handover block, if it is still there, is not needed any more. */
void start_forget(void);

/* ---- pidfd.c ------------------------------------------------------------------------------------- */

/** The process of a descriptor made by pidfd_open; -EBADF: it is none, -ECHILD: waited for. */
int64_t pidfd_pid(uint64_t fd, bool *nonblocking);

/* ---- exit.c -------------------------------------------------------------------------------------- */

/** Ends the calling process with a wait status. */
_Noreturn void process_exit(uint32_t status);
/** The same when the LibOS's own state cannot be trusted any more. */
_Noreturn void process_abort(uint32_t status);
/** A vfork context gives back what it holds, and its last thread ends; proc knows already. */
_Noreturn void context_end(struct process *p);
/** A vfork context leaves its address space: lets the parent go on. */
void vfork_release(struct process *p);

/* ---- core_dump.c --------------------------------------------------------------------------------- */

/** A signal ends the process, which was at *c: writes the file core if that is wanted. STATUS_DUMPED or 0. */
uint32_t core_dump(const struct exo_context *c, const struct proc_siginfo *info);

/* ---- exec.c -------------------------------------------------------------------------------------- */

/** exec with LibOS memory, for start.c: returns only an errno. */
int64_t exec_program(const char *path, const char *const *argv, const char *const *envp);

/* ---- vma.c --------------------------------------------------------------------------------------- */

#define VMA_MAX 65530u /* Linux's max_map_count */

/** The mapping that holds va, or the first above it; image->vmas + vma_count if there is none. */
struct vma *vma_at_or_above(uint64_t va);
static inline struct vma *vma_find(uint64_t va)
{
    struct vma *v = vma_at_or_above(va);

    return v != image_state.vmas + image_state.vma_count && v->start <= va ? v : 0;
}
/** Room for `more` further mappings, so that what follows cannot fail. 0 or -ENOMEM. */
int64_t vma_reserve(uint32_t more);
/** Takes [start, end) out of the table, splitting at its ends; needs room for 1 more. */
void vma_remove(uint64_t start, uint64_t end);
/** Puts one into a hole, joining it with its neighbours; takes over the file's reference. */
void vma_insert(const struct vma *v);
/** Calls `change` for the parts of all mappings within [start, end), split to fit; needs room for 2
 *  more. False if there was a hole. */
bool vma_each(uint64_t start, uint64_t end, void (*change)(struct vma *v, uint64_t argument),
              uint64_t argument);
/** Whether [start, end) is wholly mapped. */
bool vma_covers(uint64_t start, uint64_t end);
/** The highest free place of `bytes` that ends at or below `top` and is not below `low`; 0: none. */
uint64_t vma_place(uint64_t low, uint64_t top, uint64_t bytes);
/** Empties the table, releasing the files. */
void vma_clear(void);
#define VMA_BRK   0x80000000u /* struct vma.flags beside Linux's: the brk heap, the stack */
#define VMA_STACK 0x40000000u

/** Maps for LibOS-made parts of a program (load.c): registers it and makes it so. */
int64_t map_anonymous(uint64_t start, uint64_t end, uint32_t rights, uint32_t flags);
int64_t map_program(uint64_t start, uint64_t end, uint32_t rights, struct file *f, uint64_t offset);
/** mmap of a file, MAP_SHARED; `flags`: MAP_FIXED, MAP_FIXED_NOREPLACE. The address. */
int64_t map_shared(uint64_t hint, uint64_t bytes, uint32_t rights, uint64_t flags, struct file *f,
                   uint64_t offset);
/** The kernel's part of mapping a file. */
int64_t map_file(uint64_t start, uint64_t bytes, uint32_t rights, uint32_t flags, struct file *f,
                 uint64_t offset);

/* ---- time.c -------------------------------------------------------------------------------------- */

/** The time of a Linux clock; false: there is no such clock. */
bool time_clock(uint32_t clock, uint64_t *ns);
/** An absolute time of a clock that one can sleep by, as a deadline. -EINVAL. */
int64_t time_absolute(uint32_t clock, uint64_t ns, exo_time *deadline);
/** struct timespec at a program address: -EFAULT, -EINVAL. */
int64_t timespec_read(uint64_t from, uint64_t *ns);
int64_t timespec_write(uint64_t to, uint64_t ns);

/* ---- timer.c ------------------------------------------------------------------------------------- */

/** The kernel's timer has come, or may have been lost. */
void timers_attend(struct process *p);
/** A thread that keeps the kernel's timer ends. */
void timers_thread_ends(struct thread *t);
void timers_forget(struct process *p, bool exec);
/** RLIMIT_CPU has been set, or the process is new and has it. */
void timer_cpu_limit(struct process *p);

/* ---- publish.c ----------------------------------------------------------------------------------- */

/** comm, command line, ... into the published pages of a process that is new or has exec'ed. */
void publish_process(struct process *p);
void publish_comm(struct process *p);
/** The mappings are shown in p's page from now on: those that there are, or none. */
void publish_maps(struct process *p, bool all);
/** A mapping is new or has changed; it is about to go. */
void publish_vma(struct vma *v);
void publish_vma_gone(struct vma *v);

/* ---- limits.c ------------------------------------------------------------------------------------ */

enum {
    RLIMIT_CPU,
    RLIMIT_FSIZE,
    RLIMIT_DATA,
    RLIMIT_STACK,
    RLIMIT_CORE,
    RLIMIT_RSS,
    RLIMIT_NPROC,
    RLIMIT_NOFILE,
    RLIMIT_MEMLOCK,
    RLIMIT_AS,
    RLIMIT_LOCKS,
    RLIMIT_SIGPENDING,
    RLIMIT_MSGQUEUE,
    RLIMIT_NICE,
    RLIMIT_RTPRIO,
    RLIMIT_RTTIME,
    RLIMITS
};

void limits_start(struct process *p);
/** RLIMIT_NPROC: may the user have one more process or thread? 0 or -EAGAIN. */
int64_t limit_processes(void);

/* ---- random.c ------------------------------------------------------------------------------------ */

void random_forked(void);

/* Linux's structures that several files need. */
struct linux_timespec {
    int64_t seconds, nanoseconds;
};
struct linux_timeval {
    int64_t seconds, microseconds;
};
#define NS_PER_S 1000000000

#endif
