/* SPDX-License-Identifier: MIT */
/*
 * What the loader handed over: the device tree (Devicetree Specification 0.4), read with libfdt. All
 * of it is copied, because it lies in RAM that the caller is going to use. Everything is read through
 * the early map of the first 512 GiB.
 */
#include "machine.h"

#include <lib/string.h>
#include <hal/device_tree/pci.h>
#include <hal/tables/kernel.h>
#include <libfdt.h>

struct machine_info machine_info;

/* Whole pages of RAM, as far as the direct map reaches. */
static void ram_add(struct hal_boot *boot, uint64_t from, uint64_t to)
{
    from = (from + EXO_PAGE_SIZE - 1) & ~(EXO_PAGE_SIZE - 1);
    to &= ~(EXO_PAGE_SIZE - 1);
    if (to > DIRECT_LIMIT)
        to = DIRECT_LIMIT;
    if (from < to && boot->ram_count < HAL_RANGES)
        boot->ram[boot->ram_count++] = (struct hal_range){from, to - from};
}

/* ---- properties -------------------------------------------------------------------------------- */

static uint64_t cells_read(const fdt32_t *cells, int count)
{
    uint64_t value = 0;

    while (count-- > 0)
        value = value << 32 | fdt32_ld(cells++);
    return value;
}

/* A property of one or two cells. */
static uint64_t number(const void *tree, int node, const char *name, uint64_t otherwise)
{
    int bytes;
    const fdt32_t *cells = node < 0 ? 0 : fdt_getprop(tree, node, name, &bytes);

    return cells && (bytes == 4 || bytes == 8) ? cells_read(cells, bytes / 4) : otherwise;
}

/* Range `index` of a node's reg; its parent says how many cells it has. */
static bool reg_read(const void *tree, int node, int index, struct hal_range *range)
{
    int parent = fdt_parent_offset(tree, node), bytes;
    int address = (int)number(tree, parent, "#address-cells", 2);
    int size = (int)number(tree, parent, "#size-cells", 1);
    const fdt32_t *cells = fdt_getprop(tree, node, "reg", &bytes);

    if (!cells || address < 1 || address > 2 || size < 0 || size > 2 ||
        (index + 1) * (address + size) * 4 > bytes)
        return false;
    cells += index * (address + size);
    *range = (struct hal_range){cells_read(cells, address), cells_read(cells + address, size)};
    return true;
}

static bool is_of_type(const void *tree, int node, const char *type)
{
    const char *is = fdt_getprop(tree, node, "device_type", 0);

    return is && strcmp(is, type) == 0;
}

/* ---- memory ------------------------------------------------------------------------------------ */

static void memory_read(struct hal_boot *boot, const void *tree)
{
    struct hal_range range;
    int node, reserved = fdt_path_offset(tree, "/reserved-memory");

    fdt_for_each_subnode(node, tree, 0)
    {
        for (int i = 0; is_of_type(tree, node, "memory") && reg_read(tree, node, i, &range); i++)
            ram_add(boot, range.base, range.base + range.bytes);
    }
    if (reserved >= 0) {
        fdt_for_each_subnode(node, tree, reserved)
        {
            for (int i = 0; reg_read(tree, node, i, &range); i++)
                ram_cut(boot, range.base, range.base + range.bytes);
        }
    }
    for (int i = 0; i < fdt_num_mem_rsv(tree); i++) {
        if (fdt_get_mem_rsv(tree, i, &range.base, &range.bytes) == 0)
            ram_cut(boot, range.base, range.base + range.bytes);
    }
}

/* ---- what the loader chose --------------------------------------------------------------------- */

static void chosen_read(struct hal_boot *boot, const void *tree)
{
    int chosen = fdt_path_offset(tree, "/chosen"), bytes;

    if (chosen < 0)
        return;
    const char *line = fdt_getprop(tree, chosen, "bootargs", &bytes);
    for (int i = 0; line && i < bytes && line[i] && i < (int)sizeof boot->command_line - 1; i++)
        boot->command_line[i] = line[i];
    uint64_t start = number(tree, chosen, "linux,initrd-start", 0);
    uint64_t end = number(tree, chosen, "linux,initrd-end", 0);
    if (start < end)
        boot->archive = (struct hal_range){start, end - start};
    const uint8_t *seed = fdt_getprop(tree, chosen, "rng-seed", &bytes);
    for (int i = 0; seed && i < bytes; i++)
        machine_info.seed = (machine_info.seed ^ seed[i]) * 0x100000001b3u;
}

/* The serial port that stdout-path names; options may follow a colon. */
static void console_read(struct hal_boot *boot, const void *tree)
{
    const char *path = fdt_getprop(tree, fdt_path_offset(tree, "/chosen"), "stdout-path", 0);
    struct hal_range range;

    if (!path)
        return;
    const char *colon = strchr(path, ':');
    int node = fdt_path_offset_namelen(tree, path, colon ? (int)(colon - path) : (int)strlen(path));
    if (node < 0 || fdt_node_check_compatible(tree, node, "ns16550a") != 0 ||
        !reg_read(tree, node, 0, &range))
        return;
    boot->console = (struct exo_console){
        .kind = EXO_CONSOLE_16550,
        .irq = (uint32_t)number(tree, node, "interrupts", 0),
        .base = range.base,
        .bytes = (uint32_t)range.bytes,
        .shift = (uint32_t)number(tree, node, "reg-shift", 0),
    };
}

/* ---- processors and their devices -------------------------------------------------------------- */

/* True if the isa string has the extension `name` behind an underscore. */
static bool isa_has(const char *isa, const char *name)
{
    size_t bytes = strlen(name);

    while (isa && (isa = strchr(isa, '_')) != 0) {
        isa++;
        if (strncmp(isa, name, bytes) == 0 && (isa[bytes] == '\0' || isa[bytes] == '_'))
            return true;
    }
    return false;
}

/* Extensions without state of their own, which nobody has to switch on, and their bits of riscv_hwprobe
 * (Linux's Documentation/arch/riscv/hwprobe.rst, RISCV_HWPROBE_KEY_IMA_EXT_0). */
static const struct {
    const char *name;
    uint8_t bit;
} announced[] = {
    {"zba", 3},        {"zbb", 4},   {"zbs", 5},    {"zbc", 7},     {"zbkb", 8},
    {"zbkc", 9},       {"zbkx", 10}, {"zknd", 11},  {"zkne", 12},   {"zknh", 13},
    {"zksed", 14},     {"zksh", 15}, {"zkt", 16},   {"zfh", 27},    {"zfhmin", 28},
    {"zihintntl", 29}, {"zfa", 32},  {"zacas", 34}, {"zicond", 35}, {"zihintpause", 36},
};

uint64_t hal_features[HAL_FEATURES];

/* The letters that we know ("rv64imafdc_..."), as far as this port keeps their state. */
static void features_announce(const char *isa)
{
    if (!isa || strncmp(isa, "rv64", 4) != 0)
        isa = "rv64imac";
    for (const char *letter = isa + 4; *letter && *letter != '_'; letter++) {
        if (strchr("imafdc", *letter))
            hal_features[0] |= (uint64_t)1 << (*letter - 'a');
    }
    if (hal_features[0] >> ('d' - 'a') & 1)
        hal_features[1] |= 1u << 0;
    if (hal_features[0] >> ('c' - 'a') & 1)
        hal_features[1] |= 1u << 1;
    for (unsigned i = 0; i < sizeof announced / sizeof *announced; i++)
        hal_features[1] |= (uint64_t)isa_has(isa, announced[i].name) << announced[i].bit;
}

/* One that the firmware could start: the tree does not say that it is out of order, and it has the same
 * page tables. */
static void other_hart_add(const void *tree, int node, uint64_t hart)
{
    const char *status = fdt_getprop(tree, node, "status", 0);
    const char *mmu = fdt_getprop(tree, node, "mmu-type", 0);

    if ((status && strcmp(status, "okay") != 0) || !mmu || strcmp(mmu, "riscv,sv39") == 0 ||
        hal_cpu_count == HAL_CPUS)
        return;
    machine_cpus[hal_cpu_count++].hart = hart;
}

/* The boot hart's interrupt controller: its phandle. */
static uint32_t hart_read(const void *tree)
{
    int cpus = fdt_path_offset(tree, "/cpus"), node;
    uint32_t phandle = UINT32_MAX;
    struct hal_range range;

    machine_info.timebase_hz = number(tree, cpus, "timebase-frequency", 0);
    fdt_for_each_subnode(node, tree, cpus)
    {
        if (!is_of_type(tree, node, "cpu") || !reg_read(tree, node, 0, &range))
            continue;
        if (range.base != boot_hart) {
            other_hart_add(tree, node, range.base);
            continue;
        }
        features_announce(fdt_getprop(tree, node, "riscv,isa", 0));
        cpu_features.zicboz = isa_has(fdt_getprop(tree, node, "riscv,isa", 0), "zicboz");
        zero_block = (uint32_t)number(tree, node, "riscv,cboz-block-size", 0);
        if (!machine_info.timebase_hz)
            machine_info.timebase_hz = number(tree, node, "timebase-frequency", 0);
        int controller = fdt_subnode_offset(tree, node, "interrupt-controller");
        phandle = controller < 0 ? 0 : fdt_get_phandle(tree, controller);
    }
    if (phandle == UINT32_MAX)
        kernel_panic("the device tree has no processor %lu", boot_hart);
    return phandle;
}

/* Contexts of the PLIC are numbered in the order of interrupts-extended, which has two cells for each:
 * a hart's controller, and its interrupt: 9 is the supervisor's. */
static void plic_read(const void *tree, uint32_t hart)
{
    int node = fdt_node_offset_by_compatible(tree, -1, "sifive,plic-1.0.0"), bytes;
    struct hal_range range;

    if (node < 0)
        node = fdt_node_offset_by_compatible(tree, -1, "riscv,plic0");
    if (node < 0 || !reg_read(tree, node, 0, &range))
        return;
    const fdt32_t *cells = fdt_getprop(tree, node, "interrupts-extended", &bytes);
    for (int i = 0; cells && (i + 2) * 4 <= bytes; i += 2) {
        if (fdt32_ld(cells + i) != hart || fdt32_ld(cells + i + 1) != INTERRUPT_DEVICE)
            continue;
        machine_info.plic_pa = range.base;
        machine_info.plic_bytes = range.bytes;
        machine_info.plic_context = (uint32_t)i / 2;
        machine_info.plic_lines = (uint32_t)number(tree, node, "riscv,ndev", 0);
    }
}

static void rtc_read(const void *tree)
{
    int node = fdt_node_offset_by_compatible(tree, -1, "google,goldfish-rtc");
    struct hal_range range;

    if (node >= 0 && reg_read(tree, node, 0, &range))
        machine_info.rtc_pa = range.base;
}

void boot_info_read(struct hal_boot *boot)
{
    const void *tree = early_ptr(boot_device_tree);

    if (!early_reachable(boot_device_tree, 4096) || fdt_check_header(tree) != 0 ||
        !early_reachable(boot_device_tree, fdt_totalsize(tree)))
        kernel_panic("the loader gave no device tree");
    chosen_read(boot, tree);
    memory_read(boot, tree);
    console_read(boot, tree);
    plic_read(tree, hart_read(tree));
    rtc_read(tree);
    device_tree_pci(tree, &boot->pci);
}
