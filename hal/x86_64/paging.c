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

#define TEXT   (PTE_P | PTE_G)
#define DEVICE (KERNEL_DATA | PTE_PCD | PTE_PWT)

static void map_image(void)
{
    const uint64_t image = image_pa(image_start), text = image_pa(text_end),
                   constants = image_pa(rodata_end);
    const uint64_t end = image_pa(image_end);
    uint64_t at = image_pa(kernel_stacks);

    kernel_map(KERNEL_BASE + image, image, text - image, TEXT);
    kernel_map(KERNEL_BASE + text, text, constants - text, KERNEL_CONSTANTS);
    kernel_map(KERNEL_BASE + constants, constants, at - constants, KERNEL_DATA);
    for (unsigned cpu = 0; cpu < HAL_CPUS; cpu++, at += KERNEL_STACK_STEP)
        kernel_map(KERNEL_BASE + at + PAGE, at + PAGE, KERNEL_STACK_STEP - PAGE, KERNEL_DATA);
    for (unsigned stack = 0; stack < 3 * HAL_CPUS; stack++, at += FATAL_STACK_STEP)
        kernel_map(KERNEL_BASE + at + PAGE, at + PAGE, FATAL_STACK_STEP - PAGE, KERNEL_DATA);
    kernel_map(KERNEL_BASE + at, at, end - at, KERNEL_DATA);
}

/* Copies the trampoline while the early tables let us write to where it belongs; the final ones do not
 * map that page at all. It runs on tables of its own, where the page is executable and read-only. */
static void trampoline_place(void)
{
    const uint64_t *kernel = (const uint64_t *)(DIRECT_BASE + kernel_root);
    char *page = (char *)(DIRECT_BASE + TRAMPOLINE_PA);
    uint64_t pa[4];

    for (unsigned i = 0; i < 4; i++)
        pa[i] = kernel_table_take();
    for (unsigned i = 0; i < 3; i++)
        ((uint64_t *)(DIRECT_BASE + pa[i]))[0] = pa[i + 1] | PTE_P | PTE_W;
    ((uint64_t *)(DIRECT_BASE + pa[3]))[TRAMPOLINE_PA / PAGE] = TRAMPOLINE_PA | PTE_P;
    ((uint64_t *)(DIRECT_BASE + pa[0]))[511] = kernel[511];
    for (const char *from = trampoline_start; from < trampoline_end; from++)
        page[from - trampoline_start] = *from;
    *(uint32_t *)(page + (trampoline_root - trampoline_start)) = (uint32_t)pa[0];
}

void paging_start(struct hal_boot *boot)
{
    kernel_tables_begin(boot);
    map_image();
    kernel_map_ram(boot);
    kernel_map(LAPIC_VA, acpi_info.lapic_pa & ~(PAGE - 1), PAGE, DEVICE);
    kernel_map(IOAPIC_VA, acpi_info.ioapic_pa & ~(PAGE - 1), PAGE, DEVICE);
    trampoline_place();

    kernel_tables_end(boot);
    __asm__ volatile("mov %0, %%cr3" : : "r"(kernel_root) : "memory");
}
