/* SPDX-License-Identifier: MIT */
/*
 * The generic PCI host bridge (Linux's bindings, pci/host-generic-pci.yaml; IEEE 1275 PCI bus binding
 * 2.1 for addresses and interrupt maps): configuration space in memory, a window of addresses for
 * registers, and which line each device's interrupt pins are wired to. Machines with device trees share
 * this; only what lies where its address says (no translation) is taken.
 */
#include <libfdt.h>

#include "pci.h"

#define BUS_BYTES    0x100000u /* of configuration space */
#define PCI_CELLS    3         /* of a PCI address */
#define SPACE_32     2u        /* of the address' first cell, bits 24-25: memory below 4 GiB */
#define DEVICE(cell) ((cell) >> 11 & 31)

static uint64_t cells_read(const fdt32_t *cells, int count)
{
    uint64_t value = 0;

    while (count-- > 0)
        value = value << 32 | fdt32_ld(cells++);
    return value;
}

static int cells_of(const void *tree, int node, const char *name, int otherwise)
{
    int bytes;
    const fdt32_t *cell = node < 0 ? 0 : fdt_getprop(tree, node, name, &bytes);

    return cell && bytes == 4 && fdt32_ld(cell) <= 3 ? (int)fdt32_ld(cell) : otherwise;
}

/* Each entry: the PCI address, the same on the bus above, how much of it. */
static void window_read(const void *tree, int node, int above, struct exo_pci *pci)
{
    int bytes, entry = PCI_CELLS + above + 2;
    const fdt32_t *cells = fdt_getprop(tree, node, "ranges", &bytes);

    for (; cells && bytes >= entry * 4; cells += entry, bytes -= entry * 4) {
        uint64_t base = cells_read(cells + 1, 2), size = cells_read(cells + PCI_CELLS + above, 2);

        if ((fdt32_ld(cells) >> 24 & 3) != SPACE_32 ||
            base != cells_read(cells + PCI_CELLS, above) || base >= UINT32_MAX)
            continue;
        pci->window = base;
        pci->window_bytes = size < UINT32_MAX - base ? size : UINT32_MAX - base;
        return;
    }
}

/* The controllers number lines by one cell (PLIC), or by three (GIC), the first being 0 for the shared
 * lines that devices have. */
static uint32_t line_of(const fdt32_t *interrupt, int cells)
{
    if (cells == 3)
        return fdt32_ld(interrupt) == 0 ? fdt32_ld(interrupt + 1) : 0;
    return cells == 1 ? fdt32_ld(interrupt) : 0;
}

/* Each entry: a PCI address, a pin, the controller, an address there, the interrupt. The map repeats for
 * every 4 devices on the machines that we know; of one that does not no line is taken. */
static void pins_read(const void *tree, int node, struct exo_pci *pci)
{
    int bytes, mask_bytes;
    const fdt32_t *cells = fdt_getprop(tree, node, "interrupt-map", &bytes);
    const fdt32_t *mask = fdt_getprop(tree, node, "interrupt-map-mask", &mask_bytes);
    const fdt32_t *end = cells ? cells + bytes / 4 : 0;

    if (!mask || mask_bytes != 16 || DEVICE(fdt32_ld(mask)) != EXO_PCI_PINS - 1)
        return;
    while (end - cells >= PCI_CELLS + 2) {
        int controller = fdt_node_offset_by_phandle(tree, fdt32_ld(cells + PCI_CELLS + 1));
        int address = cells_of(tree, controller, "#address-cells", 0);
        int interrupt = cells_of(tree, controller, "#interrupt-cells", 0);
        uint32_t device = DEVICE(fdt32_ld(cells)), pin = fdt32_ld(cells + PCI_CELLS);
        const fdt32_t *where = cells + PCI_CELLS + 2 + address;

        if (controller < 0 || end - where < interrupt)
            return;
        if (device < EXO_PCI_PINS && pin >= 1 && pin <= EXO_PCI_PINS)
            pci->pins[device][pin - 1] = line_of(where, interrupt);
        cells = where + interrupt;
    }
}

void device_tree_pci(const void *tree, struct exo_pci *pci)
{
    int node = fdt_node_offset_by_compatible(tree, -1, "pci-host-ecam-generic"), bytes;
    int parent = node < 0 ? node : fdt_parent_offset(tree, node);
    int address = cells_of(tree, parent, "#address-cells", 2);
    int length = cells_of(tree, parent, "#size-cells", 1);
    const fdt32_t *reg = node < 0 ? 0 : fdt_getprop(tree, node, "reg", &bytes);

    if (!reg || bytes < 4 * (address + length))
        return;
    pci->config = cells_read(reg, address);
    pci->config_bytes = cells_read(reg + address, length);
    if (pci->config_bytes < BUS_BYTES || (pci->config & (BUS_BYTES - 1)) != 0)
        return;
    pci->kind = EXO_PCI_ECAM;
    window_read(tree, node, address, pci);
    pins_read(tree, node, pci);
}
