/* SPDX-License-Identifier: MIT */
/*
 * The kernel's final page tables: the half of the address space that user code cannot touch.
 *
 * No page is writable and executable, under any of its addresses: the image has its rights section
 * by section, and in the direct map - where nothing is executable - its text and constants are
 * read-only as well. All entries are global, since there is one such half for all spaces.
 *
 * The tables come from the RAM behind the image (behind the archive, should the loader have put
 * that there) and stay for ever; together with the image they are cut out of hal_boot.ram.
 */
#include "machine.h"

#define PAGE ((uint64_t)EXO_PAGE_SIZE)

#define KERNEL    (PTE_VALID | PTE_INNER | PTE_AF | PTE_UXN)
#define TEXT      (KERNEL | PTE_RDONLY)
#define CONSTANTS (KERNEL | PTE_RDONLY | PTE_PXN)
#define DATA      (KERNEL | PTE_PXN)
#define DEVICE    (DATA | ATTR_DEVICE << PTE_ATTR_SHIFT)
#define NOT_BLOCK 2u /* bit 1: a page on the last level, a table above */

#define LARGE          0x200000u
#define DEVICE_LARGEST (32u * 1024 * 1024) /* of one device's registers that are mapped */

uint64_t kernel_root;
static uint64_t heap, heap_next, heap_end; /* where tables are taken from, physical */

static uint64_t round_up(uint64_t value)
{
    return (value + PAGE - 1) & ~(PAGE - 1);
}

/* From behind the image up to what comes next: the archive, the end of that RAM, or of the GiB that
 * the early tables map. */
static void heap_find(const struct hal_boot *boot)
{
    uint64_t archive = boot->archive.base, archive_end = archive + boot->archive.bytes;

    heap = image_pa(image_end);
    if (boot->archive.bytes && archive < heap + 512 * PAGE && archive_end > heap)
        heap = round_up(archive_end);
    for (unsigned i = 0; i < boot->ram_count; i++) {
        const struct hal_range *ram = &boot->ram[i];
        if (heap >= ram->base && heap < ram->base + ram->bytes)
            heap_end = ram->base + ram->bytes;
    }
    if (archive >= heap && archive < heap_end)
        heap_end = archive & ~(PAGE - 1);
    uint64_t early_end = ((boot_image_pa >> 30) + 1) << 30;
    if (heap_end > early_end)
        heap_end = early_end;
    heap_next = heap;
}

static uint64_t table_take(void)
{
    if (heap_next >= heap_end)
        kernel_panic("no RAM behind the kernel for its page tables");
    hal_page_zero(direct_ptr(heap_next));
    heap_next += PAGE;
    return heap_next - PAGE;
}

/* The entry that maps 1 << shift bytes at va, with the tables above it. */
static uint64_t *entry_at(uint64_t va, unsigned shift)
{
    uint64_t *table = direct_ptr(kernel_root);

    for (unsigned level = 39; level > shift; level -= 9) {
        uint64_t *entry = &table[va >> level & 511];
        if (!*entry)
            *entry = table_take() | PTE_VALID | NOT_BLOCK;
        table = direct_ptr(*entry & PTE_FRAME);
    }
    return &table[va >> shift & 511];
}

/* Maps [pa, pa + bytes) at va with the largest pages that fit. */
static void map(uint64_t va, uint64_t pa, uint64_t bytes, uint64_t rights)
{
    while (bytes) {
        unsigned shift = 30;
        while (shift > 12 && (((va | pa) & (((uint64_t)1 << shift) - 1)) || bytes >> shift == 0))
            shift -= 9;
        *entry_at(va, shift) = pa | rights | (shift > 12 ? 0 : NOT_BLOCK);
        va += (uint64_t)1 << shift;
        pa += (uint64_t)1 << shift;
        bytes -= (uint64_t)1 << shift;
    }
}

static void map_image_part(const char *from, const char *to, uint64_t rights)
{
    map((uint64_t)from, image_pa(from), (uint64_t)(to - from), rights);
}

/* All but the page below each stack. */
static void map_image(void)
{
    const char *at = rodata_end;

    map_image_part(image_start, text_end, TEXT);
    map_image_part(text_end, rodata_end, CONSTANTS);
    for (unsigned cpu = 0; cpu < HAL_CPUS; cpu++) {
        const char *stack = kernel_stacks + cpu * KERNEL_STACK_STEP + KERNEL_STACK_BYTES;
        map_image_part(at, stack - PAGE, DATA);
        at = stack;
    }
    for (unsigned cpu = 0; cpu < HAL_CPUS; cpu++) {
        const char *guard = fatal_stacks + cpu * FATAL_STACK_STEP;
        map_image_part(at, guard, DATA);
        at = guard + PAGE;
    }
    map_image_part(at, image_end, DATA);
}

static uint64_t clamp(uint64_t value, uint64_t low, uint64_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* One range of RAM; the part that is kernel text or constants is not writable. */
static void map_direct(uint64_t from, uint64_t to)
{
    uint64_t fixed = clamp(image_pa(image_start), from, to);
    uint64_t fixed_end = clamp(image_pa(rodata_end), from, to);

    map(DIRECT_BASE + from, from, fixed - from, DATA);
    map(DIRECT_BASE + fixed, fixed, fixed_end - fixed, CONSTANTS);
    map(DIRECT_BASE + fixed_end, fixed_end, to - fixed_end, DATA);
}

/* The next free addresses from DEVICE_BASE on, such that large pages fit as far as they can. */
static void map_device(struct device *device)
{
    static uint64_t next = DEVICE_BASE;
    uint64_t pa = device->pa & ~(PAGE - 1), end = round_up(device->pa + device->bytes);

    if (device->bytes == 0)
        return;
    if (end - pa > DEVICE_LARGEST)
        end = pa + DEVICE_LARGEST;
    uint64_t va = next + (pa & (LARGE - 1));
    map(va, pa, end - pa, DEVICE);
    device->va = va + (device->pa - pa);
    next = (va + (end - pa) + LARGE - 1) & ~(uint64_t)(LARGE - 1);
}

void paging_start(struct hal_boot *boot)
{
    heap_find(boot);
    kernel_root = table_take();
    map_image();
    for (unsigned i = 0; i < boot->ram_count; i++)
        map_direct(boot->ram[i].base, boot->ram[i].base + boot->ram[i].bytes);
    map_device(&machine_info.distributor);
    for (unsigned i = 0; i < REDISTRIBUTORS; i++)
        map_device(&machine_info.redistributor[i]);
    map_device(&machine_info.uart);
    map_device(&machine_info.rtc);

    ram_cut(boot, image_pa(image_start), image_pa(image_end));
    ram_cut(boot, heap, heap_next);

    /* The tables are complete before a walk sees them; then the switch, from the one-to-one map. */
    __asm__ volatile("dsb ishst" : : : "memory");
    void (*replace)(uint64_t, uint64_t) =
        (void (*)(uint64_t, uint64_t))image_pa((const void *)kernel_root_replace);
    replace(kernel_root, image_pa(empty_root));
    hal_space_switch(0);
}
