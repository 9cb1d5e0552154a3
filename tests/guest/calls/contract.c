// SPDX-License-Identifier: MIT
/* The frame of the contract tests: see contract.h. */
#include "contract.h"

#include <lib/format.h>
#include <lib/string.h>
#include <libos/exo/clock.h>
#include <stdarg.h>

#define STACK_PAGES 8u
#define STACKS      0x0000000020100000u /* of thread k: + k * STACK_STEP */
#define STACK_STEP  0x0000000000010000u
#define UTCBS       0x0000000020200000u
#define IMAGE       0x0000000000400000u
#define WORD_RUN    2u /* libos/exo/thread.c: where the function of a thread is */

extern char program_end[];
void thread_enter(void);

exo_cap some_frame, some_note, stale;

static const char *running; /* the test */
static unsigned failures;   /* of it */
static bool measured;       /* its second run: nothing grows any more */
static exo_cap shared_region;
static _Atomic uint32_t ended[THREADS];

/* ---- what is said ------------------------------------------------------------------------------ */

void note(const char *format, ...)
{
    char line[400];
    va_list arguments;

    va_start(arguments, format);
    size_t bytes = vformat_text(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    line[bytes++] = '\n';
    exo_log(EXO_CAP_PLATFORM, line, bytes);
}

static const char *error_name(int64_t value)
{
    switch (value) {
#define EXO_ERROR(number, name, text) \
    case -(number):                   \
        return " " #name;
#include <exo/errors.def>
#undef EXO_ERROR
    default: return "";
    }
}

int64_t expect(const char *file, int line, const char *text, int64_t is, int64_t wanted)
{
    if (is == wanted)
        return is;
    const char *name = strrchr(file, '/');
    if (failures < 12)
        note("# %s:%d: %s is %ld%s, not %ld%s", name ? name + 1 : file, line, text, (long)is,
             error_name(is), (long)wanted, error_name(wanted));
    failures++;
    return is;
}

int64_t expect_ok(const char *file, int line, const char *text, int64_t is)
{
    return is >= 0 ? is : expect(file, line, text, is, 0);
}

/* ---- resources --------------------------------------------------------------------------------- */

struct counters counters(void)
{
    const struct exo_view *view = exo_view();

    do {
        exo_yield(0);
    } while (view->dying != 0);
    return (struct counters){view->frames_free, view->objects, view->caps};
}

bool counters_same(struct counters a, struct counters b)
{
    if (a.frames == b.frames && a.objects == b.objects && a.caps == b.caps)
        return true;
    note("# frames free %lu -> %lu, objects %lu -> %lu, capabilities %lu -> %lu", a.frames,
         b.frames, a.objects, b.objects, a.caps, b.caps);
    return false;
}

struct budget budget_of(exo_cap account)
{
    struct budget b = {0};

    OK(exo_account_info(account, &b.frames));
    return b;
}

void exhaust(const char *what, int64_t (*call)(exo_cap account), unsigned most)
{
    for (unsigned objects = 0, frames = 0;;) {
        exo_cap account = OK(exo_account_create(0, frames, objects));
        struct counters before = counters();
        struct budget had = budget_of(account);
        int64_t st = call(account);
        struct budget has = budget_of(account);

        if (st >= 0 || (st != EXO_ENOMEM && st != EXO_EOBJECTS)) {
            drop(account);
            if (st < 0)
                note("# %s with %u frames, %u objects", what, frames, objects);
            OK(st);
            return;
        }
        if ((measured && !counters_same(before, counters())) ||
            memcmp(&had, &has, sizeof had) != 0) {
            note("# %s, %u frames and %u objects:%s left something: frames %lu, objects %lu", what,
                 frames, objects, error_name(st), has.frames_used, has.objects_used);
            failures++;
        }
        drop(account);
        st == EXO_ENOMEM ? frames++ : objects++;
        if (frames > most || objects > most) {
            note("# %s fails with %u frames and %u objects", what, frames, objects);
            failures++;
            return;
        }
    }
}

exo_cap without(exo_cap cap, uint32_t right)
{
    return OK(exo_cap_derive(cap, EXO_R_ALL & ~right, 0, 0, 0));
}

void drop(exo_cap cap)
{
    EXPECT(exo_cap_delete(cap, 0), EXO_OK);
}

exo_time now(void)
{
    return clock_uptime();
}

void sleep_for(exo_time ns)
{
    EXPECT(exo_wait(0, 0, now() + ns), EXO_ETIMEDOUT);
}

void on_one_cpu(void)
{
    EXPECT(exo_sched_affinity(0, 1), 1);
}

void on_all_cpus(void)
{
    OK(exo_sched_affinity(0, UINT64_MAX));
}

void pause_for_others(unsigned times)
{
    if (times % 64 == 63)
        exo_wait(0, 0, now() + MS / 4);
    else
        exo_yield(0);
}

/* ---- threads ----------------------------------------------------------------------------------- */

static struct {
    void (*run)(uint64_t);
    uint64_t argument;
} jobs[THREADS];

static void thread_main(uint64_t index)
{
    jobs[index].run(jobs[index].argument);
    ended[index] = 1;
}

uint64_t thread_stack(unsigned index)
{
    return STACKS + index * STACK_STEP + STACK_PAGES * PAGE;
}

void thread_plan(unsigned index, void (*run)(uint64_t), uint64_t argument,
                 struct exo_thread_args *args)
{
    uint64_t top = thread_stack(index);

    ended[index] = 0;
    jobs[index].run = run;
    jobs[index].argument = argument;
    OK(exo_map(0, top - STACK_PAGES * PAGE, STACK_PAGES, 0, 0, RW));
    *args = (struct exo_thread_args){.utcb = UTCBS + index * STACK_STEP,
                                     .pc = (uintptr_t)thread_enter,
                                     .sp = top,
                                     .arg = index,
                                     .priority = 20,
                                     .words = {[WORD_RUN] = (uintptr_t)thread_main}};
}

exo_cap thread_go(unsigned index, void (*run)(uint64_t), uint64_t argument)
{
    struct exo_thread_args args;

    thread_plan(index, run, argument, &args);
    args.priority = 24; /* as the caller: yielding runs it */
    exo_cap thread = OK(exo_thread_create(0, &args));
    OK(exo_thread_resume(thread));
    return thread;
}

void thread_end(unsigned index, exo_cap thread)
{
    exo_thread_exit(thread, 0);
    drop(thread);
    OK(exo_unmap(0, thread_stack(index) - STACK_PAGES * PAGE, STACK_PAGES));
}

void thread_join(unsigned index, exo_cap thread)
{
    UNTIL(ended[index]);
    UNTIL(exo_thread_resume(thread) == EXO_EDEAD);
    thread_end(index, thread);
}

/* ---- children ---------------------------------------------------------------------------------- */

static int64_t (*child_run)(uint64_t);

static void child_main(uint64_t argument)
{
    exo_env_destroy(0, child_run(argument));
}

void child_make(struct child *c, uint64_t frames, uint64_t objects)
{
    *c = (struct child){.account = OK(exo_account_create(0, frames, objects))};
    c->env = OK(exo_env_create(c->account));
}

void child_load(struct child *c, int64_t (*run)(uint64_t), uint64_t argument)
{
    uint64_t top = thread_stack(THREADS);
    struct exo_thread_args args = {.utcb = CHILD_UTCB_VA,
                                   .pc = (uintptr_t)thread_enter,
                                   .sp = top,
                                   .arg = argument,
                                   .priority = 24,
                                   .words = {[WORD_RUN] = (uintptr_t)child_main}};

    child_run = run;
    OK(exo_space_clone(c->env, IMAGE, ((uintptr_t)program_end - IMAGE + PAGE - 1) / PAGE));
    OK(exo_map(c->env, (uintptr_t)SHARED, 1, shared_region, 0, RW));
    OK(exo_map(c->env, top - STACK_PAGES * PAGE, STACK_PAGES, 0, 0, RW));
    c->thread = OK(exo_thread_create(c->env, &args));
}

void child_go(struct child *c, int64_t (*run)(uint64_t), uint64_t argument)
{
    child_load(c, run, argument);
    OK(exo_thread_resume(c->thread));
}

struct exo_env_info child_wait(const struct child *c)
{
    struct exo_env_info info = {0};

    UNTIL(exo_env_info(c->env, &info) != EXO_OK || info.cause != EXO_ALIVE);
    return info;
}

void child_drop(struct child *c)
{
    OK(exo_env_destroy(c->env, 0));
    if (c->thread)
        drop(c->thread);
    drop(c->env);
    drop(c->account);
}

/* ---- running ----------------------------------------------------------------------------------- */

static void prepare(void)
{
    shared_region = OK(exo_region_create(0, 1, 0));
    OK(exo_region_write(shared_region, 0, "", 1));
    OK(exo_map(0, (uintptr_t)SHARED, 1, shared_region, 0, RW));
    some_frame = OK(exo_frame_alloc(0, 1));
    some_note = OK(exo_notification_create(0));
    stale = OK(exo_frame_alloc(0, 1));
    drop(stale);
}

static void run_once(const struct test *t)
{
    memset((void *)SHARED, 0, sizeof *SHARED);
    exo_utcb()->masked = 1;
    exo_utcb()->pending = 0;
    t->run();
}

/* On several CPUs more of it may run at once than did in the first run, and pools grow again. A leak
 * is there every time. */
static bool leaves_nothing(const struct test *t)
{
    unsigned tries = exo_view()->cpus > 1 ? 3 : 1;
    bool same = false;

    while (!same && tries-- > 0) {
        struct counters before = counters();

        measured = exo_view()->cpus == 1;
        run_once(t);
        measured = false;
        same = counters_same(before, counters());
    }
    return same;
}

_Noreturn int contract_run(const struct test *tests, unsigned count)
{
    unsigned failed = 0;

    prepare();
    note("TAP version 13\n1..%u", count);
    for (unsigned i = 0; i < count; i++) {
        running = tests[i].name;
        failures = 0;
        run_once(&tests[i]); /* pools and page tables grow to what they need */
        if (failures == 0) {
            failures += !leaves_nothing(&tests[i]);
        }
        failed += failures != 0;
        note("%s %u - %s", failures ? "not ok" : "ok", i + 1, running);
    }
    note("# %u of %u failed", failed, count);
    exo_power_off(EXO_CAP_PLATFORM, failed != 0);
    __builtin_trap();
}
