/* SPDX-License-Identifier: MIT */
/*
 * What a rebirth costs, in nanoseconds; under `exo-run --icount` that is instructions. From the
 * instruction that faults to the first one of the next life, and to the first request that is answered.
 *
 * The service writes a page of a shared region just before it faults and first thing in each life. Each
 * case is measured in its fourth life: tables have grown by then. One line a figure: NAME NANOSECONDS.
 */
#include <rs.h>
#include <stdatomic.h>

#include <libos/exo/clock.h>
#include <libos/exo/ipc.h>
#include <libos/exo/log.h>
#include <libos/exo/thread.h>
#include <libos/tiny/tiny.h>

#define SHARED_VA        0x0000300000000000u
#define STACK_VA         0x0000301000000000u
#define UTCB_VA          0x0000302000000000u
#define DIRTY_VA         0x0000303000000000u
#define STACK            4u
#define ENDPOINT         EXO_WELL_KNOWN(4)
#define GIVEN            32u /* first slot of the given capabilities */
#define CALLERS          16u
#define LIVES            4u
#define WORD_RUN         2u /* libos/exo/thread.c: where the function of a thread is */
#define LABEL_DIE        2u
#define LABEL_FAULT      3u   /* touch FAULTS new pages, and say in shared->took what that takes */
#define LABEL_CHECKPOINT 4u   /* write shared->load.pages pages, and the same of a checkpoint */
#define NEW_PAGES        400u /* from DIRTY_VA: new ones are behind */
#define FAULTS           32u

void thread_enter(void);

struct load {
    uint32_t pages, capabilities, callers, lent;
};

static struct shared {
    struct load load;
    uint64_t fault, first, took; /* ticks */
} *const shared = (struct shared *)SHARED_VA;

static exo_cap shared_region, endpoint, given;

static uint64_t ns(uint64_t ticks)
{
    return ticks * exo_view()->tick_mult >> exo_view()->tick_shift;
}

/* ---- the service -------------------------------------------------------------------------------- */

static void burden(const struct load *load)
{
    for (uint32_t i = 0; i < load->pages; i++)
        *(volatile char *)(DIRTY_VA + i * EXO_PAGE_SIZE) = 1;
    for (uint32_t i = 0; i < load->lent; i++)
        exo_cap_derive(EXO_WELL_KNOWN(GIVEN), EXO_R_READ, 0, 0, 0);
}

static void time_faults(uint32_t page)
{
    uint64_t start = exo_ticks();

    for (uint32_t end = page + FAULTS; page < end; page++)
        *(volatile char *)(DIRTY_VA + (uint64_t)page * EXO_PAGE_SIZE) = 1;
    shared->took = exo_ticks() - start;
}

static void time_checkpoint(void)
{
    burden(&shared->load);
    uint64_t start = exo_ticks();
    exo_service_checkpoint();
    shared->took = exo_ticks() - start;
}

static void serve(uint64_t argument)
{
    struct exo_message m = {.tag = EXO_NO_REPLY};
    uint32_t page = NEW_PAGES;

    shared->first = exo_ticks();
    (void)argument;
    if (exo_utcb()->life.number < LIVES)
        burden(&shared->load);
    for (;;) {
        int64_t tag = exo_reply_wait(ENDPOINT, &m);

        if (EXO_TAG_LABEL(tag) == LABEL_DIE) {
            if (shared->load.callers != 0) /* they come into the queue */
                exo_wait(NULL, 0, clock_uptime() + 5000000);
            shared->fault = exo_ticks();
            *(volatile char *)0 = 0;
        }
        if (EXO_TAG_LABEL(tag) == LABEL_FAULT) {
            time_faults(page);
            page += FAULTS;
        }
        if (EXO_TAG_LABEL(tag) == LABEL_CHECKPOINT)
            time_checkpoint();
        m = ipc_message(0, 0, 0, 0, 0);
    }
}

/* ---- who makes it and calls it ------------------------------------------------------------------ */

/* A service, whose number becomes *id; with id 0 an ordinary program. */
static bool build(struct tiny_twin *t, const struct load *load, uint32_t *id)
{
    struct exo_thread_args args = {.utcb = UTCB_VA,
                                   .pc = (uintptr_t)thread_enter,
                                   .sp = STACK_VA + STACK * EXO_PAGE_SIZE,
                                   .priority = 16,
                                   .words = {[WORD_RUN] = (uintptr_t)serve}};
    int64_t thread;

    if (tiny_twin_make(t) != EXO_OK ||
        exo_map(t->env, SHARED_VA, 1, shared_region, 0, EXO_MAP_READ | EXO_MAP_WRITE) != EXO_OK ||
        exo_map(t->env, STACK_VA, STACK, 0, 0, EXO_MAP_READ | EXO_MAP_WRITE) != EXO_OK ||
        exo_map(t->env, DIRTY_VA, 512, 0, 0, EXO_MAP_READ | EXO_MAP_WRITE) != EXO_OK ||
        tiny_twin_give(t, ENDPOINT, endpoint, EXO_R_RECV) != EXO_OK)
        return false;
    /* With its environment, its account, its thread and the endpoint as many as were asked for. */
    for (uint32_t i = 0; i + 4 < load->capabilities; i++)
        if (tiny_twin_give(t, EXO_WELL_KNOWN(GIVEN + i), given, EXO_R_ALL) != EXO_OK)
            return false;
    thread = exo_thread_create(t->env, &args);
    if (thread >= 0 && !id)
        return exo_thread_resume((exo_cap)thread) == EXO_OK;
    if (thread < 0 || exo_cap_delete((exo_cap)thread, 0) != EXO_OK)
        return false;
    return rs_register_service("burdened", "/", RS_POLICY_ALWAYS, id) == EXO_OK &&
           rs_set_limit(*id, 0, 1) == EXO_OK && rs_attach(*id, t->env) == EXO_OK &&
           rs_start_service(*id) == EXO_OK;
}

static _Atomic uint32_t called;

static void caller(uint64_t argument)
{
    struct exo_message m = ipc_message(1, 0, 0, 0, 0);

    (void)argument;
    exo_call(endpoint, &m);
    atomic_fetch_add(&called, 1);
}

static void call_with(uint32_t label)
{
    struct exo_message m = ipc_message(label, 0, 0, 0, 0);

    exo_call(endpoint, &m);
}

struct figures {
    uint64_t first, answer;
};

/* The last death of a service that bears a load. */
static bool measure(const struct load *load, struct figures *out)
{
    struct tiny_twin twin;
    uint32_t id;
    int64_t made = exo_endpoint_create(0);

    endpoint = (exo_cap)made;
    shared->load = *load;
    if (made < 0 || !build(&twin, load, &id))
        return false;
    for (unsigned life = 1; life < LIVES; life++) {
        call_with(1); /* it has done what it does at its start */
        atomic_store(&called, 0);
        for (uint32_t i = 0; i < load->callers; i++)
            thread_run(&(struct thread_plan){.run = caller, .priority = 12, .stack_pages = 2});
        call_with(LABEL_DIE);
        call_with(1);
        out->answer = ns(exo_ticks() - shared->fault);
        out->first = ns(shared->first - shared->fault);
        while (atomic_load(&called) < load->callers)
            exo_wait(NULL, 0, clock_uptime() + 5000000);
    }
    rs_stop_service(id);
    rs_remove_service(id);
    tiny_twin_end(&twin);
    exo_cap_delete(endpoint, 0);
    return true;
}

/* What it costs to live: a call, a fault, and of a service a checkpoint with nothing and with 64 pages
 * written. */
struct living {
    uint64_t call, fault, checkpoint, checkpoint_64;
};

#define CALLS 64u

static uint64_t took(uint32_t label, uint32_t pages)
{
    shared->load.pages = pages;
    call_with(label);
    return ns(shared->took);
}

static bool measure_living(bool service, struct living *out)
{
    static const struct load load = {0, 4, 0, 0};
    struct tiny_twin twin;
    uint32_t id;
    int64_t made = exo_endpoint_create(0);

    endpoint = (exo_cap)made;
    shared->load = load;
    if (made < 0 || !build(&twin, &load, service ? &id : NULL))
        return false;
    took(LABEL_FAULT, 0); /* which makes the page table */
    out->fault = took(LABEL_FAULT, 0) / FAULTS;
    for (uint32_t i = 0; service && i < 2; i++) {
        out->checkpoint = took(LABEL_CHECKPOINT, 0);
        out->checkpoint_64 = took(LABEL_CHECKPOINT, 64);
    }
    call_with(1);
    uint64_t start = exo_ticks();
    for (uint32_t i = 0; i < CALLS; i++)
        call_with(1);
    out->call = ns(exo_ticks() - start) / CALLS;
    if (service) {
        rs_stop_service(id);
        rs_remove_service(id);
    }
    tiny_twin_end(&twin);
    exo_cap_delete(endpoint, 0);
    return true;
}

static bool prepare(void)
{
    int64_t made = exo_region_create(0, 1, 1);

    shared_region = (exo_cap)made;
    if (made < 0 ||
        exo_map(0, SHARED_VA, 1, shared_region, 0, EXO_MAP_READ | EXO_MAP_WRITE) != EXO_OK)
        return false;
    made = exo_notification_create(0);
    given = (exo_cap)made;
    return made >= 0;
}

static void say(const char *name, uint64_t figure)
{
    log_line("%s %llu", name, (unsigned long long)figure);
}

static int program(void)
{
    static const struct load base = {64, 64, 0, 0}, pages = {128, 64, 0, 0},
                             capabilities = {64, 128, 0, 0}, callers = {64, 64, CALLERS, 0},
                             lent = {64, 64, 0, 64}, nothing = {0, 4, 0, 0};
    struct figures b, n, p, c, q, l;
    struct living service, other;

    if (!prepare() || !measure(&base, &b) || !measure(&nothing, &n) || !measure(&pages, &p) ||
        !measure(&capabilities, &c) || !measure(&callers, &q) || !measure(&lent, &l) ||
        !measure_living(false, &other) || !measure_living(true, &service)) {
        log_line("could not prepare");
        return 2;
    }
    say("rebirth", b.first);
    say("rebirth_to_answer", b.answer);
    say("rebirth_of_nothing", n.first);
    say("rebirth_page", (p.first - b.first) / 64);
    say("rebirth_capability", (c.first - b.first) / 64);
    say("rebirth_caller", (q.first - b.first) / CALLERS);
    say("rebirth_descendant", (l.first - b.first) / 64);
    say("call_program", other.call);
    say("call_service", service.call);
    say("fault_program", other.fault);
    say("fault_service", service.fault);
    say("checkpoint", service.checkpoint);
    say("checkpoint_page", (service.checkpoint_64 - service.checkpoint) / 64);
    return 0;
}

int main(void)
{
    return tiny_run(program);
}
