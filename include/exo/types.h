/* SPDX-License-Identifier: MIT */
/*
 * The words of the native interface: handles, rights, kinds of object, and the small structures
 * that calls read and write. Shared by the kernel, every LibOS and the tests; whatever crosses the
 * boundary is pinned here by a static assertion.
 */
#ifndef EXO_TYPES_H
#define EXO_TYPES_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define EXO_PAGE_SHIFT 12
#define EXO_PAGE_SIZE  ((uintptr_t)1 << EXO_PAGE_SHIFT)

/**
 * A handle: the low 32 bits are a slot of the caller's capability table, the high 32 bits the
 * generation of that slot. A slot that is reused gets another generation, so a stale handle is an
 * error and never another object. 0 is no handle; where a call takes one, 0 often means "mine".
 */
typedef uint64_t exo_cap;
#define EXO_SLOT(handle)       ((uint32_t)(handle))
#define EXO_GENERATION(handle) ((uint32_t)((uint64_t)(handle) >> 32))
#define EXO_HANDLE(slot, gen)  ((exo_cap)(gen) << 32 | (uint32_t)(slot))
#define EXO_CAP_SLOTS          16384u /* slots of one environment's table */

/* A time: nanoseconds since the machine started. EXO_FOREVER never comes. */
typedef uint64_t exo_time;
#define EXO_FOREVER UINT64_MAX

/* Kinds of object (struct exo_cap_info.type). */
enum exo_type {
    EXO_NONE,
    EXO_FRAME,         /* a run of physical pages: RAM, or device registers */
    EXO_REGION,        /* a sparse ordered set of frames under one capability */
    EXO_ENV,           /* a protection domain */
    EXO_THREAD,        /* an execution context */
    EXO_ACCOUNT,       /* a budget of frames and kernel objects */
    EXO_ENDPOINT,      /* synchronous protected control transfer */
    EXO_NOTIFICATION,  /* a word of event bits */
    EXO_PAIR,          /* two ends with counted holders */
    EXO_IRQ,           /* one interrupt line */
    EXO_IOPORT,        /* a range of I/O ports */
    EXO_PLATFORM,      /* the machine: makes irq and ioport capabilities, logs, powers off */
    EXO_WAITSET,       /* words registered once, waited on in O(1) */
    EXO_DMA,           /* the frames that a device may reach by itself */
    EXO_SERVICE_TABLE, /* the resurrection table; its badge: service badge - 1 only, or 0: all */
    EXO_TYPES
};

/* Rights. A derived capability has at most the rights of the one it came from. */
#define EXO_R_READ    0x0001u /* frame, region: map and copy out; others: inspect */
#define EXO_R_WRITE   0x0002u /* frame, region: map writable, copy in, punch */
#define EXO_R_EXEC    0x0004u /* frame, region: map executable */
#define EXO_R_CONTROL 0x0008u /* env, thread, account, ...: change, start, stop, destroy */
#define EXO_R_CALL    0x0010u /* endpoint: call */
#define EXO_R_RECV    0x0020u /* endpoint: receive and reply; notification: wait */
#define EXO_R_MINT    0x0040u /* endpoint: derive with a badge of one's choice */
#define EXO_R_SIGNAL  0x0080u /* notification, env, thread: raise event bits */
#define EXO_R_GRANT   0x0100u /* pass on in a message, or put into another environment */
#define EXO_R_CHARGE  0x0200u /* account: make objects and frames that it pays for */
#define EXO_R_END_A   0x0400u /* pair: holds end A */
#define EXO_R_END_B   0x0800u /* pair: holds end B */
#define EXO_R_ALL     0x0fffu

/* What a mapping allows, and how it behaves (exo_map, exo_protect). */
#define EXO_MAP_READ    0x01u
#define EXO_MAP_WRITE   0x02u
#define EXO_MAP_EXEC    0x04u
#define EXO_MAP_RIGHTS  0x07u
#define EXO_MAP_PRIVATE 0x08u /* of a region: writes go to copies that the environment owns */
#define EXO_MAP_EAGER   0x10u /* enter the pages that exist now, instead of at the first touch */
#define EXO_MAP_KEEP    0x20u /* fail with EEXIST where something is mapped, replace nothing */
#define EXO_MAP_NOFORK  0x40u /* exo_space_clone leaves this mapping out */
#define EXO_MAP_PRESERVE \
    0x80u /* of a service: a rebirth leaves it as it is (exo_service_preserve) */

/* How a capability travels in a message (struct exo_utcb.send[].mode). */
enum exo_send_mode {
    EXO_SEND_COPY, /* the receiver gets a sibling */
    EXO_SEND_LEND, /* the receiver gets a child: the sender can revoke it, and learns when the
                      last one is gone (EXO_CAP_LENDER, exo_next_childless) */
    EXO_SEND_MOVE, /* the sender's capability is gone afterwards; refused while a mapping made by it has
                      pages */
};

/* Flags of a capability, set with exo_cap_flags. */
#define EXO_CAP_NOFORK 0x1u /* exo_cap_clone leaves it out */
#define EXO_CAP_LENDER 0x2u /* its owner is told when its last descendant is gone */
#define EXO_CAP_KEEP   0x4u /* a rebirth of its owner leaves it, and what came from it, as it is */

#define EXO_CAP_LENT 0x100u /* exo_cap_info only: something that was derived from it is there */

/* What exo_cap_info answers. */
struct exo_cap_info {
    uint32_t type;   /* enum exo_type */
    uint32_t rights; /* EXO_R_* */
    uint64_t badge;
    uint64_t size;    /* frame, region: bytes; ioport: ports; else 0 */
    uint32_t holders; /* capabilities to the same object, this one included */
    uint32_t flags;   /* EXO_CAP_* */
};
static_assert(sizeof(struct exo_cap_info) == 32, "ABI: capability information");

#define EXO_LOG_BYTES 16384u /* of its log that the kernel keeps (exo_log_read) */

/* How an environment ended (struct exo_env_info.cause). */
enum exo_cause {
    EXO_ALIVE,
    EXO_EXITED,    /* it destroyed itself; status is its own word */
    EXO_DESTROYED, /* a holder of its control right destroyed it */
    EXO_CRASHED,   /* a fault that nobody handled; fault_* say which */
    EXO_HUNG,      /* a service: no sign of life by the deadline */
    EXO_RESTARTED, /* a service: by the operator, or because what it follows was reborn */
    EXO_STOPPED,   /* a service: by the operator */
};

/* What exo_env_info answers; a dead environment keeps its record until its last capability goes. */
struct exo_env_info {
    uint32_t cause;      /* enum exo_cause */
    uint32_t threads;    /* alive */
    int64_t status;      /* word given to exo_env_destroy */
    uint64_t cpu_ns;     /* run time of all threads, the dead ones included */
    uint64_t frames;     /* private frames, page tables included */
    uint64_t fault_kind; /* enum exo_upcall */
    uint64_t fault_pc;
    uint64_t fault_address;
    uint64_t reserved;
};
static_assert(sizeof(struct exo_env_info) == 64, "ABI: environment information");

/* What exo_thread_create needs. All addresses are in the new thread's environment. */
struct exo_thread_args {
    uint64_t utcb;       /* page-aligned, two free pages; the kernel puts the UTCB there */
    uint64_t pc, sp;     /* where it starts */
    uint64_t arg;        /* its first argument register */
    uint64_t tls;        /* initial thread pointer (x86_64: fs base; riscv64: its second argument
                            register instead, as tp is the UTCB) */
    uint64_t foreign_pc; /* where foreign system calls go; 0: they are an EXO_UP_EXCEPTION */
    uint64_t upcall_pc;  /* where faults and events go; 0: a fault ends the environment */
    uint64_t nested_pc;  /* where a fault while upcalls are masked goes; 0: it ends it too */
    uint64_t priority;   /* 0 (idle) .. 31; at most the creator's */
    uint64_t words[4];   /* initial struct exo_utcb.libos[0..3] */
};
static_assert(sizeof(struct exo_thread_args) == 104, "ABI: thread arguments");

/* A page that a device may reach (exo_dma_pin): where it is for the device, and in the low bits its
 * place in the DMA object. */
#define EXO_DMA_ADDRESS(pin) ((uint64_t)(pin) & ~(uint64_t)(EXO_PAGE_SIZE - 1))
#define EXO_DMA_PINS         1024u /* pages of one DMA object */
#define EXO_DMA_BATCH        128u  /* pages of one call */

/* One word that exo_wait watches: it sleeps while *address == expected. */
struct exo_wait_word {
    uint64_t address; /* 4-byte aligned */
    uint32_t expected;
    uint32_t reserved;
};
static_assert(sizeof(struct exo_wait_word) == 16, "ABI: wait word");
#define EXO_WAIT_WORDS 96u /* the most that one wait watches */

#endif
