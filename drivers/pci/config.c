/* SPDX-License-Identifier: MIT */
/* What configuration space says, and base address registers (6.2.5.1). Pure: config_access does the
 * accesses. Tests: tests/c17/unit/test_pci_config.c */
#include "config.h"

#define PAGE     4096u
#define BAR_IO   0x1u
#define BAR_WIDE 0x4u
#define BAR_MASK 0xfffffff0u

uint32_t config_capability(const struct config_access *access, pci_function f, uint32_t id)
{
    uint32_t at;

    if (!(access->read(f, CONFIG_STATUS, 2) & STATUS_HAS_LIST))
        return 0;
    at = access->read(f, CONFIG_CAPABILITIES, 1) & ~3u;
    for (unsigned i = 0; i < CAPABILITIES_MAX && at >= 0x40; i++) {
        if (access->read(f, at, 1) == id)
            return at;
        at = access->read(f, at + 1, 1) & ~3u;
    }
    return 0;
}

static uint32_t bar_offset(unsigned bar)
{
    return CONFIG_BAR + 4 * bar;
}

/* The bits of a register that can be set: those that count below its size. */
static uint32_t bar_probe(const struct config_access *access, pci_function f, unsigned bar)
{
    access->write(f, bar_offset(bar), 4, UINT32_MAX);
    return access->read(f, bar_offset(bar), 4);
}

static void command_change(const struct config_access *access, pci_function f, uint32_t clear,
                           uint32_t set)
{
    uint32_t command = access->read(f, CONFIG_COMMAND, 2);

    access->write(f, CONFIG_COMMAND, 2, (command & ~clear) | set);
}

void config_size(const struct config_access *access, pci_function f, struct pci_bar bars[PCI_BARS])
{
    command_change(access, f, COMMAND_IO | COMMAND_MEMORY | COMMAND_MASTER, 0);
    for (unsigned i = 0; i < PCI_BARS; i++) {
        uint32_t before = access->read(f, bar_offset(i), 4), low;
        uint64_t mask;

        bars[i] = (struct pci_bar){0};
        low = bar_probe(access, f, i);
        if (low & BAR_IO) { /* ports stay where the firmware put them, and are nobody's */
            access->write(f, bar_offset(i), 4, before);
            continue;
        }
        bars[i].wide = (low & BAR_WIDE) != 0 && i + 1 < PCI_BARS;
        mask = (low & BAR_MASK) | 0xffffffff00000000u;
        if (bars[i].wide)
            mask = (low & BAR_MASK) | (uint64_t)bar_probe(access, f, i + 1) << 32;
        /* The lowest bit that can be set is the size. */
        bars[i].bytes = (low & BAR_MASK) == 0 && !bars[i].wide ? 0 : mask & (0 - mask);
        if (bars[i].wide) {
            i++;
            bars[i] = (struct pci_bar){0};
        }
    }
}

static bool window_take(struct pci_window *window, struct pci_bar *bar)
{
    uint64_t align = bar->bytes < PAGE ? PAGE : bar->bytes;
    uint64_t base = (window->next + align - 1) & ~(align - 1);

    if (base < window->next || base > window->end || align > window->end - base)
        return false;
    bar->base = base;
    window->next = base + align;
    return true;
}

bool config_place(const struct config_access *access, pci_function f, struct pci_bar bars[PCI_BARS],
                  struct pci_window *window)
{
    for (unsigned i = 0; i < PCI_BARS; i++) {
        if (bars[i].bytes == 0)
            continue;
        if (!window_take(window, &bars[i]))
            return false;
        access->write(f, bar_offset(i), 4, (uint32_t)bars[i].base);
        if (bars[i].wide)
            access->write(f, bar_offset(i + 1), 4, (uint32_t)(bars[i].base >> 32));
    }
    command_change(access, f, 0, COMMAND_MEMORY);
    return true;
}
