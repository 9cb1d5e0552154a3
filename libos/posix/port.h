/* SPDX-License-Identifier: MIT */
/*
 * What the LibOS's portable part needs of each machine, where it is declared alike for all:
 * arch/MACHINE/ has a file for each section. What is different for each, and what wants to be
 * inline, is in arch/MACHINE/machine.h, which includes this.
 */
#ifndef POSIX_PORT_H
#define POSIX_PORT_H

#include <exo.h>
#include <stdbool.h>

struct thread;
struct start;

/* ---- entry.S: ways in and out --------------------------------------------------------------------- */

#define NO_CALL UINT64_MAX /* as a call's number: the program was not in a call */

/* Where every thread that the LibOS makes begins; its argument is a struct start. */
void thread_start(void);
/* Like setjmp: 0 now, and 1 in a thread that starts with *s on a copy of this stack. */
int64_t fork_point(struct start *s) __attribute__((returns_twice));
/* Where a thread made by clone or vfork goes on. */
void clone_start(void);
/* Leaves to a program that was loaded just now. */
_Noreturn void enter_program(uint64_t pc, uint64_t sp);

/* ---- usercopy.S: the only accesses to program memory at the program's word ------------------------- */

extern const char user_access[], user_access_end[], user_access_failed[];
int64_t user_copy(void *to, const void *from, uint64_t bytes);
int64_t user_fill_zero(void *to, uint64_t bytes);
int64_t user_copy_string(char *to, const char *from, uint64_t limit);
int64_t user_load32(const uint32_t *from, uint32_t *to);
int64_t user_load64(const uint64_t *from, uint64_t *to);
int64_t user_store32(uint32_t *to, uint32_t value);
int64_t user_store64(uint64_t *to, uint64_t value);
int64_t user_swap32(uint32_t *at, uint32_t *expected, uint32_t value);

/* ---- fpu.c: vector state in an area of the LibOS's memory, FPU_BYTES_MAX large, 64-byte aligned ----- */

void fpu_save(void *area);
void fpu_restore(const void *area);
void fpu_reset(void); /* as a new program finds it */

/* ---- sigframe.c ------------------------------------------------------------------------------------- */

/* Makes the interrupted program run `handler` next: writes a signal frame as Linux would and
 * changes *c. -EFAULT: the stack cannot take it. */
struct frame_request {
    int32_t signo;
    uint64_t handler, restorer, flags; /* of the sigaction */
    uint64_t old_mask;                 /* to be restored by rt_sigreturn */
    uint64_t altstack_base, altstack_size;
    uint32_t altstack_flags;
    uint64_t trap, error, address; /* of a fault */
    const uint8_t *info;           /* 128 bytes: siginfo_t */
};
int64_t frame_push(struct exo_context *c, const struct frame_request *r);
/* The reverse, for rt_sigreturn: the frame is at the program's stack pointer `sp`. -EFAULT: it is
 * none. */
struct frame_return {
    uint64_t mask;
    uint64_t altstack_base, altstack_size;
    uint32_t altstack_flags;
};
int64_t frame_pop(struct exo_context *c, uint64_t sp, struct frame_return *r);
/* Stack that the delivery of a signal takes, for the auxiliary vector. */
uint64_t frame_bytes(void);

/* ---- fault.c: which signal an exception means --------------------------------------------------------- */

struct fault {
    int32_t signo, code;
    uint64_t address, trap, error;
};
void fault_of_exception(const struct exo_upcall_frame *f, struct fault *out);

/* ---- for the auxiliary vector -------------------------------------------------------------------------- */

uint64_t machine_hwcap(void);
uint64_t machine_hwcap2(void);
extern const char vdso_image[]; /* vdso.S */

#endif
