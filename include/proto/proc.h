/* SPDX-License-Identifier: MIT */
/*
 * The protocol of `proc`, the server of process identity: pids, parents, groups, sessions,
 * credentials, signals between processes, and death.
 *
 * A process is a *context*: usually one environment, but a vfork child lives in its parent's
 * environment until it execs. A caller is known by the badge of its proc endpoint, which is its
 * slot in the process table below; the same badge is on its fs and tty endpoints, so that every
 * server can look credentials up in the table, which proc publishes read-only.
 *
 * A call: label = enum proc_op, words as each line says; the reply's w0 is a result >= 0 or a
 * negative Linux errno.
 *
 * Slot 0, pid 1, is the native server `init`: it adopts orphans, and proc reaps those by itself.
 * The processes that init boots follow from pid 2 on.
 */
#ifndef PROTO_PROC_H
#define PROTO_PROC_H

#include <exo/boot.h>
#include <exo/types.h>
#include <stdint.h>

/* Well-known slots of a POSIX environment, beside those of exo/boot.h. proc fills PROC, FS, TTY and
 * SHARED (with the badge of the process); the others come with fork, or from the parent at exec. */
#define PROC_CAP_PROC       4 /* endpoint of proc, badge = slot in the table */
#define PROC_CAP_FS         5 /* endpoint of fs, same badge */
#define PROC_CAP_TTY        6 /* endpoint of tty, same badge */
#define PROC_CAP_SHARED     7 /* region: struct proc_shared of this process */
#define PROC_CAP_TABLE      8 /* region, read: struct proc_entry[PROC_MAX] */
#define PROC_CAP_LIBOS      9 /* region, read/exec: the LibOS image (pages of its file, all segments) */
#define PROC_CAP_FIRST_FREE 16

/* Addresses that every POSIX environment uses for them (the LibOS occupies 0x7f0000000000 up). */
#define PROC_TABLE_VA  0x00007f1000000000u
#define PROC_SHARED_VA 0x00007f1100000000u /* of a context k of one environment: + k * 0x100000 */

#define PROC_MAX 4096u /* processes at a time */

/* Thread ids: the first thread's is the pid; others are unique in the system by the process's slot and
 * their place in it, above every pid, and below 2^30, which is what a robust mutex has room for:
 * PROC_TID_FIRST + (round * PROC_MAX + slot) * PROC_THREADS + place. A number comes again only after
 * PROC_TID_ROUNDS threads, since programs take two threads with one number for the same. */
#define PROC_TID_FIRST  0x00400000
#define PROC_THREADS    1024u
#define PROC_TID_ROUNDS 254u
static_assert((PROC_TID_ROUNDS + 1) * PROC_MAX * PROC_THREADS <= 0x40000000, "below 2^30");

/** The slot of the process that a thread with such an id is in, if any: tid >= PROC_TID_FIRST. */
static inline uint32_t proc_tid_slot(int32_t tid)
{
    return ((uint32_t)tid - PROC_TID_FIRST) / PROC_THREADS % PROC_MAX;
}

enum proc_state {
    PROC_FREE,
    PROC_EMBRYO, /* registered, not running yet */
    PROC_RUNNING,
    PROC_STOPPED,
    PROC_ZOMBIE, /* dead, not yet waited for */
};

#define PROC_GROUPS 32

/* One process, as everybody may read it. Written by proc alone; a reader that needs several fields
 * of one state reads `sequence` before and after (odd: being written). 256 bytes. */
struct proc_entry {
    _Atomic uint32_t sequence;
    uint32_t reserved; /* the sequence has a word of proc's log for itself */
    uint32_t state;    /* enum proc_state */
    int32_t pid, ppid, pgid, sid;
    uint32_t ruid, euid, suid, fsuid;
    uint32_t rgid, egid, sgid, fsgid;
    int32_t tty;       /* minor of the controlling terminal, -1: none */
    uint32_t status;   /* zombie or stopped: wait status as Linux encodes it */
    uint64_t start_ns; /* exo_time of the start */
    uint64_t cpu_ns;   /* of a zombie: CPU time; of the living: as of the last look */
    uint64_t children_cpu_ns;
    uint16_t group_count;
    uint16_t execs; /* has it called execve yet (setpgid's rule) */
    int32_t nice;
    uint32_t groups[PROC_GROUPS];
    uint32_t pad[6];
};
static_assert(sizeof(struct proc_entry) == 256, "ABI: proc_entry");

/* A queued signal's information. */
struct proc_siginfo {
    int32_t signo, code;
    int32_t pid;
    uint32_t uid;
    uint64_t value;
};
#define PROC_SIGQUEUE 64u
#define PROC_MAPS     216u

/* A mapping as a process publishes it. */
struct proc_map {
    uint64_t start, end, offset; /* end 0: nothing is here */
    uint32_t rights, file;       /* EXO_MAP_*; is it of a file */
    char name[56];
};

/*
 * Shared between one process and proc: both may write. Signals: proc appends to the queue (single
 * producer: tail) for real-time signals, or sets the bit in `pending` after storing info[signo];
 * the process takes bits with atomic fetch-and, and queue entries by advancing `head`. After adding
 * one, proc raises event bit PROC_EVENT_SIGNAL at the process. A real-time signal of kill(2) that
 * finds the queue full becomes a bit of `pending` too; one with a value is refused (EAGAIN), and so is
 * one for a thread, which always goes to the queue.
 * A stop signal takes a pending SIGCONT away, and SIGCONT the stop signals. SIGKILL never gets here.
 */
struct proc_shared {
    _Atomic uint64_t pending;      /* bit signo-1: standard signals sent and not taken */
    _Atomic uint64_t ignored;      /* kept by the process: signals that would do nothing if they
                                        came now, which proc drops: ignored by action or by default,
                                        and blocked in no thread */
    _Atomic uint64_t continues;    /* counts the SIGCONTs sent, from 1 on: see PROC_STOP */
    _Atomic uint32_t child_events; /* counts changes of its children; a word to wait on */
    _Atomic uint32_t child_flags;  /* kept by the process: PROC_CHILD_* */
    _Atomic uint32_t head, tail;   /* queue positions, free running */
    struct proc_siginfo info[65];
    struct proc_siginfo queue[PROC_SIGQUEUE];
    /* Standard signals have numbers, so that proc, should it die while it sends one, does not send it
     * twice: proc sets posted[signo] before the bit, and who takes the bit copies it to seen[signo]
     * before that. */
    _Atomic uint32_t posted[65], seen[65];
    int32_t queue_tid[PROC_SIGQUEUE]; /* the thread that queue[i] is for; 0: any */
    uint8_t pad[4096 - 40 - (65 + 64) * 24 - 2 * 65 * 4 - 64 * 4];

    /* Published by the process for ps and /proc; pages 1-7 of the region. Any bytes may be found. */
    char comm[16];
    uint32_t cmdline_bytes, environ_bytes;
    uint32_t vm_pages; /* mapped pages of the program */
    uint32_t threads;
    uint32_t map_count, fd_count;
    uint64_t brk_start, brk_end, stack_start;
    char exe[512];
    char cwd[512];
    char root[64];
    char cmdline[2048]; /* NUL-separated */
    char environment[1024];
    struct {
        int32_t fd;
        uint32_t flags;
        char name[56];
    } fds[64];
    struct proc_map maps[PROC_MAPS]; /* the first map_count; in no order */
    /* 1 + the round of the thread at each place; 0: none is there, or the first one, whose id is the pid. */
    uint8_t thread_rounds[PROC_THREADS];
};
#define PROC_SHARED_BYTES 32768u

/* proc_shared.child_flags: SIGCHLD is ignored (no zombies, no signal), or has SA_NOCLDWAIT (no
 * zombies). SA_NOCLDSTOP: no signal when a child stops or goes on. */
#define PROC_CHILD_IGNORED 1u
#define PROC_CHILD_NO_WAIT 2u
#define PROC_CHILD_NO_STOP 4u

static_assert(sizeof(struct proc_siginfo) == 24, "ABI: proc_siginfo");
static_assert(offsetof(struct proc_shared, comm) == 4096, "ABI: published part on page 1");
static_assert(sizeof(struct proc_shared) <= PROC_SHARED_BYTES, "ABI: proc_shared");

#define PROC_EVENT_SIGNAL 0x1u /* look at pending and the queue */
#define PROC_EVENT_KILLED \
    0x2u /* (to a vfork child's thread) the context is to end: PROC_EXIT, with
                                  any status; what killed it is known */
#define PROC_EVENT_TTY \
    0x4u /* (to tty's notification, PROC_SET_TTY) a session with a terminal has
                                  lost its leader */

/* Notes of proc_shared.info/queue .code: Linux's SI_USER 0, SI_KERNEL 0x80, SI_QUEUE -1, ...
 * SIGCHLD: CLD_*, with pid and uid of the child, and `value` its exit code or signal. */

enum proc_op {
    /* Registers a child of the caller as an embryo. caps: env (all rights), first thread
     * (control, signal). w0: slot base for the four capabilities (PROC, FS, TTY, SHARED in a row) in
     * that env's table (PROC_CAP_PROC unless a vfork context), free slots, filled with generation 1;
     * w1: where to map its proc_shared there; w2: flags PROC_FORK_*; w3: exit signal. Reply: w0 =
     * pid, w1 = its slot. Credentials, group, session, tty, nice are the parent's. Call PROC_START
     * when it may run. The four capabilities cannot be passed on. The process flags them, in each
     * new environment, EXO_CAP_NOFORK before its own first fork; the mapping is EXO_MAP_NOFORK.
     * -EAGAIN: the table, or what a process needs of proc, is used up. */
    PROC_FORK = 1,
    /* The embryo w0 = pid, a child of the caller, runs from now on (proc resumes its thread). */
    PROC_START,
    /* The caller continues in another environment (exec of a vfork child): caps: env, thread; w0,
     * w1 as PROC_FORK. proc fills the slots as at fork; the process's proc_shared is mapped there;
     * the new thread is resumed; what exec resets is reset. A vfork context's old handles and
     * mapping stay for the caller to delete. The environment of a process that was alone in it is
     * destroyed, and there is no reply. */
    PROC_MOVE,
    /* The caller has exec'ed in place: resets what exec resets. w0: 1: the program is set-id, w1: its user,
     * w2: its group, -1: not. -EPERM then, unless this is the first since PROC_RENEWED. */
    PROC_EXEC,
    /* The caller ends. w0: wait status. proc destroys its environment, and other contexts there die
     * with it (a vfork context: is only marked dead, and its thread ends itself; its four
     * capabilities and its mapping go when it has been waited for). Children go to init. */
    PROC_EXIT,
    /* w0: pid as waitpid (-1, 0, -pgid, pid); w1: WNOHANG is implied, WUNTRACED 2, WCONTINUED 8,
     * WNOWAIT 0x1000000, WEXITED 4 (wait4 sets it), WALL, WCLONE. Reply: w0 = pid (0: none changed
     * yet), w1 = status, w2 = cpu ns of it and its waited-for children, w3 = uid. -ECHILD if there
     * is no such child. init waits with it for what it booted. */
    PROC_WAIT,
    /* w0: pid as kill(2), or PROC_KILL_THREAD + the id of a thread; w1: signo (0: only check); w2: code,
     * <= 0; w3: value. pid and uid of the information are the caller's, whatever the code. */
    PROC_KILL,
    /* w0: pid, w1: pgid. / (none) -> sid */
    PROC_SETPGID,
    PROC_SETSID,
    /* w0: which (PROC_ID_*), w1..w3 as the Linux call; -1 leaves as is. */
    PROC_SETID,
    /* msg: uint32_t groups[], w0: count. */
    PROC_SETGROUPS,
    /* Servers only. w0: pgid, or -sid for the leader of a session; w1: signo; w2: PROC_GROUP_*.
     * Reply: how many were reached, or -ESRCH. */
    PROC_SIGNAL_GROUP,
    /* tty server only: sets (w1: minor) or clears (w1: -1) the controlling terminal of session w0;
     * w2: its foreground group, which gets SIGHUP when the leader ends (-EPERM: it is not in the
     * session; -ESRCH: there is none). w3: not 0: clears it for the process in this slot only. A
     * clearing that is a hang-up keeps w2: that group gets SIGHUP and SIGCONT when the leader ends.
     * 1 capability, optional: a notification, told of such ends with PROC_EVENT_TTY. */
    PROC_SET_TTY,
    /* w0: pid (0: the caller), w1: nice or INT64_MIN to read. Reply: 20 - nice (1..40). */
    PROC_NICE,
    /* Stops the caller's whole process with status w0 (after a default stop signal): returns when
     * it was continued. w1: `continues` as it was before the signal was taken (0: unknown). Nothing
     * is stopped if it has changed since, nor by a terminal's stop signal in an orphaned group. */
    PROC_STOP,
    /* Servers: w0: slot. Reply lends the region of its proc_shared, read-only (1 capability), and
     * brings cpu_ns in its entry up to date. The loan ends when the process has been waited for. */
    PROC_PUBLISHED,
    /* Servers: w0: slot, w1: address, w2: pages. Reply: what of the range is in memory, in pages: w0 = all,
     * w1 = private, w2 = written, w3 = both. Of a zombie: nothing. */
    PROC_RESIDENT,
    /* Number of processes running etc.: reply w0 = processes, w1 = ever forked. */
    PROC_STATS,
    /* init only: registers a child of init that leads a session of its own, as root: as PROC_FORK,
     * w3 being event bits, and a third capability, optional: a notification at which proc raises
     * them when such a child has ended, or a signal for pid 1 has come. */
    PROC_BOOT,
    /* w0: pid; w1: the CPUs that its first thread may run on, bit n: CPU n; 0 to read. Reply: the mask in
     * force. */
    PROC_AFFINITY,
    /* init only. Reply: w0 = set of signals (bit signo-1) sent to pid 1 since the last call. */
    PROC_INIT_SIGNALS,
    /* The caller asks to go on in a fresh environment of init's making: its program is set-id, and must not
     * find anything that the caller's memory or capabilities could do to it. 1 capability: a region with a
     * handover block (libos/posix/handover.h). The reply comes at once; a vfork context then ends its part
     * as after PROC_MOVE, any other waits for the end of its environment. */
    PROC_RENEW,
    /* init only. Reply: w0 = pid of a process that waits for that, 0: none; w1 = its slot; 1 capability: the
     * region, to read. Told until PROC_RENEWED or its death. */
    PROC_RENEWAL,
    /* init only: PROC_MOVE of the process w2 = pid. Everything that it was given in its environments before
     * is taken back. */
    PROC_RENEWED,
};

#define PROC_KILL_THREAD (1ull << 32) /* for that thread alone */

#define PROC_GROUP_CONTINUE     1u /* SIGCONT follows the signal */
#define PROC_GROUP_NOT_ORPHANED 2u /* -EIO, and no signal, if the group is orphaned */

#define PROC_FORK_SAME_ENV 1u /* a vfork context: env is the caller's own */

enum {
    PROC_ID_RESUID,
    PROC_ID_RESGID,
    PROC_ID_FSUID,
    PROC_ID_FSGID,
    PROC_ID_UID,
    PROC_ID_GID,
    PROC_ID_REUID,
    PROC_ID_REGID
};

/* Badges at or above this belong to servers (their names below), which act with root's authority. */
#define PROC_BADGE_SERVER 0x10000u
enum {
    PROC_SERVER_INIT = PROC_BADGE_SERVER,
    PROC_SERVER_FS,
    PROC_SERVER_TTY,
    PROC_SERVER_VIRTIO_BLK,
};

#endif
