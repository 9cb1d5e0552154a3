/* SPDX-License-Identifier: MIT */
/*
 * The kernel's final page tables: the half of the address space that user code cannot touch.
 *
 * No page is writable and executable, under any of its addresses: the image has its rights section
 * by section, and in the direct map - where nothing is executable - its text and constants are
 * read-only as well. All entries are global, since there is one such half for all spaces.
 *
 * How the tables are made is in hal/tables/kernel.h.
 */
#include <hal/tables/kernel.h>
#include "machine.h"

#define TEXT   (KERNEL_CONSTANTS & ~PTE_PXN)
#define DEVICE (KERNEL_DATA | ATTR_DEVICE << PTE_ATTR_SHIFT)

#define LARGE          0x200000u
#define DEVICE_LARGEST (32u * 1024 * 1024) /* of one device's registers that are mapped */

/* All but the page below each stack. */
static void map_image(void)
{
    const char *at = rodata_end;

    kernel_map_image(image_start, text_end, TEXT);
    kernel_map_image(text_end, rodata_end, KERNEL_CONSTANTS);
    for (unsigned cpu = 0; cpu < HAL_CPUS; cpu++) {
        const char *stack = kernel_stacks + cpu * KERNEL_STACK_STEP + KERNEL_STACK_BYTES;
        kernel_map_image(at, stack - PAGE, KERNEL_DATA);
        at = stack;
    }
    for (unsigned cpu = 0; cpu < HAL_CPUS; cpu++) {
        const char *guard = fatal_stacks + cpu * FATAL_STACK_STEP;
        kernel_map_image(at, guard, KERNEL_DATA);
        at = guard + PAGE;
    }
    kernel_map_image(at, image_end, KERNEL_DATA);
}

/* The next free addresses from DEVICE_BASE on, such that large pages fit as far as they can. */
static void map_device(struct device *device)
{
    static uint64_t next = DEVICE_BASE;
    uint64_t pa = device->pa & ~(PAGE - 1), end = page_up(device->pa + device->bytes);

    if (device->bytes == 0)
        return;
    if (end - pa > DEVICE_LARGEST)
        end = pa + DEVICE_LARGEST;
    uint64_t va = next + (pa & (LARGE - 1));
    kernel_map(va, pa, end - pa, DEVICE);
    device->va = va + (device->pa - pa);
    next = (va + (end - pa) + LARGE - 1) & ~(uint64_t)(LARGE - 1);
}

void paging_start(struct hal_boot *boot)
{
    kernel_tables_begin(boot);
    map_image();
    kernel_map_ram(boot);
    map_device(&machine_info.distributor);
    for (unsigned i = 0; i < REDISTRIBUTORS; i++)
        map_device(&machine_info.redistributor[i]);
    map_device(&machine_info.uart);
    map_device(&machine_info.rtc);

    kernel_tables_end(boot);

    /* The tables are complete before a walk sees them; then the switch, from the one-to-one map. */
    __asm__ volatile("dsb ishst" : : : "memory");
    void (*replace)(uint64_t, uint64_t) =
        (void (*)(uint64_t, uint64_t))image_pa((const void *)kernel_root_replace);
    replace(kernel_root, image_pa(empty_root));
    hal_space_switch(0);
}
