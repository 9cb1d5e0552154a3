/* SPDX-License-Identifier: MIT */
/* What fork.c, clone.c, vfork.c and exec.c share: flags of clone, and copying an environment. */
#ifndef POSIX_FORK_H
#define POSIX_FORK_H

#include "core.h"

#define CLONE_EXIT_SIGNAL    0x000000ffu
#define CLONE_VM             0x00000100u
#define CLONE_FS             0x00000200u
#define CLONE_FILES          0x00000400u
#define CLONE_SIGHAND        0x00000800u
#define CLONE_PIDFD          0x00001000u
#define CLONE_PTRACE         0x00002000u
#define CLONE_VFORK          0x00004000u
#define CLONE_PARENT         0x00008000u
#define CLONE_THREAD         0x00010000u
#define CLONE_NEWNS          0x00020000u
#define CLONE_SYSVSEM        0x00040000u
#define CLONE_SETTLS         0x00080000u
#define CLONE_PARENT_SETTID  0x00100000u
#define CLONE_CHILD_CLEARTID 0x00200000u
#define CLONE_DETACHED       0x00400000u
#define CLONE_UNTRACED       0x00800000u
#define CLONE_CHILD_SETTID   0x01000000u
#define CLONE_IO             0x80000000u

/* One fork, in the parent and, copied, in the child. */
struct fork {
    uint8_t fpu[FPU_BYTES_MAX] __attribute__((aligned(64)));
    struct start start;
    uint64_t flags, stack, parent_tid, child_tid, tls;
    int32_t pid;
    uint32_t slot;
};

int64_t fork_process(struct fork *f);
int64_t vfork_process(struct fork *f);
int64_t thread_clone(struct fork *f);
/** Makes the kernel's thread for t, to continue from the caller's call with result 0. */
int64_t clone_make(struct thread *t, const struct fork *f);

/** An empty environment with one thread that will start at s. */
int64_t env_make(struct start *s, exo_cap *env, exo_cap *thread);
int64_t env_copy_caps(exo_cap env);
int64_t env_copy_memory(exo_cap env, bool program);
/** Gives up one that never ran. */
void env_drop(exo_cap env);

/* Entered from entry.S with the program's registers in struct thread. */
int64_t fork_call(void);
int64_t vfork_call(void);
int64_t clone_call(uint64_t flags, uint64_t stack, uint64_t parent_tid, uint64_t child_tid,
                   uint64_t tls);

#endif
