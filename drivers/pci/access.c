/* SPDX-License-Identifier: MIT */
/*
 * Two ways to bus 0's configuration space: PC ports, which take an address and then move the data (PCI
 * 3.0, 3.2.2.3.2), and memory, in which each function has 4 KiB (PCI Express 3.0, 7.2.2: ECAM).
 */
#include "access.h"

#include <exo.h>

#define CONFIG_VA 0x0000200000000000u
#define BUS_PAGES 256u

static exo_cap ports;

#define ADDRESS 0u /* ports, from the first on */
#define DATA    4u

static void port_select(pci_function f, uint32_t offset)
{
    exo_port_write(ports, ADDRESS, 4, 0x80000000u | f << 8 | (offset & ~3u));
}

static uint32_t port_config_read(pci_function f, uint32_t offset, uint32_t width)
{
    port_select(f, offset);
    return (uint32_t)exo_port_read(ports, DATA + (offset & 3), width);
}

static void port_config_write(pci_function f, uint32_t offset, uint32_t width, uint32_t value)
{
    port_select(f, offset);
    exo_port_write(ports, DATA + (offset & 3), width, value);
}

static uintptr_t memory_place(pci_function f, uint32_t offset)
{
    return CONFIG_VA + (uintptr_t)f * 4096 + offset;
}

static uint32_t memory_config_read(pci_function f, uint32_t offset, uint32_t width)
{
    uintptr_t at = memory_place(f, offset);

    return width == 1   ? *(volatile uint8_t *)at
           : width == 2 ? *(volatile uint16_t *)at
                        : *(volatile uint32_t *)at;
}

static void memory_config_write(pci_function f, uint32_t offset, uint32_t width, uint32_t value)
{
    uintptr_t at = memory_place(f, offset);

    if (width == 1)
        *(volatile uint8_t *)at = (uint8_t)value;
    else if (width == 2)
        *(volatile uint16_t *)at = (uint16_t)value;
    else
        *(volatile uint32_t *)at = value;
}

const struct config_access *access_open(const struct exo_pci *pci, exo_cap config)
{
    static const struct config_access by_ports = {port_config_read, port_config_write};
    static const struct config_access by_memory = {memory_config_read, memory_config_write};

    switch (pci->kind) {
    case EXO_PCI_PORTS: ports = config; return &by_ports;
    case EXO_PCI_ECAM:
        if (exo_map(0, CONFIG_VA, BUS_PAGES, config, 0, EXO_MAP_READ | EXO_MAP_WRITE) != EXO_OK)
            return 0;
        return &by_memory;
    default: return 0;
    }
}
