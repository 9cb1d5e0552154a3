/* SPDX-License-Identifier: MIT */
/*
 * Threads in user space. The kernel knows one thread, made with an upcall handler; tiny switches
 * what it runs. There is one mechanism for all switches: put registers into the UTCB's frame and
 * exo_resume. A thread that was interrupted left its registers there; one that yields leaves what
 * tiny_save took.
 *
 * While masked, tiny's own data is nobody else's: upcalls wait, and there is one kernel thread.
 */
#include <stdatomic.h>

#include <lib/heap.h>
#include <libos/exo/clock.h>
#include <libos/exo/log.h>
#include <libos/exo/thread.h>
#include <libos/tiny/tiny.h>

#define HANDLER_WORD 3 /* utcb->libos[]: tiny.S loads the handlers' stack from there */
#define FAILED       255

int tiny_save(struct exo_context *c) __attribute__((returns_twice));
void tiny_upcall_entry(void);
_Noreturn void tiny_upcall(uint64_t kind);

bool (*tiny_fault_hook)(struct exo_upcall_frame *frame);

static struct list ready = LIST_EMPTY(ready);
static struct tiny_thread first, *running;
static uint64_t preemptions;
static _Alignas(16) uint8_t handler_stack[16384];
static int (*first_program)(void);
static int first_result = FAILED;
static _Atomic uint32_t finished;

/* ---- switching ---------------------------------------------------------------------------------- */

/* Continues whatever the frame says; ends the masking. */
_Noreturn static void resume(void)
{
    exo_resume(0);
    __builtin_trap();
}

_Noreturn static void run_next(void)
{
    struct list *link = ready.next;

    if (list_is_empty(&ready)) {
        log_line("every thread waits for another");
        exo_env_destroy(0, FAILED);
    }
    list_remove(link);
    running = LIST_ITEM(link, struct tiny_thread, link);
    exo_utcb()->frame[0].context = running->context;
    resume();
}

void tiny_mask(void)
{
    exo_utcb()->masked = 1;
    atomic_signal_fence(memory_order_seq_cst);
}

/* Events that came meanwhile were left in `pending`: resuming, even right here, delivers them. */
void tiny_unmask(void)
{
    struct exo_utcb *utcb = exo_utcb();

    atomic_signal_fence(memory_order_seq_cst);
    utcb->masked = 0;
    if (atomic_load(&utcb->pending) == 0)
        return;
    utcb->masked = 1;
    if (tiny_save(&utcb->frame[0].context) == 0)
        resume();
}

void tiny_yield(void)
{
    tiny_mask();
    list_append(&ready, &running->link);
    if (tiny_save(&running->context) == 0)
        run_next();
}

/* ---- upcalls ------------------------------------------------------------------------------------ */

static void rearm(void)
{
    exo_timer(clock_uptime() + TINY_SLICE_NS);
}

static void serve_events(struct exo_upcall_frame *frame)
{
    uint32_t bits = atomic_exchange(&exo_utcb()->pending, 0);

    if ((bits & EXO_EVENT_TIMER) == 0 || list_is_empty(&ready))
        return; /* the only thread needs no timer */
    rearm();
    preemptions++;
    running->context = frame->context;
    list_append(&ready, &running->link);
    run_next();
}

_Noreturn static void die(const struct exo_upcall_frame *frame)
{
    log_line("fault of kind %llu at address 0x%llx, pc 0x%llx", (unsigned long long)frame->kind,
             (unsigned long long)frame->address,
             (unsigned long long)EXO_CONTEXT_PC(&frame->context));
    exo_env_destroy(0, FAILED);
    __builtin_trap();
}

void tiny_upcall(uint64_t kind)
{
    struct exo_upcall_frame *frame = &exo_utcb()->frame[0];

    if (kind == EXO_UP_EVENT)
        serve_events(frame);
    else if (kind != EXO_UP_PAGE || !((tiny_fault_hook != NULL && tiny_fault_hook(frame)) ||
                                      tiny_pager_fault(frame->address)))
        die(frame);
    resume();
}

/* ---- beginning and ending ----------------------------------------------------------------------- */

static void thread_main(void)
{
    running->run(running->argument);
    tiny_mask();
    running->ended = true;
    run_next();
}

struct tiny_thread *tiny_thread(void (*run)(uint64_t argument), uint64_t argument)
{
    struct tiny_thread *t;

    tiny_mask();
    t = heap_zeroed(1, sizeof *t);
    if (t != NULL && (t->stack = heap_alloc(TINY_STACK_BYTES)) == NULL) {
        heap_free(t);
        t = NULL;
    }
    if (t != NULL) {
        t->run = run;
        t->argument = argument;
        tiny_save(&t->context); /* for the machine's own fields; the rest is replaced */
        EXO_CONTEXT_PC(&t->context) = (uintptr_t)thread_main;
        /* 16 is what the strictest processor wants; our code without vectors wants no other. */
        EXO_CONTEXT_SP(&t->context) = (uintptr_t)(t->stack + TINY_STACK_BYTES) & ~(uintptr_t)15;
        if (list_is_empty(&ready))
            rearm();
        list_append(&ready, &t->link);
    }
    tiny_unmask();
    return t;
}

void tiny_join(struct tiny_thread *t)
{
    while (!*(volatile bool *)&t->ended)
        tiny_yield();
    tiny_mask();
    heap_free(t->stack);
    heap_free(t);
    tiny_unmask();
}

uint64_t tiny_preemptions(void)
{
    return preemptions;
}

/* The kernel's thread becomes tiny's first one. */
static void begin(uint64_t argument)
{
    (void)argument;
    exo_utcb()->libos[HANDLER_WORD] = (uintptr_t)(handler_stack + sizeof handler_stack);
    running = &first;
    tiny_unmask();
    first_result = first_program();
    tiny_mask();
    atomic_store(&finished, 1);
    exo_wake(&finished, 1);
}

int tiny_run(int (*program)(void))
{
    struct exo_wait_word word = {.address = (uintptr_t)&finished, .expected = 0};

    first_program = program;
    if (thread_run(&(struct thread_plan){.run = begin,
                                         .priority = 16,
                                         .stack_pages = 32,
                                         .upcall_pc = (uintptr_t)tiny_upcall_entry}) < 0)
        return FAILED;
    while (atomic_load(&finished) == 0)
        exo_wait(&word, 1, EXO_FOREVER);
    return first_result;
}
