// SPDX-License-Identifier: MIT
/*
 * The native calls that the LibOS makes for a traced program.
 *
 * Its trap instructions are listed in the image (libos/exo/trap_site.h). In a traced process a breakpoint
 * takes the place of each, in a private copy of the text; the exception comes to `nested` in entry.S as
 * any fault of ours does, and here the call is made with the interrupted registers. A process that is not
 * traced has the instructions as they were compiled: it pays nothing.
 *
 * What was seen waits in a ring until the Linux call is told, for telling needs native calls itself:
 * those are made here as all others, and left out.
 */
#undef EXO_TRAP_SITES /* what is here must not come to be here */
#include "core.h"
#include "trace.h"

#define RING 512u

struct native_call {
    int32_t tid; /* 0: free, or told */
    uint32_t number;
    uint64_t words[6];
    int64_t result;
    exo_time start, end;
};

extern const uint64_t trap_sites[], trap_sites_end[];
extern const char libos_header[], trace_text_end[];

static struct native_call ring[RING];
static _Atomic uint32_t ring_next;
static machine_break instruction; /* what a breakpoint has replaced: it is the same everywhere */
static bool text_is_ours;

/* ---- the breakpoints ------------------------------------------------------------------------------ */

static void sites_set(machine_break to)
{
    for (const uint64_t *site = trap_sites; site < trap_sites_end; site++)
        memcpy((void *)*site, &to, sizeof to);
    machine_code_changed((uintptr_t)libos_header, (uintptr_t)trace_text_end);
}

/* The text as a private mapping of the same pages. The image's first segment begins on the second page of
 * its file; if that is not so, native calls are not traced. */
static bool text_open(void)
{
    uint64_t pages = PAGES((uintptr_t)trace_text_end - (uintptr_t)libos_header);

    if (exo_map(0, TRACE_VA, 1, EXO_WELL_KNOWN(PROC_CAP_LIBOS), 1, EXO_MAP_READ) < 0)
        return false;
    bool same = memcmp((const char *)TRACE_VA, libos_header, EXO_PAGE_SIZE) == 0;
    exo_unmap(0, TRACE_VA, 1);
    return same && exo_map(0, (uintptr_t)libos_header, pages, EXO_WELL_KNOWN(PROC_CAP_LIBOS), 1,
                           EXO_MAP_READ | EXO_MAP_WRITE | EXO_MAP_EXEC | EXO_MAP_PRIVATE) >= 0;
}

void trace_native_set(bool traced)
{
    if (!text_is_ours) {
        if (!traced || !text_open())
            return;
        memcpy(&instruction, (const void *)trap_sites[0], sizeof instruction);
        text_is_ours = true;
    }
    sites_set(traced ? MACHINE_BREAK : instruction);
}

/* ---- a call ----------------------------------------------------------------------------------------- */

static void call_keep(const struct native_call *call)
{
    uint64_t *words = exo_utcb()->libos;

    if (words[POSIX_WORD_TELLING])
        return;
    words[POSIX_WORD_ENTRIES]++;
    ring[atomic_fetch_add(&ring_next, 1) % RING] = *call;
}

static bool is_site(uint64_t pc)
{
    for (const uint64_t *site = trap_sites; site < trap_sites_end; site++) {
        if (*site == pc)
            return true;
    }
    return false;
}

void nested_resume(void)
{
    exo_resume(1);
    __builtin_unreachable();
}

void trace_native(struct exo_context *c)
{
    uint64_t site = EXO_CONTEXT_PC(c) - MACHINE_BREAK_AFTER, words[4];
    struct native_call call = {.tid = self()->tid, .number = (uint32_t)native_number(c)};

    if (!text_is_ours || !is_site(site))
        return;
    for (uint32_t i = 0; i < 6; i++)
        call.words[i] = *native_word(c, i);
    if (call.number == EXO_NR_resume)
        exo_utcb()->nested = 0; /* it does not come back, so this is the end of our upcall, too */
    memcpy(words, &call.words[2], sizeof words);
    call.start = time_now();
    call.result = exo_trap_message(native_number(c), call.words[0], call.words[1], words);
    call.end = time_now();
    for (uint32_t i = 0; i < 4; i++)
        *native_word(c, i + 2) = words[i];
    context_set_result(c, call.result);
    EXO_CONTEXT_PC(c) = site + MACHINE_TRAP_BYTES;
    call_keep(&call);
    nested_resume();
}

/* ---- telling ---------------------------------------------------------------------------------------- */

#define EXO_CALL0(number, name)      [number] = {#name, 0},
#define EXO_CALL1(number, name, ...) [number] = {#name, 1},
#define EXO_CALL2(number, name, ...) [number] = {#name, 2},
#define EXO_CALL3(number, name, ...) [number] = {#name, 3},
#define EXO_CALL4(number, name, ...) [number] = {#name, 4},
#define EXO_CALL5(number, name, ...) [number] = {#name, 5},
#define EXO_CALL6(number, name, ...) [number] = {#name, 6},
#define EXO_CALL_MSG                 EXO_CALL6
static const struct {
    const char *name;
    uint32_t words;
} native_names[EXO_NR_LIMIT] = {
#include <exo/calls.def>
};

static void native_put(const struct native_call *call)
{
    struct trace_line l = {.bytes = 0};
    uint32_t number = call->number - EXO_NR_BASE;

    trace_add(&l, "%d %llu +%s(", call->tid, (unsigned long long)call->start,
              number < EXO_NR_LIMIT ? native_names[number].name : "?");
    for (uint32_t i = 0; number < EXO_NR_LIMIT && i < native_names[number].words; i++)
        trace_add(&l, "%s0x%llx", i ? ", " : "", (unsigned long long)call->words[i]);
    trace_add(&l, ") = %lld <%llu>", (long long)call->result,
              (unsigned long long)(call->end - call->start));
    trace_put(&l);
}

void trace_native_tell(void)
{
    int32_t tid = self()->tid;
    uint32_t next = ring_next;

    for (uint32_t i = next > RING ? next - RING : 0; i != next; i++) {
        struct native_call call = ring[i % RING];

        ring[i % RING].tid = call.tid == tid ? 0 : call.tid;
        if (call.tid == tid)
            native_put(&call);
    }
}
