/* SPDX-License-Identifier: MIT */
/*
 * The kernel's final page tables: the half of every address space that user code cannot touch.
 *
 * No page is writable and executable, under any of its addresses: the image has its rights section
 * by section, and in the direct map - where nothing is executable - its text and constants are
 * read-only as well. All entries are global, since they are the same in every space.
 *
 * The tables come from the RAM behind the image (behind the archive, should the loader have put
 * that there) and stay for ever; together with the image they are cut out of hal_boot.ram.
 */
#include "machine.h"

#define PAGE       ((uint64_t)EXO_PAGE_SIZE)
#define PA(symbol) ((uint64_t)(symbol)-KERNEL_BASE)

#define TEXT      (PTE_P | PTE_G)
#define CONSTANTS (PTE_P | PTE_G | PTE_NX)
#define DATA      (PTE_P | PTE_W | PTE_G | PTE_NX)
#define DEVICE    (DATA | PTE_PCD | PTE_PWT)

uint64_t kernel_root;
static uint64_t heap, heap_next, heap_end; /* where tables are taken from, physical */

static uint64_t round_up(uint64_t value)
{
    return (value + PAGE - 1) & ~(PAGE - 1);
}

/* From behind the image up to what comes next: the archive or the end of that RAM. */
static void heap_find(const struct hal_boot *boot)
{
    uint64_t archive = boot->archive.base, archive_end = archive + boot->archive.bytes;

    heap = PA(image_end);
    if (boot->archive.bytes && archive < heap + 512 * PAGE && archive_end > heap)
        heap = round_up(archive_end);
    for (unsigned i = 0; i < boot->ram_count; i++) {
        const struct hal_range *ram = &boot->ram[i];
        if (heap >= ram->base && heap < ram->base + ram->bytes)
            heap_end = ram->base + ram->bytes;
    }
    if (archive >= heap && archive < heap_end)
        heap_end = archive & ~(PAGE - 1);
    if (heap_end > EARLY_LIMIT)
        heap_end = EARLY_LIMIT;
    heap_next = heap;
}

static uint64_t table_take(void)
{
    if (heap_next >= heap_end)
        kernel_panic("no RAM behind the kernel for its page tables");
    uint64_t *table = (uint64_t *)(DIRECT_BASE + heap_next);
    for (unsigned i = 0; i < 512; i++)
        table[i] = 0;
    heap_next += PAGE;
    return heap_next - PAGE;
}

/* The entry that maps 1 << shift bytes at va, with the tables above it. */
static uint64_t *entry_at(uint64_t va, unsigned shift)
{
    uint64_t *table = (uint64_t *)(DIRECT_BASE + kernel_root);

    for (unsigned level = 39; level > shift; level -= 9) {
        uint64_t *entry = &table[va >> level & 511];
        if (!*entry)
            *entry = table_take() | PTE_P | PTE_W;
        table = (uint64_t *)(DIRECT_BASE + (*entry & PTE_FRAME));
    }
    return &table[va >> shift & 511];
}

/* Maps [pa, pa + bytes) at va with the largest pages that fit. */
static void map(uint64_t va, uint64_t pa, uint64_t bytes, uint64_t rights)
{
    while (bytes) {
        unsigned shift = cpu_features.gigabyte ? 30 : 21;
        while (shift > 12 && (((va | pa) & (((uint64_t)1 << shift) - 1)) || bytes >> shift == 0))
            shift -= 9;
        *entry_at(va, shift) = pa | rights | (shift > 12 ? PTE_LARGE : 0);
        va += (uint64_t)1 << shift;
        pa += (uint64_t)1 << shift;
        bytes -= (uint64_t)1 << shift;
    }
}

static void map_image(void)
{
    const uint64_t image = PA(image_start), text = PA(text_end), constants = PA(rodata_end);
    const uint64_t end = PA(image_end);
    uint64_t at = PA(kernel_stacks);

    map(KERNEL_BASE + image, image, text - image, TEXT);
    map(KERNEL_BASE + text, text, constants - text, CONSTANTS);
    map(KERNEL_BASE + constants, constants, at - constants, DATA);
    for (unsigned cpu = 0; cpu < HAL_CPUS; cpu++, at += KERNEL_STACK_STEP)
        map(KERNEL_BASE + at + PAGE, at + PAGE, KERNEL_STACK_STEP - PAGE, DATA);
    for (unsigned stack = 0; stack < 3 * HAL_CPUS; stack++, at += FATAL_STACK_STEP)
        map(KERNEL_BASE + at + PAGE, at + PAGE, FATAL_STACK_STEP - PAGE, DATA);
    map(KERNEL_BASE + at, at, end - at, DATA);
}

/* Copies the trampoline while the early tables let us write to where it belongs; the final ones do not
 * map that page at all. It runs on tables of its own, where the page is executable and read-only. */
static void trampoline_place(void)
{
    const uint64_t *kernel = (const uint64_t *)(DIRECT_BASE + kernel_root);
    char *page = (char *)(DIRECT_BASE + TRAMPOLINE_PA);
    uint64_t pa[4];

    for (unsigned i = 0; i < 4; i++)
        pa[i] = table_take();
    for (unsigned i = 0; i < 3; i++)
        ((uint64_t *)(DIRECT_BASE + pa[i]))[0] = pa[i + 1] | PTE_P | PTE_W;
    ((uint64_t *)(DIRECT_BASE + pa[3]))[TRAMPOLINE_PA / PAGE] = TRAMPOLINE_PA | PTE_P;
    ((uint64_t *)(DIRECT_BASE + pa[0]))[511] = kernel[511];
    for (const char *from = trampoline_start; from < trampoline_end; from++)
        page[from - trampoline_start] = *from;
    *(uint32_t *)(page + (trampoline_root - trampoline_start)) = (uint32_t)pa[0];
}

static uint64_t clamp(uint64_t value, uint64_t low, uint64_t high)
{
    return value < low ? low : value > high ? high : value;
}

/* One range of RAM; the part that is kernel text or constants is not writable. */
static void map_direct(uint64_t from, uint64_t to)
{
    uint64_t fixed = clamp(PA(image_start), from, to), fixed_end = clamp(PA(rodata_end), from, to);

    map(DIRECT_BASE + from, from, fixed - from, DATA);
    map(DIRECT_BASE + fixed, fixed, fixed_end - fixed, CONSTANTS);
    map(DIRECT_BASE + fixed_end, fixed_end, to - fixed_end, DATA);
}

/* Takes [from, to) out of the usable RAM; at most one range is split in two. */
static void ram_cut(struct hal_boot *boot, uint64_t from, uint64_t to)
{
    unsigned count = boot->ram_count;

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

void paging_start(struct hal_boot *boot)
{
    heap_find(boot);
    kernel_root = table_take();
    map_image();
    for (unsigned i = 0; i < boot->ram_count; i++)
        map_direct(boot->ram[i].base, boot->ram[i].base + boot->ram[i].bytes);
    map(LAPIC_VA, acpi_info.lapic_pa & ~(PAGE - 1), PAGE, DEVICE);
    map(IOAPIC_VA, acpi_info.ioapic_pa & ~(PAGE - 1), PAGE, DEVICE);
    trampoline_place();

    ram_cut(boot, PA(image_start), PA(image_end));
    ram_cut(boot, heap, heap_next);
    __asm__ volatile("mov %0, %%cr3" : : "r"(kernel_root) : "memory");
}
