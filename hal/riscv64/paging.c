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
#define PA(symbol) ((uint64_t)(symbol)-KERNEL_BASE - IMAGE_OFFSET + boot_image)

#define CONSTANTS (PTE_V | PTE_R | PTE_G | PTE_A)
#define TEXT      (CONSTANTS | PTE_X)
#define DATA      (CONSTANTS | PTE_W | PTE_D)
#define DEVICE    DATA
#define TRIAL_VA  (DEVICE_BASE + PAGE)

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
            *entry = table_take() >> 2 | PTE_V;
        table = (uint64_t *)(DIRECT_BASE + ((*entry & PTE_PPN) << 2));
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
        *entry_at(va, shift) = pa >> 2 | rights;
        va += (uint64_t)1 << shift;
        pa += (uint64_t)1 << shift;
        bytes -= (uint64_t)1 << shift;
    }
}

static void map_symbols(const char *from, const char *to, uint64_t rights)
{
    map((uint64_t)from, PA(from), (uint64_t)(to - from), rights);
}

static void map_image(void)
{
    map_symbols(image_start, text_end, TEXT);
    map_symbols(text_end, rodata_end, CONSTANTS);
    map_symbols(rodata_end, kernel_stacks, DATA);
    for (char *stack = kernel_stacks; stack < kernel_stacks_end; stack += KERNEL_STACK_STEP)
        map_symbols(stack + PAGE, stack + KERNEL_STACK_STEP, DATA);
    map_symbols(kernel_stacks_end + PAGE, image_end, DATA);
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

/* Whether the processor notes accesses in the entry by itself, A and D alike (4.3.1): a store is tried, on
 * a page whose entry does not say D. */
static void use_try(void)
{
    map(TRIAL_VA, table_take(), PAGE, DATA & ~PTE_D);
    probe_store(TRIAL_VA);
    cpu_features.notes_use = *entry_at(TRIAL_VA, 12) & PTE_D;
    *entry_at(TRIAL_VA, 12) = 0;
    translation_forget(TRIAL_VA);
}

void paging_start(struct hal_boot *boot)
{
    const struct machine_info *m = &machine_info;

    heap_find(boot);
    kernel_root = table_take();
    map_image();
    for (unsigned i = 0; i < boot->ram_count; i++)
        map_direct(boot->ram[i].base, boot->ram[i].base + boot->ram[i].bytes);
    if (m->rtc_pa)
        map(RTC_VA, m->rtc_pa & ~(PAGE - 1), PAGE, DEVICE);
    if (m->plic_pa)
        map(PLIC_VA, m->plic_pa & ~(PAGE - 1), round_up(m->plic_bytes), DEVICE);
    csr_write(satp, (uint64_t)SATP_SV48 << 60 | kernel_root >> 12);
    __asm__ volatile("sfence.vma" : : : "memory");
    use_try();

    ram_cut(boot, PA(image_start), PA(image_end));
    ram_cut(boot, heap, heap_next);
}
