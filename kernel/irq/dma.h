/* SPDX-License-Identifier: MIT */
/*
 * DMA objects: the pages that a device may reach by itself.
 *
 * A pin is a share of a frame, like any other holder's: while a device may still write to it the frame
 * belongs to nobody else, whatever becomes of the region it came from, and of its lender. The
 * object lives as long as any capability to it, so whoever can stop the device (the PCI server) holds
 * one, and a driver's death gives no frame back that the device still knows.
 *
 * For the life that made it, its slot is a kept one (EXO_CAP_KEEP) from the start and stays so: when a
 * driver that is a service is reborn, the frames remain in quarantine, until the new life, which finds the
 * slot by exo_cap_next, has stopped or reset its device and unpins them or gives the object up.
 *
 * Without an IOMMU the addresses are physical ones, and a driver of a DMA device is trusted.
 */
#ifndef KERNEL_IRQ_DMA_H
#define KERNEL_IRQ_DMA_H

#include <hal/hal.h>
#include <kernel/object.h>

struct dma {
    struct object object;
    pfn_t table; /* a frame of EXO_DMA_PINS frame numbers */
    uint64_t used[EXO_DMA_PINS / 64];
};
static_assert(EXO_DMA_PINS * sizeof(pfn_t) <= 4096, "the table is one frame");

void dma_destroy(struct dma *dma);

#endif
