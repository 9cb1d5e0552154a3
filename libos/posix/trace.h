/* SPDX-License-Identifier: MIT */
/* trace.c: telling what a program calls. */
#ifndef POSIX_TRACE_H
#define POSIX_TRACE_H

#include "posix.h"

/* image->trace, and the values of EXO_TRACE */
enum { TRACE_NOTHING, TRACE_NOTES, TRACE_CALLS };

#define TRACE_VA \
    POSIX_STACK_TOP /* a page of program memory that no mapping reaches: see trace_put */
#define TRACE_LINE 768u

struct trace_line {
    char text[TRACE_LINE];
    size_t bytes;
};
/** Adds text to a line, as much of it as fits; writes it out. Needs image->lock. */
void trace_add(struct trace_line *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
void trace_put(struct trace_line *l);

/** trace_native.c: native calls of this process are seen from now on, or not any more. */
void trace_native_set(bool traced);
/** A fault of ours at a breakpoint of trace_native_set: does not return. Else it does nothing. */
void trace_native(struct exo_context *c);
/** The end of a fault of ours; no breakpoint is in the way. */
_Noreturn void nested_resume(void);
/** Tells the calls of this thread that were seen. Needs image->lock. */
void trace_native_tell(void);

/** A new program begins: `how` and `path` are the values of EXO_TRACE and EXO_TRACE_FILE, 0 if they are
 *  not in its environment. The program's memory is mapped already. */
void trace_begin(const char *how, const char *path);

/** entry.S: keeps the registers that C preserves where fork, vfork and clone look for them; then
 *  trace_call. */
posix_function posix_trace, trace_call, posix_unknown;
/** The calls that want those registers, behind the place where they have been kept. */
posix_function clone_saved, fork_saved, vfork_saved;

#endif
