/* SPDX-License-Identifier: MIT */
/*
 * The UTCB (user thread control block): two pages that a thread and the kernel share.
 *
 * It holds what must cross the boundary without a call: whether upcalls are masked and which events
 * are pending, the interrupted registers of an upcall, the bulk part of messages, and a few words
 * for the LibOS. The thread finds it through a register of its own (x86_64: the gs base).
 * Everything in it is hostile to the kernel: read once, checked, and only ever used for its thread.
 */
#ifndef EXO_UTCB_H
#define EXO_UTCB_H

#include <exo/context.h>
#include <exo/service.h>
#include <exo/types.h>

#define EXO_UTCB_SIZE 8192u
#define EXO_MSG_BYTES 6144u /* bulk bytes of one message */
#define EXO_MSG_CAPS  4u    /* capabilities of one message */

/* Why the upcall handler runs: its first argument, and struct exo_upcall_frame.kind. */
enum exo_upcall {
    EXO_UP_EVENT,     /* bits appeared in `pending` while upcalls were not masked */
    EXO_UP_PAGE,      /* page fault: address; code: the access (one of EXO_MAP_READ, WRITE, EXEC)
                         and why the kernel did not serve it (EXO_FAULT_*, or 0: no mapping allows
                         it) */
    EXO_UP_EXCEPTION, /* any other exception: its machine number in code (x86: the vector) */
};

#define EXO_FAULT_ABSENT    0x100u /* mapped, but the region has no such page (SIGBUS) */
#define EXO_FAULT_NO_MEMORY 0x200u /* mapped, but the account is spent */

/* The interrupted state. Registers may be changed before exo_resume. */
struct exo_upcall_frame {
    uint64_t kind;    /* enum exo_upcall */
    uint64_t code;    /* see enum exo_upcall */
    uint64_t address; /* page fault: the faulting address; exception: as the machine says, or 0 */
    uint64_t error;   /* x86: the error code that the processor pushed */
    struct exo_context context;
};

/* A capability to send, and how. */
struct exo_send {
    exo_cap cap;
    uint64_t mode; /* enum exo_send_mode */
};

/*
 * Visible revocation, in the UTCB of an environment's first thread. `asked` frames are wanted back by
 * `deadline`; the environment chooses which (exo_unmap, exo_discard). What the kernel had to take by
 * force is in `taken`, oldest first, `taken_count` counting on beyond the ring's size.
 */
#define EXO_RECLAIM_RING 32u
struct exo_reclaim {
    uint64_t asked, deadline;
    uint64_t taken_count;
    struct {
        uint64_t va, pages;
    } taken[EXO_RECLAIM_RING];
};

struct exo_utcb {
    uint64_t self;            /* its own address */
    uint64_t reflect_pc;      /* where the last foreign call returns to */
    uint64_t libos[12];       /* the LibOS's words; the kernel never looks at them */
    uint32_t masked;          /* not 0: events wait in `pending`; set by the kernel at each upcall
                              and each reflected call, cleared by exo_resume and by the LibOS */
    uint32_t nested;          /* not 0: the nested handler runs */
    _Atomic uint32_t pending; /* event bits; taken by the LibOS with an atomic exchange */
    uint32_t recv_caps;       /* how many capabilities a message may bring (0 .. EXO_MSG_CAPS) */
    uint64_t badge;           /* of the last call received */
    struct exo_send send[EXO_MSG_CAPS];
    exo_cap received[EXO_MSG_CAPS]; /* as many as the tag says; 0 where none could be made */
    uint64_t reflect_saved[3]; /* registers of a foreign call, where the machine needs some to get
                                  to the handler and back (exo/context.h says which) */
    uint32_t cpu; /* the CPU that the thread runs on: written by the kernel when it moves */
    uint32_t reserved0;
    uint64_t call_deadline;           /* an exo_time: when exo_call gives up; 0: never */
    struct exo_upcall_frame frame[2]; /* [0] an upcall's, [1] a nested fault's */
    struct exo_reclaim reclaim;
    struct exo_life life;
    uint8_t unused[EXO_UTCB_SIZE - EXO_MSG_BYTES - 272 - 2 * sizeof(struct exo_upcall_frame) -
                   sizeof(struct exo_reclaim) - sizeof(struct exo_life)];
    uint8_t msg[EXO_MSG_BYTES];
};
static_assert(sizeof(struct exo_utcb) == EXO_UTCB_SIZE, "ABI: UTCB size");
static_assert(offsetof(struct exo_utcb, reflect_pc) == 8, "ABI: UTCB");
static_assert(offsetof(struct exo_utcb, libos) == 16, "ABI: UTCB");
static_assert(offsetof(struct exo_utcb, masked) == 112, "ABI: UTCB");
static_assert(offsetof(struct exo_utcb, pending) == 120, "ABI: UTCB");
static_assert(offsetof(struct exo_utcb, reflect_saved) == 232, "ABI: UTCB");
static_assert(offsetof(struct exo_utcb, cpu) == 256, "ABI: UTCB");
static_assert(offsetof(struct exo_utcb, frame) == 272, "ABI: UTCB");

/*
 * A message tag: what a message is and what it carries.
 * bits 0-15 label (the protocol's), 16-31 bytes of msg[], 32-34 capabilities.
 */
#define EXO_TAG(label, bytes, caps) \
    ((uint64_t)(label) | (uint64_t)(bytes) << 16 | (uint64_t)(caps) << 32)
#define EXO_TAG_LABEL(tag) ((uint32_t)(tag)&0xffffu)
#define EXO_TAG_BYTES(tag) ((uint32_t)(tag) >> 16)
#define EXO_TAG_CAPS(tag)  ((uint32_t)((uint64_t)(tag) >> 32) & 7u)

/* What a server receives instead of a message when its thread's event bits are pending:
 * label EXO_LABEL_EVENT, words[0] the bits (already taken from `pending`). */
#define EXO_LABEL_EVENT 0xffffu

/* A protocol's labels are below this bit. A client sets it when it sends a request once more because
 * the server died with it (EXO_ERESTARTED): the request may have had its effect. */
#define EXO_LABEL_AGAIN 0x8000u

/* No badge: what a server may put into `badge` itself, to learn whether another call came since. */
#define EXO_NO_BADGE UINT64_MAX

/* Event bits that the kernel itself raises; the others are the holders' of the signal right. */
#define EXO_EVENT_TIMER     0x80000000u /* exo_timer's deadline passed */
#define EXO_EVENT_CHILDLESS 0x40000000u /* exo_next_childless has something to tell */
#define EXO_EVENT_REVOKE    0x20000000u /* frames are asked back: see struct exo_reclaim */

#define EXO_EVENT_KERNEL (EXO_EVENT_TIMER | EXO_EVENT_CHILDLESS | EXO_EVENT_REVOKE)

#endif
