/* SPDX-License-Identifier: MIT */
/*
 * The kernel's final page tables: the half of every address space that user code cannot touch.
 *
 * No page is writable and executable, under any of its addresses: the image has its rights section
 * by section, and in the direct map - where nothing is executable - its text and constants are
 * read-only as well. All entries are global, since they are the same in every space.
 *
 * How the tables are made is in hal/tables/kernel.h.
 */
#include <hal/tables/kernel.h>
#include "machine.h"

#define TEXT     (KERNEL_CONSTANTS | PTE_X)
#define DEVICE   KERNEL_DATA
#define TRIAL_VA (DEVICE_BASE + PAGE)

static void map_image(void)
{
    kernel_map_image(image_start, text_end, TEXT);
    kernel_map_image(text_end, rodata_end, KERNEL_CONSTANTS);
    kernel_map_image(rodata_end, kernel_stacks, KERNEL_DATA);
    for (char *stack = kernel_stacks; stack < kernel_stacks_end; stack += KERNEL_STACK_STEP)
        kernel_map_image(stack + PAGE, stack + KERNEL_STACK_STEP, KERNEL_DATA);
    kernel_map_image(kernel_stacks_end + PAGE, image_end, KERNEL_DATA);
}

/* Whether the processor notes accesses in the entry by itself, A and D alike (4.3.1): a store is tried, on
 * a page whose entry does not say D. */
static void use_try(void)
{
    kernel_map(TRIAL_VA, kernel_table_take(), PAGE, KERNEL_DATA & ~PTE_D);
    probe_store(TRIAL_VA);
    cpu_features.notes_use = *kernel_entry_at(TRIAL_VA, 12) & PTE_D;
    *kernel_entry_at(TRIAL_VA, 12) = 0;
    translation_forget(TRIAL_VA);
}

void paging_start(struct hal_boot *boot)
{
    const struct machine_info *m = &machine_info;

    kernel_tables_begin(boot);
    map_image();
    kernel_map_ram(boot);
    if (m->rtc_pa)
        kernel_map(RTC_VA, m->rtc_pa & ~(PAGE - 1), PAGE, DEVICE);
    if (m->plic_pa)
        kernel_map(PLIC_VA, m->plic_pa & ~(PAGE - 1), page_up(m->plic_bytes), DEVICE);
    csr_write(satp, (uint64_t)SATP_SV48 << 60 | kernel_root >> 12);
    __asm__ volatile("sfence.vma" : : : "memory");
    use_try();

    kernel_tables_end(boot);
}
