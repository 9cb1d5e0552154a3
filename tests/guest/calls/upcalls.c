// SPDX-License-Identifier: MIT
/* Upcalls and resume: faults, events, exceptions, masking, and frames full of nonsense. */
#include "upcalls.h"

#include <lib/string.h>

char handler_stack[16384] __attribute__((aligned(16)));

static struct exo_upcall_frame seen[2];
static volatile unsigned upcalls, nested;
static _Atomic uint32_t events;
volatile uint64_t skip;
static void (*while_masked)(void);          /* what the upcall handler does */
void (*change)(struct exo_upcall_frame *f); /* before it resumes */

void on_upcall(uint64_t kind)
{
    struct exo_utcb *u = exo_utcb();

    upcalls++;
    seen[0] = u->frame[0];
    if (seen[0].kind != kind)
        upcalls += 1000;
    events |= __atomic_exchange_n((uint32_t *)&u->pending, 0, __ATOMIC_ACQUIRE);
    if (while_masked)
        while_masked();
    EXO_CONTEXT_PC(&u->frame[0].context) += kind == EXO_UP_EVENT ? 0 : skip;
    if (change)
        change(&u->frame[0]);
    exo_resume(0);
}

void on_nested(uint64_t kind)
{
    struct exo_utcb *u = exo_utcb();

    (void)kind;
    nested++;
    seen[1] = u->frame[1];
    EXO_CONTEXT_PC(&u->frame[1].context) += skip;
    exo_resume(1);
}

static void (*job)(void);
static void run_job(uint64_t unused)
{
    (void)unused;
    exo_utcb()->masked = 0;
    job();
    SHARED->word[63] = 1;
}

/* Runs a job in a thread that has the handlers. */
static void with_handlers(void (*what)(void))
{
    struct exo_thread_args args;

    job = what;
    upcalls = nested = 0;
    events = 0;
    while_masked = 0;
    change = 0;
    memset(seen, 0, sizeof seen);
    thread_plan(0, run_job, 0, &args);
    args.priority = 24;
    args.upcall_pc = (uintptr_t)upcall_entry;
    args.nested_pc = (uintptr_t)nested_entry;
    args.foreign_pc = (uintptr_t)foreign_entry;
    exo_cap thread = OK(exo_thread_create(0, &args));
    OK(exo_thread_resume(thread));
    thread_join(0, thread);
}

static void fault_twice(void)
{
    store((uintptr_t)UNMAPPED + 8);
    store(0x400000);
}

static void faults_are_told_and_resumed(void)
{
    with_handlers(fault_twice);
    EXPECT(upcalls, 2);
    EXPECT(seen[0].kind, EXO_UP_PAGE);
    EXPECT(seen[0].code, EXO_MAP_WRITE);
    EXPECT(seen[0].address, 0x400000);
}

static exo_cap region;
static void touch_region(void)
{
    store(page(1));
}

static void absent_pages_say_so(void)
{
    region = OK(exo_region_create(0, 4, 0));
    OK(exo_map(0, page(0), 4, region, 0, RW));
    with_handlers(touch_region);
    EXPECT(upcalls, 1);
    EXPECT(seen[0].code, EXO_MAP_WRITE | EXO_FAULT_ABSENT);
    EXPECT(seen[0].address, page(1));
    OK(exo_unmap(0, page(0), 4));
    drop(region);
}

static void exceptions_are_told(void)
{
    with_handlers(exceptions);
    EXPECT(upcalls, exceptions_made);
    EXPECT(seen[0].kind, EXO_UP_EXCEPTION);
    EXPECT(seen[0].code, exceptions_last);
}

static void take_events(void)
{
    /* the thread has no capability to itself but through the first one's table */
    exo_timer(now() + MS);
    while (!events)
        ;
}

static void events_interrupt_a_program(void)
{
    with_handlers(take_events);
    EXPECT(upcalls, 1);
    EXPECT(seen[0].kind, EXO_UP_EVENT);
    EXPECT(events, EXO_EVENT_TIMER);
}

static void masked_wait(void)
{
    exo_utcb()->masked = 1;
    exo_timer(now() + MS);
    exo_time end = now() + 4 * MS;
    while (now() < end)
        ;
    SHARED->value[0] = upcalls;
    SHARED->value[1] = exo_utcb()->pending;
    exo_utcb()->masked = 0;
    exo_timer(now()); /* unmasking alone is not seen by the kernel; the next event is */
    while (!events)
        ;
}

static void masked_events_wait(void)
{
    with_handlers(masked_wait);
    EXPECT(SHARED->value[0], 0);
    EXPECT(SHARED->value[1], EXO_EVENT_TIMER);
    EXPECT_TRUE(upcalls >= 1);
}

static void fault_in_handler(void)
{
    store((uintptr_t)UNMAPPED);
}

static void nest(void)
{
    while_masked = fault_in_handler;
    store((uintptr_t)UNMAPPED + 16);
}

static void faults_in_the_handler_are_nested(void)
{
    with_handlers(nest);
    EXPECT(upcalls, 1);
    EXPECT(nested, 1);
    EXPECT(seen[1].address, (uintptr_t)UNMAPPED);
    EXPECT(seen[0].address, (uintptr_t)UNMAPPED + 16);
}

static void foreign(void)
{
    SHARED->value[0] = (uint64_t)foreign_call(39);
    SHARED->value[1] = (uint64_t)foreign_call(UINT64_MAX);
    SHARED->value[2] = (uint64_t)foreign_call(EXO_NR_BASE + EXO_NR_LIMIT);
    SHARED->value[3] = (uint64_t)foreign_call(EXO_NR_BASE - 1);
    SHARED->value[4] = (uint64_t)foreign_call(0);
    SHARED->value[5] = (uint64_t)exo_null();
}

static void foreign_calls_are_reflected(void)
{
    with_handlers(foreign);
    for (unsigned i = 0; i < 5; i++)
        EXPECT(SHARED->value[i], 0x1234);
    EXPECT(SHARED->value[5], 0);
    EXPECT(upcalls, 0);
}

static void foreign_calls_come_back(void)
{
    with_handlers(reflect_and_return);
    reflect_return_was_right();
}

/* ---- resume ------------------------------------------------------------------------------------ */

static void resume_sets_registers_but_no_privileges(void)
{
    with_handlers(see_registers);
    registers_were_checked();
}

static void resume_checks_its_argument(void)
{
    EXPECT(exo_resume(2), EXO_EINVAL);
    EXPECT(exo_resume(UINT32_MAX), EXO_EINVAL);
}

/* A frame of random bytes: the environment may die of it, the machine may not. */
static int64_t resume_nonsense(uint64_t seed)
{
    struct exo_utcb *u = exo_utcb();
    uint64_t *words = (uint64_t *)&u->frame[seed & 1];

    for (unsigned i = 0; i < sizeof u->frame[0] / 8; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        words[i] = seed >> (i % 5 * 9);
    }
    frame_spoil(&u->frame[0], seed);
    exo_resume(0);
    return 1;
}

static void resuming_nonsense_ends_only_oneself(void)
{
    for (uint64_t seed = 1; seed < 40; seed++) {
        struct child c;

        child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
        child_go(&c, resume_nonsense, seed);
        for (unsigned i = 0; i < 20; i++)
            pause_for_others(63);
        child_drop(&c);
    }
}

static int64_t fault_in_nested_handler(uint64_t unused)
{
    (void)unused;
    exo_utcb()->masked = 1;
    exo_utcb()->nested = 1;
    WORD(UNMAPPED) = 1;
    return 1;
}

static void a_fault_that_nobody_takes_ends_the_environment(void)
{
    struct child c;

    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    child_go(&c, fault_in_nested_handler, 0);
    EXPECT(child_wait(&c).cause, EXO_CRASHED);
    child_drop(&c);
    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    child_go(&c, foreign_call, 39); /* no foreign_pc: an exception */
    EXPECT(child_wait(&c).cause, EXO_CRASHED);
    child_drop(&c);
}

int main(void)
{
    static const struct test tests[] = {
        T(faults_are_told_and_resumed),
        T(absent_pages_say_so),
        T(exceptions_are_told),
        T(events_interrupt_a_program),
        T(masked_events_wait),
        T(faults_in_the_handler_are_nested),
        T(foreign_calls_are_reflected),
        T(foreign_calls_come_back),
        T(resume_sets_registers_but_no_privileges),
        T(resume_checks_its_argument),
        T(resuming_nonsense_ends_only_oneself),
        T(a_fault_that_nobody_takes_ends_the_environment),
    };
    return contract_run(tests, COUNT(tests));
}
