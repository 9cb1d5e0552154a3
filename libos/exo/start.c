/* SPDX-License-Identifier: MIT */
/*
 * The start of a native program: _start (arch/MACHINE/start.S) calls start, start calls main.
 *
 * Upcalls stay masked: a program of this kind takes its events when it waits (exo_wait,
 * exo_reply_wait), and a fault of it is its end. Who wants upcalls makes a thread with handlers.
 */
#include <exo.h>

#include <lib/heap.h>
#include <libos/exo/memory.h>
#include <libos/exo/start.h>

_Noreturn void start(uint64_t argument);

static uint64_t given_argument;

uint64_t start_argument(void)
{
    return given_argument;
}

_Noreturn void start(uint64_t argument)
{
    exo_utcb()->masked = 1;
    given_argument = argument;
    heap_source(memory_more);
    exo_env_destroy(0, main());
    __builtin_trap();
}
