// SPDX-License-Identifier: MIT
/* aarch64: the thread pointer is TPIDR_EL0, and each thread's own; so are the vector registers. */
#include <calls/contract.h>
#include <calls/threads.h>

static uint64_t tls_word(void)
{
    uint64_t *pointer;

    __asm__ volatile("mrs %0, tpidr_el0" : "=r"(pointer));
    return *pointer;
}

static void vector_set(uint64_t value)
{
    __asm__ volatile(".arch_extension simd\n\tdup v31.2d, %0" : : "r"(value));
}

static uint64_t vector_get(void)
{
    uint64_t value;

    __asm__ volatile(".arch_extension simd\n\tmov %0, v31.d[1]" : "=r"(value));
    return value;
}

static uint64_t words[3] = {111, 222, 333};

static void use_tls(uint64_t unused)
{
    (void)unused;
    vector_set(222);
    for (unsigned i = 0; i < 50; i++) {
        SHARED->value[3] += tls_word();
        EXPECT(vector_get(), 222);
        exo_yield(0);
    }
    exo_thread_tls((uintptr_t)&words[2]);
    exo_yield(0);
    SHARED->value[4] = tls_word();
}

void thread_pointer_is_each_threads_own(void)
{
    struct exo_thread_args args;

    SHARED->value[3] = 0;
    EXPECT(exo_thread_tls((uintptr_t)&words[0]), EXO_OK);
    EXPECT(tls_word(), 111);
    vector_set(111);
    thread_plan(0, use_tls, 0, &args);
    args.tls = (uintptr_t)&words[1];
    args.priority = 24;
    exo_cap thread = OK(exo_thread_create(0, &args));
    OK(exo_thread_resume(thread));
    for (unsigned i = 0; i < 20; i++) {
        exo_yield(0);
        EXPECT(tls_word(), 111);
        EXPECT(vector_get(), 111);
    }
    thread_join(0, thread);
    EXPECT(SHARED->value[3], 50 * 222);
    EXPECT(SHARED->value[4], 333);
}
