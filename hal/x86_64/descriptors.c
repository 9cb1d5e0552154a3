/* SPDX-License-Identifier: MIT */
/*
 * Segment, task and interrupt descriptors (SDM volume 3, chapters 3, 6 and 8), and the gs base.
 */
#include "machine.h"

/* A gate of the IDT (SDM volume 3, 6.14.1). */
struct gate {
    uint16_t offset_low, selector;
    uint8_t ist, type;
    uint16_t offset_middle;
    uint32_t offset_high, reserved;
};

#define GATE_INTERRUPT 0x8e /* present, interrupts off while it runs, from the kernel only */
#define GATE_USER      0x60 /* ... and from user mode by an int instruction */

struct pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

struct machine_cpu machine_cpus[HAL_CPUS];
static alignas(16) struct gate idt[256]; /* the same for all CPUs */

static void gate_set(unsigned vector, const char *code, unsigned ist, uint8_t type)
{
    uint64_t offset = (uint64_t)code;
    idt[vector] = (struct gate){
        .offset_low = (uint16_t)offset,
        .selector = KERNEL_CS,
        .ist = (uint8_t)ist,
        .type = type,
        .offset_middle = (uint16_t)(offset >> 16),
        .offset_high = (uint32_t)(offset >> 32),
    };
}

/* The three that can hit the kernel anywhere, even between swapgs and a good stack, get stacks of
 * their own. All others strike user code, or kernel code that expects them. */
static void idt_fill(void)
{
    for (unsigned vector = 0; vector < 256; vector++)
        gate_set(vector, trap_stubs + 16 * vector, 0, GATE_INTERRUPT);
    gate_set(VECTOR_BREAKPOINT, trap_stubs + 16 * VECTOR_BREAKPOINT, 0, GATE_INTERRUPT | GATE_USER);
    gate_set(VECTOR_NMI, fatal_nmi, 1, GATE_INTERRUPT);
    gate_set(VECTOR_DOUBLE_FAULT, fatal_double_fault, 2, GATE_INTERRUPT);
    gate_set(VECTOR_MACHINE_CHECK, fatal_machine_check, 3, GATE_INTERRUPT);
}

static void idt_load(void)
{
    struct pointer pointer = {sizeof idt - 1, (uint64_t)idt};
    __asm__ volatile("lidt %0" : : "m"(pointer));
}

static void tss_load(struct machine_cpu *cpu)
{
    uint64_t base = (uint64_t)&cpu->tss;

    cpu->tss.rsp[0] = cpu->cpu.kernel_stack; /* until the first hal_context_switch */
    for (unsigned i = 0; i < 3; i++)
        cpu->tss.ist[i] = (uint64_t)fatal_stacks + (cpu->cpu.number * 3 + i + 1) * FATAL_STACK_STEP;
    cpu->tss.io_map = sizeof cpu->tss; /* beyond the limit: no port for user mode */

    cpu->gdt[TSS_SEL / 8] = (sizeof cpu->tss - 1) | (base & 0xffffff) << 16 | (uint64_t)0x89 << 40 |
                            (base >> 24 & 0xff) << 56;
    cpu->gdt[TSS_SEL / 8 + 1] = base >> 32;
    __asm__ volatile("ltr %w0" : : "r"(TSS_SEL));
}

static void gdt_load(struct machine_cpu *cpu)
{
    cpu->gdt[KERNEL_CS / 8] = 0x00af9b000000ffff;
    cpu->gdt[KERNEL_DS / 8] = 0x00cf93000000ffff;
    cpu->gdt[USER_DS / 8] = 0x00cff3000000ffff;
    cpu->gdt[USER_CS / 8] = 0x00affb000000ffff;
    cpu->gdt[CPU_SEL / 8] = 0x0040f50000000000 | cpu->cpu.number;

    struct pointer pointer = {sizeof cpu->gdt - 1, (uint64_t)cpu->gdt};
    __asm__ volatile("lgdt %0\n\t"
                     "mov %1, %%ss"
                     :
                     : "m"(pointer), "r"(KERNEL_DS));
    /* cs was loaded by boot.S or trampoline.S from a table with the same descriptor at the same
     * place. */
}

void descriptors_start(unsigned number)
{
    struct machine_cpu *cpu = &machine_cpus[number];

    cpu->cpu.number = number;
    cpu->cpu.scratch[0] = (uint64_t)cpu; /* what hal_cpu() answers */
    cpu->cpu.kernel_stack = (uint64_t)kernel_stacks + (number + 1) * KERNEL_STACK_STEP;
    gdt_load(cpu);
    wrmsr(MSR_GS_BASE, (uint64_t)cpu);
    wrmsr(MSR_KERNEL_GS_BASE, 0);
    tss_load(cpu);
    if (number == 0)
        idt_fill();
    idt_load();
}
