// SPDX-License-Identifier: MIT
/* x86_64: handlers' entries, and the instructions that trap. */
#include <calls/upcalls.h>

__asm__(".pushsection .text\n"
        ".globl upcall_entry, nested_entry, foreign_entry\n"
        "upcall_entry:\n"
        "    lea handler_stack+16384(%rip), %rsp\n"
        "    call on_upcall\n"
        "    ud2\n"
        "nested_entry:\n"
        "    lea handler_stack+8192(%rip), %rsp\n"
        "    call on_nested\n"
        "    ud2\n"
        "foreign_entry:\n"
        "    mov $0x1234, %eax\n"
        "    movl $0, %gs:112\n" /* masked */
        "    jmp *%gs:8\n"       /* reflect_pc */
        ".popsection\n");

/* movl $1, (%rax): six bytes. */
void store(uint64_t va)
{
    skip = 6;
    __asm__ volatile("movl $1, (%0)" : : "a"(va) : "memory");
}

const uint64_t exceptions_made = 7, exceptions_last = 3;

void exceptions(void)
{
    skip = 2;
    __asm__ volatile("ud2");
    skip = 1;
    __asm__ volatile("hlt");
    skip = 1;
    __asm__ volatile("cli");
    skip = 2;
    __asm__ volatile(
        "mov $7, %%eax; mov %%eax, %%ecx; xor %%edx, %%edx; xor %%ebx, %%ebx; div %%ebx"
        :
        :
        : "eax", "ebx", "ecx", "edx");
    skip = 2;
    __asm__ volatile("rdmsr" : : "c"(0xc0000082) : "eax", "edx");
    skip = 3;
    __asm__ volatile("mov %%cr3, %%rax" : : : "rax");
    skip = 0;
    __asm__ volatile("int3");
}

int64_t foreign_call(uint64_t number)
{
    int64_t result;

    __asm__ volatile("syscall" : "=a"(result) : "a"(number) : "rcx", "r11", "memory");
    return result;
}

static void set_registers(struct exo_upcall_frame *f)
{
    f->context.rbx = 0xb0b;
    f->context.r15 = 0xf15;
    f->context.rflags = UINT64_MAX & ~(uint64_t)0x100; /* IOPL, VM, NT, and all; no single step */
}

void see_registers(void)
{
    uint64_t rbx, r15, flags;

    change = set_registers;
    skip = 6;
    __asm__ volatile(
        "movl $1, (%3)\n\tmov %%rbx, %0\n\tmov %%r15, %1\n\tpushfq\n\tpop %2\n\tcld\n\t"
        "pushq $0x202\n\tpopfq"
        : "=&c"(rbx), "=&d"(r15), "=&S"(flags)
        : "a"(UNMAPPED)
        : "rbx", "r15", "memory");
    SHARED->value[0] = rbx;
    SHARED->value[1] = r15;
    SHARED->value[2] = flags;
}

void registers_were_checked(void)
{
    EXPECT(SHARED->value[0], 0xb0b);
    EXPECT(SHARED->value[1], 0xf15);
    EXPECT(SHARED->value[2] & 0x3000, 0);    /* IOPL */
    EXPECT(SHARED->value[2] & 0x200, 0x200); /* IF */
    EXPECT(SHARED->value[2] & 0x20000, 0);   /* VM */
}

void frame_spoil(struct exo_upcall_frame *f, uint64_t seed)
{
    if (seed & 64)
        f->context.rip = (uint64_t)KERNEL_VA;
    if (seed & 128)
        f->context.rip = EXO_USER_TOP - 1;
    if (seed & 256)
        f->context.rsp = (uint64_t)NONCANONICAL;
}

/* The handler jumps back by itself; foreign_entry shows it. */
void reflect_and_return(void)
{
    SHARED->value[0] = (uint64_t)exo_reflect_return();
}

void reflect_return_was_right(void)
{
    EXPECT(SHARED->value[0], EXO_ENOSYS);
}
