/* SPDX-License-Identifier: MIT */
/*
 * System V's shared memory, semaphores and message queues.
 *
 * An object is a file in /dev/sysv, so its protection, its memory and its life are those of a file, and
 * no server knows of it. Its first page is struct sysv_head; those who may write to the file share what
 * follows as the ends of a pipe share a ring. What they do takes a claim (claim.h), and changes nothing
 * but by single stores, or by the list of stores in `intents`, which the next holder finishes if this
 * one dies.
 *
 *     sysv.c        names, numbers, permissions, removal       shm.c sem.c msg.c  the three kinds
 */
#ifndef POSIX_SYSV_H
#define POSIX_SYSV_H

#include "posix.h"

#include <stdatomic.h>

/* Numbers of objects are below this, of each kind. */
#define SYSV_OBJECTS   128u
#define SYSV_INTENTS   256u
#define SYSV_ATTACHERS 96u

struct sysv_head {
    _Atomic uint32_t ready; /* SYSV_READY once all below is there */
    _Atomic uint32_t claim;
    _Atomic uint32_t change;  /* moves when something did that somebody may wait for */
    _Atomic uint32_t removed; /* 1: IPC_RMID */
    _Atomic uint32_t unused;  /* where the kernel tells of the pairs' other ends */
    int32_t key, id;
    uint32_t mode, cuid, cgid, uid, gid; /* the file's own say who may; these are shown */
    int64_t ctime, time[2];              /* otime; or atime, dtime; or stime, rtime */
    int32_t pid[2];                      /* cpid, lpid; or lspid, lrpid */
    uint64_t size;                       /* bytes; semaphores; bytes of a queue */
    /* shm.c: who has attached it, and how often. */
    struct {
        _Atomic uint32_t name, count;
    } attachers[SYSV_ATTACHERS];
    /* msg.c: which half holds the messages, and up to where: one word, so that both change at once. */
    _Atomic uint64_t queue;
    /* sem.c: a change of several words at once. */
    _Atomic uint32_t intent_count;
    struct {
        uint32_t at; /* byte offset in the file */
        int16_t value;
        uint16_t pad;
    } intents[SYSV_INTENTS];
};
static_assert(sizeof(struct sysv_head) <= 4096, "one page");
#define SYSV_READY 0x56737953u

/* An object as this address space knows it. */
struct sysv {
    struct sysv *next;
    char kind; /* m s q: the first letter of its file */
    bool writable;
    int32_t id;
    uint32_t fsuid; /* as whom it was opened */
    exo_cap region; /* its pages from the second on are the file's */
    uint64_t ino;   /* of its file */
    uint64_t pages; /* of the mapping */
    struct sysv_head *head;
    uint32_t attached; /* shm.c: by this process */
    uint32_t undo;     /* sem.c: this process's place, and 1; 0: none */
    int32_t undo_pid;
};

#define IPC_PRIVATE 0
#define IPC_CREAT   01000u
#define IPC_EXCL    02000u
#define IPC_NOWAIT  04000u
enum { IPC_RMID, IPC_SET, IPC_STAT, IPC_INFO };
#define IPC_64 0x0100u /* a flag of old calls; means nothing */

/** semget and its kind: `size` as head->size, `bytes` of the file behind the first page. The number. */
int64_t sysv_get(char kind, int32_t key, uint64_t size, uint64_t bytes, uint32_t flags);
/** Finds an object by its number; `write`: it is to be changed. -EINVAL, -EACCES, -EIDRM. */
int64_t sysv_find(char kind, int32_t id, bool write, struct sysv **out);
/** Opens its file once more, for a mapping. */
int64_t sysv_open(const struct sysv *o, bool write, struct file **out);
/** What the three kinds have in common of their ctl call: IPC_RMID and IPC_SET. */
int64_t sysv_remove(struct sysv *o);
int64_t sysv_set(struct sysv *o, uint64_t user);
/** struct ipc64_perm, 48 bytes. */
void sysv_perm(uint8_t out[48], const struct sysv *o);
/** The highest number in use, for IPC_INFO; *used: how many. */
int64_t sysv_highest(char kind, uint32_t *used);

/** Takes the claim, and finishes what a dead holder had begun. */
void sysv_begin(struct sysv *o);
void sysv_end(struct sysv *o);
/** Something changed: wakes everybody. */
void sysv_changed(struct sysv *o);
/** Seconds since 1970. */
int64_t sysv_now(void);

/** In a fork's child; before another program begins: attached segments are counted anew. */
extern struct sysv *sysv_objects;
void shm_forked(void);
void shm_exec(void);

#endif
