/* SPDX-License-Identifier: MIT */
/*
 * The contract tests: each program here runs as init, with every capability of the machine and no
 * server, and holds the kernel to what include/exo/calls.def says.
 *
 *     static void null_answers_0(void)
 *     {
 *         EXPECT(exo_null(), EXO_OK);
 *     }
 *
 *     int main(void)
 *     {
 *         static const struct test tests[] = {T(null_answers_0)};
 *         return contract_run(tests, COUNT(tests));
 *     }
 *
 * The one idea: every test runs twice. The first time is a warm-up (pools and page tables grow); after
 * the second the free frames, live objects and live capabilities must be what they were before it. So
 * each test is a test for leaks as well, of the calls that succeed and of those that fail.
 */
#ifndef CONTRACT_H
#define CONTRACT_H

#include <cap.h>
#include <exo.h>
#include <machine.h>
#include <stdbool.h>

struct test {
    const char *name;
    void (*run)(void);
};
#define T(function)         \
    {                       \
#function, function \
    }
#define COUNT(array) (sizeof(array) / sizeof *(array))

/** Runs the tests, prints TAP on the kernel's log, and powers the machine off with status 0 or 1. */
_Noreturn int contract_run(const struct test *tests, unsigned count);

/* ---- expectations ------------------------------------------------------------------------------ */

int64_t expect(const char *file, int line, const char *text, int64_t is, int64_t wanted);
int64_t expect_ok(const char *file, int line, const char *text, int64_t is);
void note(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define EXPECT(call, wanted) expect(__FILE__, __LINE__, #call, (int64_t)(call), (int64_t)(wanted))
#define EXPECT_TRUE(what)    expect(__FILE__, __LINE__, #what, !!(what), 1)
/** The call answers a value >= 0, which is the result. */
#define OK(call)             ((uint64_t)expect_ok(__FILE__, __LINE__, #call, (int64_t)(call)))

/* Capabilities of every test: a frame extent, a notification, and a handle that was good once. */
extern exo_cap some_frame, some_note, stale;

/** A call with `C` for a capability: handles that name nothing, and an object of another kind. */
#define ECAP_ETYPE(call, other)               \
    do {                                      \
        exo_cap C = stale;                    \
        EXPECT(call, EXO_ECAP);               \
        C = EXO_HANDLE(EXO_CAP_SLOTS - 1, 1); \
        EXPECT(call, EXO_ECAP);               \
        C = EXO_HANDLE(EXO_CAP_SLOTS, 1);     \
        EXPECT(call, EXO_ECAP);               \
        C = UINT64_MAX;                       \
        EXPECT(call, EXO_ECAP);               \
        C = other;                            \
        EXPECT(call, EXO_ETYPE);              \
    } while (0)

/** And a capability that has all rights but one. */
#define CAP_ERRORS(call, other, good, right) \
    do {                                     \
        ECAP_ETYPE(call, other);             \
        exo_cap C = without(good, right);    \
        EXPECT(call, EXO_ERIGHTS);           \
        drop(C);                             \
    } while (0)

/** A child of `cap` with all of its rights but `right`. */
exo_cap without(exo_cap cap, uint32_t right);
/** Deletes a capability of the caller, which must be there. */
void drop(exo_cap cap);

/* An address that no test maps; KERNEL_VA and NONCANONICAL are the machine's. */
#define UNMAPPED ((void *)0x0000666600000000u)

/** Calls with `P` for a pointer that the kernel must not follow. */
#define EFAULTS(call)                   \
    do {                                \
        char *P = UNMAPPED;             \
        EXPECT(call, EXO_EFAULT);       \
        P = KERNEL_VA;                  \
        EXPECT(call, EXO_EFAULT);       \
        P = NONCANONICAL;               \
        EXPECT(call, EXO_EFAULT);       \
        P = (char *)(EXO_USER_TOP - 4); \
        EXPECT(call, EXO_EFAULT);       \
        P = (char *)~(uintptr_t)3;      \
        EXPECT(call, EXO_EFAULT);       \
    } while (0)

/* ---- resources --------------------------------------------------------------------------------- */

struct counters {
    uint64_t frames, objects, caps;
};
/** What is free or live once the dead are tidied up. */
struct counters counters(void);
bool counters_same(struct counters a, struct counters b);

struct budget {
    uint64_t frames, frames_used, objects, objects_used;
};
struct budget budget_of(exo_cap account);

/** Tries `call` with ever larger accounts: each failure must answer ENOMEM, EOBJECTS or `also`, and
 *  leave account and machine as they were. `call` gets the account, and undoes a success itself. */
void exhaust(const char *what, int64_t (*call)(exo_cap account), unsigned most);

/* ---- time and memory --------------------------------------------------------------------------- */

exo_time now(void);
#define MS 1000000u
void sleep_for(exo_time ns);
/** From here on the caller, and the threads and children that it makes, run on CPU 0 only, so that a
 *  yield is a yield; or on all CPUs again. */
void on_one_cpu(void);
void on_all_cpus(void);
/** Yields, and now and then sleeps, so that threads of lower priority run as well. */
void pause_for_others(unsigned times);
/** Yields until the condition holds; fails if it does not for a long time. */
#define UNTIL(condition)                                  \
    do {                                                  \
        for (unsigned spins = 0; !(condition); spins++) { \
            if (spins == 20000) {                         \
                EXPECT_TRUE((condition) && "in time");    \
                break;                                    \
            }                                             \
            pause_for_others(spins);                      \
        }                                                 \
    } while (0)

#define RW         (EXO_MAP_READ | EXO_MAP_WRITE)
#define PAGE       EXO_PAGE_SIZE
#define AREA       0x0000000050000000u /* test's own place for mappings: 256 MiB */
#define AREA_PAGES 65536u
#define WORD(va)   (*(volatile uint32_t *)(uintptr_t)(va))
static inline uint64_t page(unsigned n)
{
    return AREA + n * PAGE;
}

/** One page that this program and all its children see at the same address. */
struct shared {
    _Atomic uint32_t word[64];
    uint64_t value[64];
};
#define SHARED ((struct shared *)0x0000000040000000u)

/* ---- threads and children ---------------------------------------------------------------------- */

#define THREADS 8u
/** Runs a function in thread `index` of this environment, with an upcall handler if `upcall` is not
 *  0. */
exo_cap thread_go(unsigned index, void (*run)(uint64_t), uint64_t argument);
/** As thread_go, but does not run it yet, and with arguments the caller may change. */
void thread_plan(unsigned index, void (*run)(uint64_t), uint64_t argument,
                 struct exo_thread_args *args);
uint64_t thread_stack(unsigned index);
/** Waits until the thread has ended by itself, and forgets it. */
void thread_join(unsigned index, exo_cap thread);
/** Ends the thread if need be, and forgets it. */
void thread_end(unsigned index, exo_cap thread);

/** An environment with an account of its own. */
struct child {
    exo_cap account, env, thread;
};
void child_make(struct child *c, uint64_t frames, uint64_t objects);
/** Gives it a copy of this program, the shared page, and a thread that runs `run` and ends with its
 *  result as status. Its capabilities: slots 1, 2 and 3 only. */
void child_go(struct child *c, int64_t (*run)(uint64_t), uint64_t argument);
/** As child_go, but its thread does not run yet. */
void child_load(struct child *c, int64_t (*run)(uint64_t), uint64_t argument);
/** Waits until it is dead; its record. */
struct exo_env_info child_wait(const struct child *c);
/** Ends it if need be, and forgets it. */
void child_drop(struct child *c);
#define CHILD_FRAMES  256u
#define CHILD_OBJECTS 64u
#define CHILD_UTCB_VA 0x0000000030000000u

#endif
