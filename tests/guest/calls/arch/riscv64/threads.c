// SPDX-License-Identifier: MIT
/* riscv64: the thread pointer is a register like any other. A native thread finds its UTCB there, and
 * the `tls` of its creator in its second argument register. */
#include <calls/contract.h>
#include <calls/threads.h>

extern char tls_entry[];
__asm__(".pushsection .text\n"
        ".globl tls_entry\n"
        "tls_entry:\n"
        "    sd a1, 16(tp)\n" /* libos[0] */
        "    j thread_enter\n"
        ".popsection\n");

static uint64_t word;

static void look(uint64_t unused)
{
    struct exo_utcb *u = exo_utcb();

    (void)unused;
    SHARED->value[3] = u->libos[0];
    SHARED->value[4] = (uintptr_t)u;
    SHARED->value[5] = u->self;
    SHARED->value[6] = (uint64_t)exo_thread_tls((uintptr_t)&word);
    exo_yield(0);
    SHARED->value[7] = (uintptr_t)exo_utcb();
}

void thread_pointer_is_each_threads_own(void)
{
    struct exo_thread_args args;

    thread_plan(0, look, 0, &args);
    args.tls = (uintptr_t)&word;
    args.pc = (uintptr_t)tls_entry;
    args.priority = 24;
    exo_cap thread = OK(exo_thread_create(0, &args));
    OK(exo_thread_resume(thread));
    thread_join(0, thread);
    EXPECT(SHARED->value[3], (uintptr_t)&word);
    EXPECT(SHARED->value[4], args.utcb);
    EXPECT(SHARED->value[5], args.utcb);
    EXPECT(SHARED->value[6], EXO_OK);
    EXPECT(SHARED->value[7], args.utcb);
}
