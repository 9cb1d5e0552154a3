// SPDX-License-Identifier: MIT
/* riscv64: handlers' entries, and the instructions that trap. */
#include <calls/upcalls.h>

/* foreign_entry finds tp and t0 in reflect_saved, and puts a7 there itself. It comes behind its ecall
 * when events are pending: it counts that in libos[5], takes them, and tries again. */
__asm__(".pushsection .text\n"
        ".globl upcall_entry, nested_entry, foreign_entry\n"
        "upcall_entry:\n"
        "    lla sp, handler_stack+16384\n"
        "    call on_upcall\n"
        "    unimp\n"
        "nested_entry:\n"
        "    lla sp, handler_stack+8192\n"
        "    call on_nested\n"
        "    unimp\n"
        "foreign_entry:\n"
        "    sd a7, 248(tp)\n"
        "    li a0, 0x1234\n"
        "1:  li a7, 0x4558002f\n"
        "    ecall\n"
        "    ld t0, 56(tp)\n"
        "    addi t0, t0, 1\n"
        "    sd t0, 56(tp)\n"
        "    addi t0, tp, 120\n" /* pending */
        "    amoswap.w zero, zero, (t0)\n"
        "    j 1b\n"
        ".popsection\n");

void store(uint64_t va)
{
    skip = 4;
    __asm__ volatile(".option push\n\t"
                     ".option norvc\n\t"
                     "sw zero, (%0)\n\t"
                     ".option pop"
                     :
                     : "r"(va)
                     : "memory");
}

const uint64_t exceptions_made = 6, exceptions_last = 3;

/* Of four bytes each. */
#define TRY(instruction)                                                               \
    __asm__ volatile(".option push\n\t.option norvc\n\t" instruction "\n\t.option pop" \
                     :                                                                 \
                     :                                                                 \
                     : "t0", "memory")

void exceptions(void)
{
    skip = 4;
    TRY("unimp");
    TRY("csrr t0, sstatus");
    TRY("csrw satp, zero");
    TRY("sret");
    TRY("sfence.vma");
    TRY("ebreak");
}

int64_t foreign_call(uint64_t number)
{
    register uint64_t a0 __asm__("a0") = 0;
    register uint64_t a7 __asm__("a7") = number;

    __asm__ volatile("ecall" : "+r"(a0) : "r"(a7) : "memory");
    return (int64_t)a0;
}

static void set_registers(struct exo_upcall_frame *f)
{
    f->context.s1 = 0xb0b;
    f->context.t6 = 0xf15;
    f->context.pc |= 1; /* the processor has no such bit */
}

void see_registers(void)
{
    uint64_t s1, t6;

    change = set_registers;
    skip = 4;
    __asm__ volatile(".option push\n\t"
                     ".option norvc\n\t"
                     "sw zero, (%2)\n\t"
                     ".option pop\n\t"
                     "mv %0, s1\n\t"
                     "mv %1, t6"
                     : "=&r"(s1), "=&r"(t6)
                     : "r"(UNMAPPED)
                     : "s1", "t6", "memory");
    SHARED->value[0] = s1;
    SHARED->value[1] = t6;
}

void registers_were_checked(void)
{
    EXPECT(SHARED->value[0], 0xb0b);
    EXPECT(SHARED->value[1], 0xf15);
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

static uint64_t seen[8];

/* All that a foreign call keeps: what it changes for its way is put back. */
static void call_with_registers(uint64_t out[4])
{
    register uint64_t a0 __asm__("a0") = 0;
    uint64_t t0, tp, a7;

    __asm__ volatile("mv t1, tp\n\t"
                     "li t0, 0x70\n\t"
                     "li tp, 0x71\n\t"
                     "li a7, 39\n\t"
                     "ecall\n\t"
                     "mv %1, t0\n\t"
                     "mv %2, tp\n\t"
                     "mv tp, t1\n\t"
                     "mv %3, a7"
                     : "+r"(a0), "=&r"(t0), "=&r"(tp), "=&r"(a7)
                     :
                     : "t0", "t1", "a7", "memory");
    out[0] = a0;
    out[1] = t0;
    out[2] = tp;
    out[3] = a7;
}

void reflect_and_return(void)
{
    struct exo_utcb *u = exo_utcb();

    u->libos[5] = 0;
    call_with_registers(&seen[0]);
    SHARED->value[0] = u->masked;
    SHARED->value[1] = u->libos[5];
    u->pending = 1;
    call_with_registers(&seen[4]);
    SHARED->value[2] = u->masked;
    SHARED->value[3] = u->libos[5];
}

void reflect_return_was_right(void)
{
    for (unsigned i = 0; i < 8; i += 4) {
        EXPECT(seen[i], 0x1234);
        EXPECT(seen[i + 1], 0x70);
        EXPECT(seen[i + 2], 0x71);
        EXPECT(seen[i + 3], 39);
    }
    EXPECT(SHARED->value[0], 0);
    EXPECT(SHARED->value[1], 0);
    EXPECT(SHARED->value[2], 0);
    EXPECT(SHARED->value[3], 1);
}
