/* SPDX-License-Identifier: MIT */
/* The kernel's half of the address space: see kernel.h. */
#include <hal/tables/kernel.h>
#include "machine.h"

uint64_t kernel_root;
static uint64_t heap, heap_next, heap_end; /* where tables are taken from, physical */

/* From behind the image up to what comes next: the archive, the end of that RAM, or of what the early
 * tables map. */
static void heap_find(const struct hal_boot *boot)
{
    uint64_t archive = boot->archive.base, archive_end = archive + boot->archive.bytes;

    heap = image_pa(image_end);
    if (boot->archive.bytes && archive < heap + 512 * PAGE && archive_end > heap)
        heap = page_up(archive_end);
    for (unsigned i = 0; i < boot->ram_count; i++) {
        const struct hal_range *ram = &boot->ram[i];
        if (heap >= ram->base && heap < ram->base + ram->bytes)
            heap_end = ram->base + ram->bytes;
    }
    if (archive >= heap && archive < heap_end)
        heap_end = archive & ~(PAGE - 1);
    if (heap_end > TABLE_EARLY_END)
        heap_end = TABLE_EARLY_END;
    heap_next = heap;
}

void kernel_tables_begin(const struct hal_boot *boot)
{
    heap_find(boot);
    kernel_root = kernel_table_take();
}

uint64_t kernel_table_take(void)
{
    if (heap_next >= heap_end)
        kernel_panic("no RAM behind the kernel for its page tables");
    hal_page_zero((void *)(DIRECT_BASE + heap_next));
    heap_next += PAGE;
    return heap_next - PAGE;
}

uint64_t *kernel_entry_at(uint64_t va, unsigned shift)
{
    uint64_t *table = (uint64_t *)(DIRECT_BASE + kernel_root);

    for (unsigned level = TABLE_TOP; level > shift; level -= 9) {
        uint64_t *entry = &table[va >> level & 511];
        if (!*entry)
            *entry = table_entry((pfn_t)(kernel_table_take() >> EXO_PAGE_SHIFT));
        table = table_of(*entry);
    }
    return &table[va >> shift & 511];
}

void kernel_map(uint64_t va, uint64_t pa, uint64_t bytes, uint64_t rights)
{
    while (bytes) {
        unsigned shift = TABLE_LARGEST;
        while (shift > 12 && (((va | pa) & (((uint64_t)1 << shift) - 1)) || bytes >> shift == 0))
            shift -= 9;
        *kernel_entry_at(va, shift) = table_leaf(pa, rights, shift);
        va += (uint64_t)1 << shift;
        pa += (uint64_t)1 << shift;
        bytes -= (uint64_t)1 << shift;
    }
}

void kernel_map_image(const char *from, const char *to, uint64_t rights)
{
    kernel_map((uint64_t)from, image_pa(from), (uint64_t)(to - from), rights);
}

static uint64_t clamp(uint64_t value, uint64_t low, uint64_t high)
{
    return value < low ? low : value > high ? high : value;
}

static void map_direct(uint64_t from, uint64_t to)
{
    uint64_t fixed = clamp(image_pa(image_start), from, to);
    uint64_t fixed_end = clamp(image_pa(rodata_end), from, to);

    kernel_map(DIRECT_BASE + from, from, fixed - from, KERNEL_DATA);
    kernel_map(DIRECT_BASE + fixed, fixed, fixed_end - fixed, KERNEL_CONSTANTS);
    kernel_map(DIRECT_BASE + fixed_end, fixed_end, to - fixed_end, KERNEL_DATA);
}

void kernel_map_ram(const struct hal_boot *boot)
{
    for (unsigned i = 0; i < boot->ram_count; i++)
        map_direct(boot->ram[i].base, boot->ram[i].base + boot->ram[i].bytes);
}

void ram_cut(struct hal_boot *boot, uint64_t from, uint64_t to)
{
    unsigned count = boot->ram_count;

    from &= ~(PAGE - 1);
    to = page_up(to);
    if (boot->kept_count == HAL_RANGES)
        kernel_panic("too many reserved ranges of memory");
    boot->kept[boot->kept_count++] = (struct hal_range){from, to - from};
    for (unsigned i = 0; i < count; i++) {
        struct hal_range *ram = &boot->ram[i];
        uint64_t end = ram->base + ram->bytes;
        if (to <= ram->base || from >= end)
            continue;
        ram->bytes = from > ram->base ? from - ram->base : 0;
        if (end <= to)
            continue;
        struct hal_range rest = {to, end - to};
        if (ram->bytes == 0)
            *ram = rest;
        else if (boot->ram_count < HAL_RANGES)
            boot->ram[boot->ram_count++] = rest;
    }
}

void kernel_tables_end(struct hal_boot *boot)
{
    ram_cut(boot, image_pa(image_start), image_pa(image_end));
    ram_cut(boot, heap, heap_next);
}
