/* SPDX-License-Identifier: MIT */
/*
 * Configuration space (PCI Local Bus Specification 3.0, chapter 6), and how one gets there. What is in
 * it comes from devices: every offset and count read from there is checked.
 */
#ifndef PCI_CONFIG_H
#define PCI_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

enum {
    CONFIG_ID = 0x00,
    CONFIG_COMMAND = 0x04,
    CONFIG_STATUS = 0x06,
    CONFIG_CLASS = 0x08,
    CONFIG_HEADER = 0x0e,
    CONFIG_BAR = 0x10,
    CONFIG_CAPABILITIES = 0x34,
    CONFIG_PIN = 0x3d,
};
#define COMMAND_IO       0x1u
#define COMMAND_MEMORY   0x2u
#define COMMAND_MASTER   0x4u
#define COMMAND_NO_PIN   0x400u
#define STATUS_HAS_LIST  0x10u
#define HEADER_MANY      0x80u /* several functions */
#define CAPABILITY_MSIX  0x11u
#define CONFIG_BYTES     256u /* that are looked at */
#define CAPABILITIES_MAX 48u  /* as many fit; a longer list is a circle */

/* A function of bus 0: device << 3 | function. */
typedef uint32_t pci_function;

/** Width 1, 2 or 4, `offset` a multiple of it. A function that is not there reads as ones. */
struct config_access {
    uint32_t (*read)(pci_function f, uint32_t offset, uint32_t width);
    void (*write)(pci_function f, uint32_t offset, uint32_t width, uint32_t value);
};

/** The offset of capability `id`, 0 if there is none. */
uint32_t config_capability(const struct config_access *access, pci_function f, uint32_t id);

#define PCI_BARS 6u
struct pci_bar {
    uint64_t base, bytes; /* 0 bytes: no memory */
    bool wide;            /* takes the next register too */
};

/** Finds out how much memory the base address registers of a function with header type 0 stand for.
 *  It answers to no address meanwhile, and afterwards. */
void config_size(const struct config_access *access, pci_function f, struct pci_bar bars[PCI_BARS]);

/** Takes addresses from a window, each a multiple of its size and of a page. */
struct pci_window {
    uint64_t next, end;
};
/** Gives every register range a place and lets the function answer there. False: one has none, and the
 *  function stays switched off. */
bool config_place(const struct config_access *access, pci_function f, struct pci_bar bars[PCI_BARS],
                  struct pci_window *window);

#endif
