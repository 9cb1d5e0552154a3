/* SPDX-License-Identifier: MIT */
/*
 * What the native operations cost, in nanoseconds. Under `exo-run --icount` that is instructions.
 * One line a measurement: NAME NANOSECONDS, for tools to read.
 *
 * Each case runs once to warm up and then REPEATS times; loops are in the figures.
 */
#include <stdatomic.h>

#include <lib/string.h>
#include <libos/exo/clock.h>
#include <libos/exo/ipc.h>
#include <libos/exo/log.h>
#include <libos/tiny/tiny.h>

#define REPEATS    1000u
#define BATCH      64u
#define SHARED_VA  0x0000300000000000u
#define WINDOW_VA  0x0000301000000000u
#define WILD_VA    0x0000302000000000u
#define SERVICE    EXO_WELL_KNOWN(4)
#define READ_WRITE (EXO_MAP_READ | EXO_MAP_WRITE)

/* In the shared page. */
struct words {
    _Atomic uint32_t ping, pong;
};
static struct words *shared_words(void)
{
    return (struct words *)SHARED_VA;
}

static exo_cap shared, endpoint, pages;
static struct tiny_pager zeros;

static void measure(const char *name, unsigned per, void (*run)(unsigned times))
{
    const struct exo_view *view = exo_view();
    uint64_t start, ticks;

    run(1);
    start = exo_ticks();
    run(REPEATS);
    ticks = exo_ticks() - start;
    log_line("%s %llu", name,
             (unsigned long long)((ticks * view->tick_mult >> view->tick_shift) / REPEATS / per));
}

/* ---- one environment ---------------------------------------------------------------------------- */

static void null_calls(unsigned times)
{
    while (times-- > 0) {
        exo_null();
        exo_null();
        exo_null();
        exo_null();
    }
}

/* The access that faults is the context's to repair: here it is told to use another address. */
static bool give_good_address(struct exo_upcall_frame *frame)
{
    if (frame->address != WILD_VA)
        return false;
    EXO_CONTEXT_ARGUMENT(&frame->context) = SHARED_VA;
    return true;
}

static void faults_resumed(unsigned times)
{
    tiny_fault_hook = give_good_address;
    while (times-- > 0)
        tiny_touch(WILD_VA);
    tiny_fault_hook = NULL;
}

static void fill_nothing(void *page, size_t index)
{
    (void)page;
    (void)index;
}

/* Every touch is a fault: more pages than the pager keeps. */
static void faults_paged(unsigned times)
{
    static size_t next;

    for (; times > 0; times--)
        *(volatile char *)(WINDOW_VA + next++ % zeros.pages * EXO_PAGE_SIZE);
}

static void map_batches(unsigned times)
{
    while (times-- > 0) {
        exo_map(0, SHARED_VA + 0x100000, BATCH, pages, 0, READ_WRITE | EXO_MAP_EAGER);
        exo_unmap(0, SHARED_VA + 0x100000, BATCH);
    }
}

/* ---- two environments --------------------------------------------------------------------------- */

static void serve(uint64_t argument)
{
    struct exo_message m = {.tag = EXO_NO_REPLY};

    (void)argument;
    while (exo_reply_wait(SERVICE, &m) >= 0)
        m = ipc_message(0, 0, 0, 0, 0);
}

static void calls(unsigned times)
{
    struct exo_message m;

    while (times-- > 0) {
        m = ipc_message(1, 0, 0, 0, 0);
        exo_call(endpoint, &m);
    }
}

static void wait_while(_Atomic uint32_t *word, uint32_t value)
{
    struct exo_wait_word w = {.address = (uintptr_t)word, .expected = value};

    while (atomic_load(word) == value)
        exo_wait(&w, 1, EXO_FOREVER);
}

static void answer(uint64_t argument)
{
    struct words *w = shared_words();

    (void)argument;
    for (uint32_t turn = 0;; turn++) {
        wait_while(&w->ping, turn);
        atomic_store(&w->pong, turn + 1);
        exo_wake(&w->pong, 1);
    }
}

/* A wake and a wait on each side. */
static void wakes(unsigned times)
{
    struct words *w = shared_words();

    for (; times > 0; times--) {
        uint32_t turn = atomic_load(&w->pong);

        atomic_store(&w->ping, turn + 1);
        exo_wake(&w->ping, 1);
        wait_while(&w->pong, turn);
    }
}

static bool with_twin(struct tiny_twin *twin, void (*run)(uint64_t))
{
    return tiny_twin_make(twin) == EXO_OK &&
           exo_map(twin->env, SHARED_VA, 1, shared, 0, READ_WRITE) == EXO_OK &&
           tiny_twin_give(twin, SERVICE, endpoint, EXO_R_RECV) == EXO_OK &&
           tiny_twin_run(twin, run, 0) == EXO_OK;
}

/* ---- all of it ---------------------------------------------------------------------------------- */

static bool prepare(void)
{
    int64_t made = exo_region_create(0, 1, 1);

    shared = (exo_cap)made;
    if (made < 0 || exo_map(0, SHARED_VA, 1, shared, 0, READ_WRITE) != EXO_OK)
        return false;
    memset(shared_words(), 0, sizeof(struct words));
    made = exo_region_create(0, BATCH, 1);
    pages = (exo_cap)made;
    for (unsigned i = 0; i < BATCH && made >= 0; i++)
        made = exo_region_write(pages, i * EXO_PAGE_SIZE, "x", 1);
    if (made >= 0)
        made = exo_endpoint_create(0);
    endpoint = (exo_cap)made;
    zeros = (struct tiny_pager){.va = WINDOW_VA, .pages = 4 * TINY_RESIDENT, .fill = fill_nothing};
    tiny_pager_add(&zeros);
    return made >= 0;
}

static int program(void)
{
    struct tiny_twin server, waker;

    if (!prepare() || !with_twin(&server, serve) || !with_twin(&waker, answer)) {
        log_line("could not prepare");
        return 2;
    }
    measure("null_call", 4, null_calls);
    measure("call_reply", 1, calls);
    measure("fault_upcall", 1, faults_resumed);
    measure("fault_paged", 1, faults_paged);
    measure("map_unmap_page", BATCH, map_batches);
    measure("wake_wait", 2, wakes);
    tiny_twin_end(&server);
    tiny_twin_end(&waker);
    return 0;
}

int main(void)
{
    return tiny_run(program);
}
