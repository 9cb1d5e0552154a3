/* SPDX-License-Identifier: MIT */
/*
 * The processor's features and control registers (DDI 0487, D17.2), beyond what boot.S needed for the
 * MMU.
 *
 * Required: Armv8.1 with PAN and the atomic instructions (LSE). SVE, SME, MTE and pointer
 * authentication stay off: the first three trap in user mode, the instructions of the last are
 * no-operations. What user mode may read of the identification is what Linux lets it: CTR_EL0,
 * DCZID_EL0, the virtual counter.
 */
#include "machine.h"

#define ISAR0_ATOMIC_SHIFT 20
#define ISAR0_RNDR_SHIFT   60
#define MMFR0_ASID_SHIFT   4
#define MMFR1_HAFDBS_SHIFT 0
#define MMFR1_PAN_SHIFT    20
#define MMFR2_E0PD_SHIFT   60
#define PFR0_DIT_SHIFT     48
#define PFR1_SSBS_SHIFT    4

#define TCR_E0PD1   ((uint64_t)1 << 56) /* user mode: kernel addresses fault without a walk */
#define CPACR_FP    (3u << 20)          /* FP and SIMD for both; SVE and SME for nobody */
#define CNTKCTL_VCT 2u                  /* user mode reads CNTVCT_EL0 and CNTFRQ_EL0 */
#define DCZID_NONE  0x10u
#define CTR_IDC     (1u << 28)
#define CTR_DIC     (1u << 29)
#define PSTATE_NZCV 0xf0000000u
#define PSTATE_DIT  (1u << 24)
#define PSTATE_SSBS (1u << 12)

struct cpu_features cpu_features;
uint64_t cpu_zero_block;
static uint64_t cache_type; /* CTR_EL0 */

static unsigned field(uint64_t id, unsigned shift)
{
    return (unsigned)(id >> shift) & 15;
}

static void features_read(void)
{
    uint64_t isar0 = SYSREG_READ(id_aa64isar0_el1), mmfr0 = SYSREG_READ(id_aa64mmfr0_el1);
    uint64_t mmfr1 = SYSREG_READ(id_aa64mmfr1_el1), zero = SYSREG_READ(dczid_el0);

    if (field(mmfr1, MMFR1_PAN_SHIFT) == 0 || field(isar0, ISAR0_ATOMIC_SHIFT) < 2)
        kernel_panic("the processor is older than Armv8.1");
    cpu_features.access_flag = field(mmfr1, MMFR1_HAFDBS_SHIFT) >= 1;
    cpu_features.dirty_bit = field(mmfr1, MMFR1_HAFDBS_SHIFT) >= 2;
    cpu_features.random = field(isar0, ISAR0_RNDR_SHIFT) != 0;
    cpu_features.asid16 = field(mmfr0, MMFR0_ASID_SHIFT) == 2;
    cpu_features.pstate_allowed = PSTATE_NZCV;
    if (field(SYSREG_READ(id_aa64pfr0_el1), PFR0_DIT_SHIFT))
        cpu_features.pstate_allowed |= PSTATE_DIT;
    if (field(SYSREG_READ(id_aa64pfr1_el1), PFR1_SSBS_SHIFT))
        cpu_features.pstate_allowed |= PSTATE_SSBS;
    cpu_zero_block = zero & DCZID_NONE ? 0 : (uint64_t)4 << (zero & 15);
    cache_type = SYSREG_READ(ctr_el0);
}

/* Fields of the identification registers, and the bits of AT_HWCAP and AT_HWCAP2 (64 and up) that Linux
 * announces from `least` on (Documentation/arch/arm64/elf_hwcaps.rst). Only what needs no state but
 * that of FP and SIMD, and no instruction that traps. */
enum { ISAR0, ISAR1, MMFR2, PFR0, PFR1 };
static const struct {
    uint8_t id, shift, least, bit;
} announced[] = {
    {ISAR0, 4, 1, 3},        {ISAR0, 4, 2, 4},        /* aes pmull */
    {ISAR0, 8, 1, 5},        {ISAR0, 12, 1, 6},       /* sha1 sha2 */
    {ISAR0, 16, 1, 7},       {ISAR0, 20, 2, 8},       /* crc32 atomics */
    {ISAR0, 28, 1, 12},      {ISAR1, 12, 1, 13},      /* asimdrdm jscvt */
    {ISAR1, 16, 1, 14},      {ISAR1, 20, 1, 15},      /* fcma lrcpc */
    {ISAR1, 0, 1, 16},       {ISAR0, 32, 1, 17},      /* dcpop sha3 */
    {ISAR0, 36, 1, 18},      {ISAR0, 40, 1, 19},      /* sm3 sm4 */
    {ISAR0, 44, 1, 20},      {ISAR0, 12, 2, 21},      /* asimddp sha512 */
    {ISAR0, 48, 1, 23},      {PFR0, 48, 1, 24},       /* asimdfhm dit */
    {MMFR2, 32, 1, 25},      {ISAR1, 20, 2, 26},      /* uscat ilrcpc */
    {ISAR0, 52, 1, 27},      {PFR1, 4, 2, 28},        /* flagm ssbs */
    {ISAR1, 36, 1, 29},      {ISAR1, 0, 2, 64 + 0},   /* sb dcpodp */
    {ISAR0, 52, 2, 64 + 7},  {ISAR1, 32, 1, 64 + 8},  /* flagm2 frint */
    {ISAR1, 52, 1, 64 + 13}, {ISAR1, 44, 1, 64 + 14}, /* i8mm bf16 */
    {ISAR1, 48, 1, 64 + 15}, {ISAR0, 60, 1, 64 + 16}, /* dgh rng */
};

uint64_t hal_features[HAL_FEATURES];

/* 15: it is not there (DDI 0487, D17.1.3); 1: with half precision. */
static void float_announce(uint64_t pfr0)
{
    unsigned fp = field(pfr0, 16), simd = field(pfr0, 20);

    if (fp != 15)
        hal_features[0] |= 1u << 0 | (fp ? 1u << 9 : 0);
    if (simd != 15)
        hal_features[0] |= 1u << 1 | (simd ? 1u << 10 : 0);
}

static void features_announce(void)
{
    const uint64_t id[] = {
        [ISAR0] = SYSREG_READ(id_aa64isar0_el1), [ISAR1] = SYSREG_READ(id_aa64isar1_el1),
        [MMFR2] = SYSREG_READ(s3_0_c0_c7_2),     [PFR0] = SYSREG_READ(id_aa64pfr0_el1),
        [PFR1] = SYSREG_READ(id_aa64pfr1_el1),
    };

    float_announce(id[PFR0]);
    for (unsigned i = 0; i < sizeof announced / sizeof *announced; i++) {
        if (field(id[announced[i].id], announced[i].shift) >= announced[i].least)
            hal_features[announced[i].bit / 64] |= (uint64_t)1 << announced[i].bit % 64;
    }
    hal_features[2] = SYSREG_READ(midr_el1);
}

/* What every CPU has to be told. */
void cpu_start_other(void)
{
    uint64_t tcr = SYSREG_READ(tcr_el1);
    tcr |= cpu_features.asid16 ? TCR_AS : 0;
    tcr |= cpu_features.access_flag ? TCR_HA : 0;
    tcr |= cpu_features.dirty_bit ? TCR_HD : 0;
    /* ID_AA64MMFR2_EL1 by number: the assembler knows the name from Armv8.2 on only. */
    tcr |= field(SYSREG_READ(s3_0_c0_c7_2), MMFR2_E0PD_SHIFT) ? TCR_E0PD1 : 0;
    SYSREG_WRITE(tcr_el1,
                 tcr); /* the TLB may keep bits of it; paging_start and smp_arrive empty that */

    SYSREG_WRITE(cpacr_el1, CPACR_FP);
    SYSREG_WRITE(cntkctl_el1, CNTKCTL_VCT);
    SYSREG_WRITE(mdscr_el1, 0); /* no debug exceptions */
    SYSREG_WRITE(tpidr_el0, 0);
    SYSREG_WRITE(tpidrro_el0, 0);
    isb();
}

void cpu_start(void)
{
    features_read();
    features_announce();
    cpu_start_other();
}

/* ---- instruction caches ------------------------------------------------------------------------ */

/*
 * What a data cache holds must be where instruction fetches look, and the instruction cache must
 * forget what it had there (DDI 0487, B2.4.4). A processor that sees to either by itself says so.
 * The instruction caches are emptied whole, since the page may be fetched by other addresses than
 * ours. All for the inner shareable domain, that is for every CPU.
 */
void code_ready(pfn_t frame)
{
    uint64_t line = (uint64_t)4 << (cache_type >> 16 & 15), start = (uint64_t)hal_frame_ptr(frame);

    if (!(cache_type & CTR_IDC)) {
        for (uint64_t va = start; va < start + EXO_PAGE_SIZE; va += line)
            __asm__ volatile("dc cvau, %0" : : "r"(va) : "memory");
    }
    __asm__ volatile("dsb ish" : : : "memory"); /* the data is there before ... */
    if (!(cache_type & CTR_DIC)) {
        __asm__ volatile("ic ialluis\n\t"
                         "dsb ish" /* ... the old instructions go, and that is done before ... */
                         :
                         :
                         : "memory");
    }
    /* ... the return to user mode, which fetches anew: no isb is needed. */
}

/* ---- entropy ----------------------------------------------------------------------------------- */

uint64_t hal_entropy(void)
{
    static uint64_t state;
    uint64_t value = 0, good = 0;

    for (unsigned i = 0; cpu_features.random && !good && i < 10; i++)
        __asm__ volatile("mrs %0, s3_3_c2_c4_0\n\t" /* RNDR: Z is set if there is none */
                         "cset %1, ne"
                         : "=r"(value), "=r"(good)
                         :
                         : "cc");

    /* Splitmix64 over everything seen so far: an output never shows the counter itself. */
    state += (value ^ hal_ticks() ^ machine_info.seed) + 0x9e3779b97f4a7c15u;
    value = state;
    value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
    value = (value ^ value >> 27) * 0x94d049bb133111ebu;
    return value ^ value >> 31;
}
