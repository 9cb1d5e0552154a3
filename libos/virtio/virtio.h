/* SPDX-License-Identifier: MIT */
/*
 * What all virtio drivers share (Virtual I/O Device 1.2; numbers in comments are its sections): a device
 * behind PCI, and its split virtqueues.
 *
 *     virtio_open(&v, EXO_SRV_PCI, 0, VA);          claimed, reset, not yet a bus master
 *     virtio_negotiate(&v, 1ull << MY_FEATURE);
 *     virtqueue_open(&v, &q, 0, memory, address, vector);
 *     virtio_run(&v);
 *     virtqueue_put(&q, parts, count, table, token);  virtqueue_kick(&q);
 *     while (virtqueue_take(&q, &token)) ...
 *
 * What a device writes is not trusted further than its DMA already is: indices are checked.
 */
#ifndef LIBOS_VIRTIO_H
#define LIBOS_VIRTIO_H

#include <exo/types.h>
#include <stdbool.h>
#include <stdint.h>

#define VIRTIO_F_INDIRECT  28u /* 2.7.7 */
#define VIRTIO_F_VERSION_1 32u

struct virtio {
    exo_cap pci;
    uint32_t number;          /* of the device, at pci */
    uint32_t messages;        /* that it can raise; 0: it has a pin */
    volatile uint8_t *common; /* 4.1.4.3 */
    volatile uint8_t *notify; /* 4.1.4.4 */
    volatile uint8_t *isr;    /* 4.1.4.5 */
    volatile uint8_t *config; /* 4.1.4.6: the kind of device's own */
    uint32_t config_bytes, notify_bytes;
    uint32_t notify_multiplier;
    uint64_t features; /* negotiated: a bit for each */
    exo_cap registers[6];
};

/** How much of the address space virtio_open takes. */
#define VIRTIO_VA_BYTES (6ull << 20)

/** Claims the n-th of the caller's devices, maps its registers from `va` on and resets it. 0, -ENODEV
 *  (there are no more), or another errno: it is of no use. */
int64_t virtio_open(struct virtio *v, exo_cap pci, uint64_t n, uint64_t va);
/** Takes the features that both know; VERSION_1 must be among them. False: the device does not agree. */
bool virtio_negotiate(struct virtio *v, uint64_t known);
static inline bool virtio_has(const struct virtio *v, unsigned feature)
{
    return v->features >> feature & 1;
}
/** The queues are there: the device may use them, and memory. */
void virtio_run(struct virtio *v);
/** Takes the device out of use, after a failure of virtio_open's successors. */
void virtio_fail(struct virtio *v);
/** Why a pin interrupted (and the line is let go): 0 if it was not this device. Not for messages. */
uint32_t virtio_isr(const struct virtio *v);
/** A field of the device's own configuration, of 1, 2, 4 or 8 bytes; 0 beyond its end. */
uint64_t virtio_config(const struct virtio *v, uint32_t offset, uint32_t bytes);
/** Of pci: the line that the device raises with message `vector`, or its pin; the page set. */
int64_t virtio_interrupt(const struct virtio *v, uint32_t vector, exo_cap *irq);
int64_t virtio_dma(const struct virtio *v, exo_cap *dma);

/* ---- queues (ring.c) ----------------------------------------------------------------------------- */

#define VIRTQUEUE_SIZE  128u
#define VIRTQUEUE_BYTES 4096u /* memory of one, aligned to 16 */

/* A piece of memory for the device. */
struct virtio_part {
    uint64_t address;
    uint32_t bytes;
    bool write; /* by the device; such pieces come last */
};

/* A descriptor (2.7.5). */
struct virtq_desc {
    uint64_t address;
    uint32_t bytes;
    uint16_t flags, next;
};

struct virtqueue {
    struct virtq_desc *desc;
    volatile uint16_t *avail; /* flags, index, ring (2.7.6) */
    volatile uint16_t *used;  /* flags, index, then pairs of 32 bits (2.7.8) */
    volatile uint16_t *bell;  /* where to tell the device; 0: not open */
    uint16_t number, size;
    uint16_t free, free_count; /* list of descriptors */
    uint16_t avail_index, used_index;
    uint16_t tokens[VIRTQUEUE_SIZE]; /* of the chain that begins at a descriptor */
    bool indirect;
};

/** Memory for a queue becomes an empty one; what virtqueue_open does before it tells the device. */
void virtqueue_init(struct virtqueue *q, void *memory, uint16_t size, bool indirect);
#define VIRTQUEUE_AVAIL 2048u /* offsets in the memory */
#define VIRTQUEUE_USED  2560u
/** Queue `number` of a device gets VIRTQUEUE_BYTES of zeroed memory, which the device sees at
 *  `address`, and raises message `vector`. False: there is no such queue. */
bool virtqueue_open(struct virtio *v, struct virtqueue *q, uint16_t number, void *memory,
                    uint64_t address, uint16_t vector);
/** Puts a request in. `table`, seen at `table_address`, has room for `count` descriptors, and is used
 *  if the device takes indirect ones. False: the queue is full. */
bool virtqueue_put(struct virtqueue *q, const struct virtio_part *parts, uint16_t count,
                   struct virtq_desc *table, uint64_t table_address, uint16_t token);
/** Tells the device of what was put in. */
void virtqueue_kick(struct virtqueue *q);
/** Takes one that the device is done with. False: there is none. */
bool virtqueue_take(struct virtqueue *q, uint16_t *token);

#endif
