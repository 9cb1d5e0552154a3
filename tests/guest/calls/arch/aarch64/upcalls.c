// SPDX-License-Identifier: MIT
/* aarch64: handlers' entries, the instructions that trap, and the way back from a foreign call. */
#include <calls/upcalls.h>

__asm__(".pushsection .text\n"
        ".globl upcall_entry, nested_entry, foreign_entry\n"
        "upcall_entry:\n"
        "    adrp x9, handler_stack+16384\n"
        "    add x9, x9, :lo12:handler_stack+16384\n"
        "    mov sp, x9\n"
        "    bl on_upcall\n"
        "    brk #1\n"
        "nested_entry:\n"
        "    adrp x9, handler_stack+8192\n"
        "    add x9, x9, :lo12:handler_stack+8192\n"
        "    mov sp, x9\n"
        "    bl on_nested\n"
        "    brk #1\n"
        /* x16 is the UTCB. A number of 777 leaves an event pending for the way back. */
        "foreign_entry:\n"
        "    mov x0, #0x1234\n"
        "    cmp x8, #777\n"
        "    b.ne 1f\n"
        "    mov w17, #1\n"
        "    str w17, [x16, #120]\n" /* pending */
        "1:  svc #2\n"
        "    ldr w17, [x16, #112]\n" /* masked again: only with an event pending */
        "    add x0, x0, x17\n"
        "    str wzr, [x16, #120]\n"
        "    b 1b\n"
        ".popsection\n");

void store(uint64_t va)
{
    skip = 4;
    __asm__ volatile("str wzr, [%0]" : : "r"(va) : "memory");
}

const uint64_t exceptions_made = 8, exceptions_last = 0x3c; /* class: brk */

void exceptions(void)
{
    skip = 4;
    __asm__ volatile("udf #0");
    __asm__ volatile("hlt #1");
    __asm__ volatile("msr daifset, #2");
    __asm__ volatile("mrs x0, ttbr0_el1" : : : "x0");
    __asm__ volatile("mrs x0, midr_el1" : : : "x0");
    __asm__ volatile("hvc #0");
    __asm__ volatile(".inst 0x04e0e3e0" : : : "x0"); /* cntd x0: SVE */
    __asm__ volatile("brk #1");
}

static int64_t call_7(uint64_t number)
{
    register uint64_t x8 __asm__("x8") = number;
    register int64_t x0 __asm__("x0") = 0;

    __asm__ volatile("svc #7" : "+r"(x0) : "r"(x8) : "memory");
    return x0;
}

int64_t foreign_call(uint64_t number)
{
    register uint64_t x8 __asm__("x8") = number;
    register int64_t x0 __asm__("x0") = 0;

    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8) : "memory");
    return x0;
}

static void set_registers(struct exo_upcall_frame *f)
{
    f->context.regs[19] = 0xb0b;
    f->context.regs[30] = 0xf15;
    f->context.pstate = UINT64_MAX; /* EL3, AArch32, masks, single step, and all */
}

void see_registers(void)
{
    uint64_t x19, x30, flags;

    change = set_registers;
    skip = 4;
    __asm__ volatile("str wzr, [%3]\n\tmov %0, x19\n\tmov %1, x30\n\tmrs %2, nzcv"
                     : "=&r"(x19), "=&r"(x30), "=&r"(flags)
                     : "r"(UNMAPPED)
                     : "x19", "x30", "memory", "cc");
    SHARED->value[0] = x19;
    SHARED->value[1] = x30;
    SHARED->value[2] = flags;
}

void registers_were_checked(void)
{
    EXPECT(SHARED->value[0], 0xb0b);
    EXPECT(SHARED->value[1], 0xf15);
    EXPECT(SHARED->value[2], 0xf0000000u);
}

void frame_spoil(struct exo_upcall_frame *f, uint64_t seed)
{
    if (seed & 64)
        f->context.pc = (uint64_t)KERNEL_VA;
    if (seed & 128)
        f->context.pc = EXO_USER_TOP - 1;
    if (seed & 256)
        f->context.sp = (uint64_t)NONCANONICAL;
}

void reflect_and_return(void)
{
    register uint64_t x8 __asm__("x8") = 39;
    register uint64_t x0 __asm__("x0") = 0;
    register uint64_t x16 __asm__("x16") = 0x16;
    register uint64_t x17 __asm__("x17") = 0x17;
    uint64_t flags;

    __asm__ volatile("cmp xzr, xzr\n\tsvc #0\n\tmrs %4, nzcv"
                     : "+r"(x0), "+r"(x8), "+r"(x16), "+r"(x17), "=r"(flags)
                     :
                     : "memory", "cc");
    SHARED->value[0] = x0;
    SHARED->value[1] = x8;
    SHARED->value[2] = x16;
    SHARED->value[3] = x17;
    SHARED->value[4] = exo_utcb()->masked;
    SHARED->value[5] = (uint64_t)call_7(777);
    SHARED->value[6] = flags;

    /* A native number that is none is no foreign call. */
    SHARED->value[7] = (uint64_t)exo_trap3(EXO_NR_BASE + EXO_NR_LIMIT, 0, 0, 0);
}

void reflect_return_was_right(void)
{
    EXPECT(SHARED->value[0], 0x1234);
    EXPECT(SHARED->value[1], 39);
    EXPECT(SHARED->value[2], 0x16);
    EXPECT(SHARED->value[3], 0x17);
    EXPECT(SHARED->value[4], 0);
    EXPECT(SHARED->value[5], 0x1235);
    EXPECT(SHARED->value[7], EXO_ENOSYS);
}
