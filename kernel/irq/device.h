/* SPDX-License-Identifier: MIT */
/*
 * Device authority: interrupt lines and I/O ports as objects, made from the platform capability.
 * An interrupt raises bits at a notification and stays masked until its driver acknowledges it, so a
 * driver that hangs costs one interrupt, not a storm.
 */
#ifndef KERNEL_IRQ_DEVICE_H
#define KERNEL_IRQ_DEVICE_H

#include <kernel/object.h>

struct notification;

struct irq {
    struct object object;
    uint32_t line;
    uint32_t bits;
    struct notification *target; /* holds a reference; 0: not bound */
};

struct ioport {
    struct object object;
    uint32_t first, count;
};

void irq_destroy(struct irq *irq);

#endif
