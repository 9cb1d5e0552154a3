/* SPDX-License-Identifier: MIT */
/* The machine's way to configuration space. */
#ifndef PCI_ACCESS_H
#define PCI_ACCESS_H

#include "config.h"
#include <exo/boot.h>

/** The way for what the boot record says; `config` is the capability to it. 0: there is none. */
const struct config_access *access_open(const struct exo_pci *pci, exo_cap config);

#endif
