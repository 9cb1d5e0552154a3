/* SPDX-License-Identifier: MIT */
/*
 * The protocol of `pci`, the server of the PCI bus: it finds the devices, places their registers, and
 * gives each driver what belongs to its devices and nothing else.
 *
 * The caller's badge says which driver it is, and so which devices are its own (drivers/pci/owners.h).
 * A driver that was reborn claims its devices again: that takes bus mastering from the device, so
 * it reaches for no memory until the driver, having reset it, says PCI_MASTER.
 * The reply's w0 is >= 0 or a negative Linux errno.
 */
#ifndef PROTO_PCI_H
#define PROTO_PCI_H

#include <stdint.h>

enum pci_op {
    /* w0: n. The caller's n-th device, without bus mastering from now on. Reply: w0 = its number, for
     * the calls below; w1 = vendor | device << 16; w2 = how many messages it can raise (0: it has a
     * pin). -ENODEV: there is none. */
    PCI_CLAIM = 1,
    PCI_READ, /* w0: device; w1: offset; w2: 1, 2 or 4 bytes. Reply: w0 = of its configuration */
    PCI_REGISTERS, /* w0: device; w1: number of a base address register. Reply: w1 = bytes; 1
                      capability: their pages. -ENXIO: no memory; -EPERM: the messages' table */
    PCI_INTERRUPT, /* w0: device; w1: which message (0 for the pin). Reply: w1 = 1 if it is a message;
                      1 capability: the line. Several devices may have the same pin's line */
    PCI_DMA,       /* w0: device. Reply: 1 capability: the pages that it may reach */
    PCI_MASTER,    /* w0: device; w1: 1 to let it reach memory, 0 to stop it */
};

#endif
