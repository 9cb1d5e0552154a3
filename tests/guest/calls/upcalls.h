/* SPDX-License-Identifier: MIT */
/*
 * What upcalls.c leaves to the machine: arch/MACHINE/upcalls.c. Registers and trapping instructions
 * appear there and nowhere else.
 */
#ifndef UPCALLS_H
#define UPCALLS_H

#include <calls/contract.h>

/* The handlers: upcall_entry and nested_entry take the upper end and the middle of handler_stack,
 * then call on_upcall and on_nested with the kind; foreign_entry makes 0x1234 of every foreign call. */
extern char upcall_entry[], nested_entry[], foreign_entry[];
extern char handler_stack[16384];
void on_upcall(uint64_t kind);
void on_nested(uint64_t kind);

extern volatile uint64_t skip;                     /* bytes to go on behind */
extern void (*change)(struct exo_upcall_frame *f); /* what the upcall handler does at last */

/** Stores a word at `va` by one instruction, after `skip` was set to its length. */
void store(uint64_t va);

/** Exceptions that are no page faults, one after the other: how many, and the last one's code. */
void exceptions(void);
extern const uint64_t exceptions_made, exceptions_last;

/** A foreign call; what foreign_entry makes of it. */
int64_t foreign_call(uint64_t number);

/** Changes registers in an upcall's frame, some to what user code may not have, and looks at them. */
void see_registers(void);
/** After that: those changed that may be, and no others. */
void registers_were_checked(void);

/** Makes the program counter or the stack pointer worse than random, as some bits of seed say. */
void frame_spoil(struct exo_upcall_frame *f, uint64_t seed);

/** What calls.def says of exo_reflect_return; runs in a thread with the handlers. */
void reflect_and_return(void);
void reflect_return_was_right(void);

#endif
