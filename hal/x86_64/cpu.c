/* SPDX-License-Identifier: MIT */
/*
 * The processor's features and control registers.
 *
 * Required: what every x86_64 processor has (SYSCALL, SSE2, PAE, global pages, NX). Everything else
 * is used where CPUID reports it. Bits: SDM volume 3, 2.5 and 2.6; volume 2, CPUID.
 */
#include "machine.h"

#define CR4_PGE        (1u << 7)
#define CR4_OSFXSR     (1u << 9)
#define CR4_OSXMMEXCPT (1u << 10)
#define CR4_UMIP       (1u << 11)
#define CR4_FSGSBASE   (1u << 16)
#define CR4_OSXSAVE    (1u << 18)
#define CR4_SMEP       (1u << 20)
#define CR4_SMAP       (1u << 21)
#define CR0_EM         (1u << 2)
#define CR0_TS         (1u << 3)
#define CR0_AM         (1u << 18)
#define EFER_NXE       (1u << 11)

/* Flags that SYSCALL clears: AC NT IOPL DF IF TF. */
#define SYSCALL_MASK 0x47700u

#define XCR0_X87_SSE 0x3u
#define XCR0_AVX     0x4u
#define XCR0_AVX512  0xe0u

struct cpu_features cpu_features;
uint64_t hal_features[HAL_FEATURES]; /* CPUID says it */

struct cpuid {
    uint32_t a, b, c, d;
};

static struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r;
    __asm__ volatile("cpuid"
                     : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d)
                     : "0"(leaf), "2"(subleaf));
    return r;
}

/* Leaf 7 if there is one: asking beyond the highest leaf answers with the highest leaf's bits. */
static struct cpuid cpuid_7(void)
{
    return cpuid(0, 0).a >= 7 ? cpuid(7, 0) : (struct cpuid){0};
}

/* Switches the register sets on that struct hal_fpu has room for. */
static void vectors_start(void)
{
    uint64_t supported = cpuid(0xd, 0).a, set = XCR0_X87_SSE;

    if (supported & XCR0_AVX)
        set |= XCR0_AVX;
    if ((supported & XCR0_AVX512) == XCR0_AVX512)
        set |= XCR0_AVX512;
    __asm__ volatile("xsetbv" : : "c"(0), "a"((uint32_t)set), "d"(0));
    cpu_features.avx = set & XCR0_AVX;
    if (cpuid(0xd, 0).b > sizeof(struct hal_fpu))
        kernel_panic("the vector registers need %u bytes", cpuid(0xd, 0).b);
}

static void control_start(struct cpuid one, struct cpuid seven)
{
    uint64_t cr0, cr4;

    __asm__("mov %%cr0, %0" : "=r"(cr0));
    cr0 &= ~(uint64_t)(CR0_EM | CR0_TS);
    cr0 |= CR0_AM;
    __asm__ volatile("mov %0, %%cr0" : : "r"(cr0));

    __asm__("mov %%cr4, %0" : "=r"(cr4));
    cr4 |= CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    cr4 |= one.c & 1u << 26 ? CR4_OSXSAVE : 0;
    cr4 |= seven.b & 1u << 0 ? CR4_FSGSBASE : 0;
    cr4 |= seven.b & 1u << 7 ? CR4_SMEP : 0;
    cr4 |= seven.b & 1u << 20 ? CR4_SMAP : 0;
    cr4 |= seven.c & 1u << 2 ? CR4_UMIP : 0;
    __asm__ volatile("mov %0, %%cr4" : : "r"(cr4) : "memory");
}

/* Without SMAP the instructions of smap.inc are invalid: a 3-byte no-op takes their place. The early
 * tables still let us write to the text. */
static void smap_remove(void)
{
    for (const uint64_t *site = smap_sites; site < smap_sites_end; site++) {
        volatile uint8_t *code = (volatile uint8_t *)*site;
        code[0] = 0x0f;
        code[1] = 0x1f;
        code[2] = 0x00;
    }
    cpuid(0, 0); /* serializes: the changed instructions are fetched again */
}

/* What every CPU has to be told. */
static void registers_start(struct cpuid one, struct cpuid seven)
{
    control_start(one, seven);
    if (cpu_features.xsave)
        vectors_start();
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
    wrmsr(MSR_STAR, (uint64_t)USER_BASE << 48 | (uint64_t)KERNEL_CS << 32);
    wrmsr(MSR_LSTAR, (uint64_t)syscall_entry);
    wrmsr(MSR_SFMASK, SYSCALL_MASK);
    if (cpu_features.rdtscp)
        wrmsr(MSR_TSC_AUX, hal_cpu()->number);
}

void cpu_start_other(void)
{
    registers_start(cpuid(1, 0), cpuid_7());
}

void cpu_start(void)
{
    struct cpuid one = cpuid(1, 0), seven = cpuid_7(), extended = cpuid(0x80000001, 0);

    if (!(extended.d & 1u << 20))
        kernel_panic("the processor has no NX bit");
    cpu_features.xsave = one.c & 1u << 26;
    cpu_features.rdrand = one.c & 1u << 30;
    cpu_features.tsc_deadline = one.c & 1u << 24;
    cpu_features.quick_switch = cpu_features.xsave && seven.b & 1u << 0;
    cpu_features.gigabyte = extended.d & 1u << 26;
    cpu_features.rdtscp = extended.d & 1u << 27;

    if (!(seven.b & 1u << 20))
        smap_remove();
    registers_start(one, seven);
}

uint64_t hal_entropy(void)
{
    static uint64_t state;
    uint64_t value = 0;
    bool good = false;

    for (unsigned i = 0; cpu_features.rdrand && !good && i < 10; i++)
        __asm__ volatile("rdrand %0" : "=r"(value), "=@ccc"(good));

    /* Splitmix64 over everything seen so far: an output never shows the counter itself. */
    state += (value ^ hal_ticks()) + 0x9e3779b97f4a7c15u;
    value = state;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    return value ^ value >> 31;
}
