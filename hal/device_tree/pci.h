/* SPDX-License-Identifier: MIT */
/* The PCI host bridge of a machine that is described by a device tree. */
#ifndef HAL_DEVICE_TREE_PCI_H
#define HAL_DEVICE_TREE_PCI_H

#include <exo/boot.h>

/** What `tree` says of its first "pci-host-ecam-generic"; *pci stays as it is if there is none. */
void device_tree_pci(const void *tree, struct exo_pci *pci);

#endif
