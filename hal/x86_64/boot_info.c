/* SPDX-License-Identifier: MIT */
/*
 * What the loader handed over: struct hvm_start_info of the PVH boot protocol (Xen,
 * xen/include/public/arch-x86/hvm/start_info.h). All of it is copied, because it may lie in RAM
 * that the caller is going to use. Everything is read through the early map of the first 4 GiB.
 */
#include "machine.h"

#define PVH_MAGIC 0x336ec578u
#define PVH_RAM   1u /* types are those of the BIOS's E820 call */

struct pvh_start {
    uint32_t magic, version, flags, modules;
    uint64_t module_list_pa, command_line_pa, rsdp_pa;
    uint64_t memory_map_pa; /* since version 1 */
    uint32_t memory_map_entries, reserved;
};

struct pvh_module {
    uint64_t pa, bytes, command_line_pa, reserved;
};

struct pvh_memory {
    uint64_t pa, bytes;
    uint32_t type, reserved;
};

extern uint64_t boot_start_info; /* boot.S */
struct acpi_info acpi_info;

/* Whole pages of RAM from 1 MiB on, as far as the direct map reaches. */
static void ram_add(struct hal_boot *boot, uint64_t from, uint64_t to)
{
    from = (from + EXO_PAGE_SIZE - 1) & ~(EXO_PAGE_SIZE - 1);
    to &= ~(EXO_PAGE_SIZE - 1);
    if (from < 0x100000)
        from = 0x100000;
    if (to > DIRECT_LIMIT)
        to = DIRECT_LIMIT;
    if (from < to && boot->ram_count < HAL_RANGES)
        boot->ram[boot->ram_count++] = (struct hal_range){from, to - from};
}

static void memory_map_read(struct hal_boot *boot, const struct pvh_start *start)
{
    if (start->version < 1 || !early_reachable(start->memory_map_pa, start->memory_map_entries *
                                                                         sizeof(struct pvh_memory)))
        kernel_panic("the loader gave no memory map");
    const struct pvh_memory *map = early_ptr(start->memory_map_pa);
    for (unsigned i = 0; i < start->memory_map_entries; i++) {
        if (map[i].type == PVH_RAM)
            ram_add(boot, map[i].pa, map[i].pa + map[i].bytes);
    }
}

static void command_line_read(struct hal_boot *boot, uint64_t pa)
{
    if (!early_reachable(pa, sizeof boot->command_line))
        return;
    const char *line = early_ptr(pa);
    for (size_t i = 0; i < sizeof boot->command_line - 1 && line[i]; i++)
        boot->command_line[i] = line[i];
}

void boot_info_read(struct hal_boot *boot)
{
    const struct pvh_start *start = early_ptr(boot_start_info);

    if (start->magic != PVH_MAGIC)
        kernel_panic("not started by the PVH protocol");
    memory_map_read(boot, start);
    command_line_read(boot, start->command_line_pa);
    if (start->modules && early_reachable(start->module_list_pa, sizeof(struct pvh_module))) {
        const struct pvh_module *module = early_ptr(start->module_list_pa);
        boot->archive = (struct hal_range){module->pa, module->bytes};
    }
    /* The kernel's image, and what PCs have always had down there. */
    boot->kept[boot->kept_count++] = (struct hal_range){0, 0x1000000};
    /* The first serial port has been there since the PC/AT. */
    boot->console =
        (struct exo_console){.kind = EXO_CONSOLE_16550_PORTS, .irq = 4, .base = 0x3f8, .bytes = 8};
    /* Configuration by ports is there in every PC (PCI 3.0, 3.2.2.3.2). Where its memory ends below
     * 4 GiB and the interrupt controllers begin, a PC has room for devices. */
    boot->pci = (struct exo_pci){.kind = EXO_PCI_PORTS,
                                 .messages = HAL_IRQS - HAL_WIRES,
                                 .first_message = HAL_WIRES,
                                 .config = 0xcf8,
                                 .config_bytes = 8,
                                 .window = 0xf0000000,
                                 .window_bytes = 0x8000000};
    acpi_read(start->rsdp_pa, &acpi_info);
}
