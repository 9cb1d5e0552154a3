/* SPDX-License-Identifier: MIT */
/*
 * What the loader handed over: the device tree (Devicetree Specification 0.4; for its nodes Linux's
 * Documentation/devicetree/bindings). All that is needed is copied, because the tree lies in RAM that
 * the caller is going to use.
 *
 * Left out on purpose: devices behind a bus that translates addresses. None of those that the kernel
 * uses itself is behind one.
 */
#include <hal/device_tree/pci.h>
#include <hal/tables/kernel.h>
#include <libfdt.h>

#include "machine.h"

#define TREE_LIMIT 0x200000 /* the boot protocol's limit for its size */

struct machine_info machine_info;
static const void *tree;

/* ---- properties -------------------------------------------------------------------------------- */

static uint64_t cells_read(const fdt32_t *cells, int count)
{
    uint64_t value = 0;
    for (int i = 0; i < count; i++)
        value = value << 32 | fdt32_to_cpu(cells[i]);
    return value;
}

/* A property of one or two cells, which says by itself how many. */
static bool number_read(int node, const char *name, uint64_t *value)
{
    int bytes;
    const fdt32_t *cells = fdt_getprop(tree, node, name, &bytes);

    if (!cells || (bytes != 4 && bytes != 8))
        return false;
    *value = cells_read(cells, bytes / 4);
    return true;
}

static int cells_of(int node, const char *name, int otherwise)
{
    uint64_t count;

    return number_read(node, name, &count) && count <= 2 ? (int)count : otherwise;
}

/* Entry `index` of a node's `reg`. */
static bool reg_read(int node, int index, uint64_t *base, uint64_t *size)
{
    int parent = fdt_parent_offset(tree, node), bytes;
    int address = cells_of(parent, "#address-cells", 2),
        length = cells_of(parent, "#size-cells", 1);
    const fdt32_t *cells = fdt_getprop(tree, node, "reg", &bytes);

    if (!cells || address + length == 0 || bytes / 4 < (index + 1) * (address + length))
        return false;
    cells += index * (address + length);
    *base = cells_read(cells, address);
    *size = cells_read(cells + address, length);
    return true;
}

static bool device_read(int node, int index, struct device *device)
{
    return node >= 0 && reg_read(node, index, &device->pa, &device->bytes);
}

/* Interrupt `index` of a node, as the GIC's INTID (bindings: arm,gic-v3): three cells each, the first
 * of them 0 for shared and 1 for private lines. 0 if there is none. */
static uint32_t interrupt_read(int node, int index)
{
    int bytes;
    const fdt32_t *cells = fdt_getprop(tree, node, "interrupts", &bytes);

    if (!cells || bytes / 12 <= index)
        return 0;
    cells += 3 * index;
    return fdt32_to_cpu(cells[1]) + (fdt32_to_cpu(cells[0]) == 0 ? 32 : 16);
}

static int compatible(const char *with)
{
    return fdt_node_offset_by_compatible(tree, -1, with);
}

/* ---- memory ------------------------------------------------------------------------------------ */

static void ram_add(struct hal_boot *boot, uint64_t from, uint64_t to)
{
    from = (from + EXO_PAGE_SIZE - 1) & ~(EXO_PAGE_SIZE - 1);
    to &= ~(EXO_PAGE_SIZE - 1);
    if (to > DIRECT_LIMIT)
        to = DIRECT_LIMIT;
    if (from < to && boot->ram_count < HAL_RANGES)
        boot->ram[boot->ram_count++] = (struct hal_range){from, to - from};
}

/* Memory of the secure world alone, for instance, is "disabled" for us. */
static bool is_enabled(int node)
{
    int bytes;
    const char *status = fdt_getprop(tree, node, "status", &bytes);

    return !status || (status[0] == 'o' && status[1] == 'k'); /* "okay", and "ok" of old */
}

static void memory_read(struct hal_boot *boot)
{
    uint64_t base, size;
    int node = -1, child;

    while ((node = fdt_node_offset_by_prop_value(tree, node, "device_type", "memory", 7)) >= 0) {
        for (int i = 0; is_enabled(node) && reg_read(node, i, &base, &size); i++)
            ram_add(boot, base, base + size);
    }
    for (int i = 0; i < fdt_num_mem_rsv(tree); i++) {
        if (fdt_get_mem_rsv(tree, i, &base, &size) == 0)
            ram_cut(boot, base, base + size);
    }
    node = fdt_path_offset(tree, "/reserved-memory");
    fdt_for_each_subnode(child, tree, node)
    {
        for (int i = 0; reg_read(child, i, &base, &size); i++)
            ram_cut(boot, base, base + size);
    }
    if (boot->ram_count == 0)
        kernel_panic("the device tree names no memory");
}

/* ---- the rest ---------------------------------------------------------------------------------- */

static void chosen_read(struct hal_boot *boot)
{
    int node = fdt_path_offset(tree, "/chosen"), bytes;
    uint64_t start, end;

    if (node < 0)
        return;
    const char *line = fdt_getprop(tree, node, "bootargs", &bytes);
    for (int i = 0; line && i < bytes && i < (int)sizeof boot->command_line - 1 && line[i]; i++)
        boot->command_line[i] = line[i];
    if (number_read(node, "linux,initrd-start", &start) &&
        number_read(node, "linux,initrd-end", &end) && end > start)
        boot->archive = (struct hal_range){start, end - start};

    const uint8_t *seed = fdt_getprop(tree, node, "rng-seed", &bytes);
    for (int i = 0; seed && i < bytes; i++) /* FNV-1a: every byte counts */
        machine_info.seed = (machine_info.seed ^ seed[i]) * 0x100000001b3u;
}

static void console_read(struct hal_boot *boot)
{
    int node = compatible("arm,pl011");

    if (!device_read(node, 0, &machine_info.uart))
        return;
    machine_info.uart_irq = interrupt_read(node, 0);
    if (machine_info.uart_irq < 32)
        return;
    boot->console = (struct exo_console){.kind = EXO_CONSOLE_PL011,
                                         .irq = machine_info.uart_irq - 32,
                                         .base = machine_info.uart.pa,
                                         .bytes = (uint32_t)machine_info.uart.bytes};
}

static void interrupt_controller_read(void)
{
    int node = compatible("arm,gic-v3");
    uint64_t regions = 1;

    if (!device_read(node, 0, &machine_info.distributor))
        kernel_panic("the device tree names no GICv3");
    number_read(node, "#redistributor-regions", &regions);
    for (unsigned i = 0; i < regions && i < REDISTRIBUTORS; i++)
        device_read(node, 1 + (int)i, &machine_info.redistributor[i]);
}

/* The other CPUs, in the tree's order; the boot CPU, wherever it stands there, is number 0. */
static void cpus_read(void)
{
    int cpus = fdt_path_offset(tree, "/cpus"), node, bytes;
    int cells = cells_of(cpus, "#address-cells", 1);

    fdt_for_each_subnode(node, tree, cpus)
    {
        const char *type = fdt_getprop(tree, node, "device_type", &bytes);
        const fdt32_t *reg = fdt_getprop(tree, node, "reg", &bytes);

        if (!type || type[0] != 'c' || !reg || bytes != 4 * cells || !is_enabled(node))
            continue;
        uint64_t mpidr = cells_read(reg, cells);
        if (mpidr != machine_cpus[0].mpidr && hal_cpu_count < HAL_CPUS)
            machine_cpus[hal_cpu_count++].mpidr = mpidr;
    }
}

/* Bindings, arm,arch_timer: secure, non-secure, virtual, hypervisor. */
#define TIMER_VIRTUAL 2

void boot_info_read(struct hal_boot *boot)
{
    tree = direct_ptr(boot_device_tree);
    if (boot_device_tree == 0 || boot_device_tree >= DIRECT_LIMIT || fdt_check_header(tree) != 0 ||
        fdt_totalsize(tree) > TREE_LIMIT)
        kernel_panic("the loader gave no device tree");
    chosen_read(boot);
    log_start(boot->command_line); /* from here on there may be something to say */
    memory_read(boot);
    console_read(boot);
    interrupt_controller_read();
    cpus_read();
    machine_info.timer_irq = interrupt_read(compatible("arm,armv8-timer"), TIMER_VIRTUAL);
    if (machine_info.timer_irq == 0)
        kernel_panic("the device tree names no timer");
    device_read(compatible("arm,pl031"), 0, &machine_info.rtc);

    device_tree_pci(tree, &boot->pci);
    int psci = compatible("arm,psci-0.2"), bytes;
    const char *method = psci < 0 ? 0 : fdt_getprop(tree, psci, "method", &bytes);
    machine_info.firmware_hvc = method && method[0] == 'h';
    tree = 0;
}
