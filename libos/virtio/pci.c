/* SPDX-License-Identifier: MIT */
/* A virtio device behind PCI (4.1). Its registers are found by vendor capabilities of its configuration
 * space, which name a base address register and a place in it. */
#include <exo.h>
#include <exo_machine/device.h>
#include <lib/linux/errno.h>
#include <libos/exo/ipc.h>
#include <libos/virtio/virtio.h>
#include <proto/pci.h>

/* PCI: the list of capabilities. */
#define CONFIG_CAPABILITIES 0x34u
#define CAPABILITY_VENDOR   9u
#define CAPABILITIES_MAX    48u
/* 4.1.4: fields of a capability, and the types. */
enum { CAP_TYPE = 3, CAP_BAR = 4, CAP_OFFSET = 8, CAP_BYTES = 12, CAP_MULTIPLIER = 16 };
enum { TYPE_COMMON = 1, TYPE_NOTIFY, TYPE_ISR, TYPE_DEVICE };

/* 4.1.4.3: the common configuration. */
enum {
    DEVICE_FEATURE_SELECT = 0,
    DEVICE_FEATURE = 4,
    DRIVER_FEATURE_SELECT = 8,
    DRIVER_FEATURE = 12,
    CONFIG_VECTOR = 16,
    DEVICE_STATUS = 20,
    QUEUE_SELECT = 22,
    QUEUE_SIZE = 24,
    QUEUE_VECTOR = 26,
    QUEUE_ENABLE = 28,
    QUEUE_NOTIFY = 30,
    QUEUE_DESC = 32,
    QUEUE_DRIVER = 40,
    QUEUE_DEVICE = 48,
    COMMON_BYTES = 56,
};
#define NO_VECTOR 0xffffu
/* 2.1: device status */
enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8, FAILED = 128 };
#define RESET_TURNS 100000u

#define BAR_BYTES (1ull << 20) /* at most, of one that is used */

static uint32_t get32(const volatile uint8_t *registers, uint32_t offset)
{
    return *(const volatile uint32_t *)(const volatile void *)(registers + offset);
}

static void put32(volatile uint8_t *registers, uint32_t offset, uint32_t value)
{
    *(volatile uint32_t *)(volatile void *)(registers + offset) = value;
}

static uint16_t get16(const volatile uint8_t *registers, uint32_t offset)
{
    return *(const volatile uint16_t *)(const volatile void *)(registers + offset);
}

static void put16(volatile uint8_t *registers, uint32_t offset, uint32_t value)
{
    *(volatile uint16_t *)(volatile void *)(registers + offset) = (uint16_t)value;
}

/* 4.1.3.1: fields of 64 bits are written as two of 32. */
static void put64(volatile uint8_t *registers, uint32_t offset, uint64_t value)
{
    put32(registers, offset, (uint32_t)value);
    put32(registers, offset + 4, (uint32_t)(value >> 32));
}

static void status_add(const struct virtio *v, uint8_t bits)
{
    v->common[DEVICE_STATUS] = v->common[DEVICE_STATUS] | bits;
}

/* ---- pci ----------------------------------------------------------------------------------------- */

static int64_t pci_call(const struct virtio *v, uint32_t op, uint64_t w1, uint64_t w2)
{
    struct exo_message m = ipc_message(op, v->number, w1, w2, 0);

    return ipc_call(v->pci, &m);
}

static uint32_t pci_read(const struct virtio *v, uint32_t offset, uint32_t bytes)
{
    int64_t value = pci_call(v, PCI_READ, offset, bytes);

    return value < 0 ? 0 : (uint32_t)value;
}

/* A call whose answer brings a capability. */
static int64_t pci_get(const struct virtio *v, uint32_t op, uint64_t w1, uint64_t *answer,
                       exo_cap *cap)
{
    struct exo_message m = ipc_message(op, v->number, w1, 0, 0);
    uint32_t before = exo_utcb()->recv_caps;
    int64_t result;

    exo_utcb()->recv_caps = 1;
    result = ipc_call(v->pci, &m);
    exo_utcb()->recv_caps = before;
    if (result < 0)
        return result;
    *answer = m.w[1];
    *cap = EXO_TAG_CAPS(m.tag) ? exo_utcb()->received[0] : 0;
    return *cap ? 0 : -ENOMEM;
}

int64_t virtio_interrupt(const struct virtio *v, uint32_t vector, exo_cap *irq)
{
    uint64_t ignored;

    return pci_get(v, PCI_INTERRUPT, vector, &ignored, irq);
}

int64_t virtio_dma(const struct virtio *v, exo_cap *dma)
{
    uint64_t ignored;

    return pci_get(v, PCI_DMA, 0, &ignored, dma);
}

/* ---- registers ----------------------------------------------------------------------------------- */

/* The registers that the capability at `at` names, of at least `least` bytes; 0: it is of no use. */
static volatile uint8_t *registers_map(struct virtio *v, uint32_t at, uint64_t va, uint32_t least,
                                       uint32_t *bytes)
{
    uint32_t bar = pci_read(v, at + CAP_BAR, 1), offset = pci_read(v, at + CAP_OFFSET, 4);
    uint64_t size, place = va + bar * BAR_BYTES;
    struct exo_cap_info info;

    *bytes = pci_read(v, at + CAP_BYTES, 4);
    if (bar >= 6 || *bytes < least)
        return 0;
    if (!v->registers[bar]) {
        if (pci_get(v, PCI_REGISTERS, bar, &size, &v->registers[bar]) < 0 || size > BAR_BYTES ||
            exo_map(0, place, (size + EXO_PAGE_SIZE - 1) / EXO_PAGE_SIZE, v->registers[bar], 0,
                    EXO_MAP_READ | EXO_MAP_WRITE) != EXO_OK)
            return 0;
    }
    if (exo_cap_info(v->registers[bar], &info) != EXO_OK || offset > info.size ||
        *bytes > info.size - offset || offset % 4 != 0)
        return 0;
    return (volatile uint8_t *)(place + offset);
}

/* The first of each type counts, as 4.1.4.1 has it. */
static void capability_take(struct virtio *v, uint32_t at, uint64_t va)
{
    uint32_t bytes;

    switch (pci_read(v, at + CAP_TYPE, 1)) {
    case TYPE_COMMON:
        if (!v->common)
            v->common = registers_map(v, at, va, COMMON_BYTES, &bytes);
        break;
    case TYPE_NOTIFY:
        if (!v->notify) {
            v->notify = registers_map(v, at, va, 2, &bytes);
            v->notify_bytes = bytes;
            v->notify_multiplier = pci_read(v, at + CAP_MULTIPLIER, 4);
        }
        break;
    case TYPE_ISR:
        if (!v->isr)
            v->isr = registers_map(v, at, va, 1, &bytes);
        break;
    case TYPE_DEVICE:
        if (!v->config) {
            v->config = registers_map(v, at, va, 1, &bytes);
            v->config_bytes = bytes;
        }
        break;
    default: break;
    }
}

static void capabilities_read(struct virtio *v, uint64_t va)
{
    uint32_t at = pci_read(v, CONFIG_CAPABILITIES, 1) & ~3u;

    for (unsigned i = 0; i < CAPABILITIES_MAX && at >= 0x40; i++) {
        if (pci_read(v, at, 1) == CAPABILITY_VENDOR)
            capability_take(v, at, va);
        at = pci_read(v, at + 1, 1) & ~3u;
    }
}

/* 4.1.4.3.2: a reset is done when the status reads as 0. */
static bool reset(const struct virtio *v)
{
    v->common[DEVICE_STATUS] = 0;
    for (unsigned i = 0; i < RESET_TURNS; i++) {
        if (v->common[DEVICE_STATUS] == 0)
            return true;
    }
    return false;
}

int64_t virtio_open(struct virtio *v, exo_cap pci, uint64_t n, uint64_t va)
{
    struct exo_message m = ipc_message(PCI_CLAIM, n, 0, 0, 0);
    int64_t number = ipc_call(pci, &m);

    if (number < 0)
        return number;
    *v = (struct virtio){.pci = pci, .number = (uint32_t)number, .messages = (uint32_t)m.w[2]};
    capabilities_read(v, va);
    if (!v->common || !v->notify || !v->isr || !v->config)
        return -ENXIO;
    if (!reset(v))
        return -EIO;
    status_add(v, ACKNOWLEDGE | DRIVER);
    return 0;
}

bool virtio_negotiate(struct virtio *v, uint64_t known)
{
    uint64_t offered;

    put32(v->common, DEVICE_FEATURE_SELECT, 0);
    offered = get32(v->common, DEVICE_FEATURE);
    put32(v->common, DEVICE_FEATURE_SELECT, 1);
    offered |= (uint64_t)get32(v->common, DEVICE_FEATURE) << 32;
    v->features = offered & (known | 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_F_INDIRECT);
    put32(v->common, DRIVER_FEATURE_SELECT, 0);
    put32(v->common, DRIVER_FEATURE, (uint32_t)v->features);
    put32(v->common, DRIVER_FEATURE_SELECT, 1);
    put32(v->common, DRIVER_FEATURE, (uint32_t)(v->features >> 32));
    status_add(v, FEATURES_OK);
    return virtio_has(v, VIRTIO_F_VERSION_1) && (v->common[DEVICE_STATUS] & FEATURES_OK) != 0;
}

void virtio_run(struct virtio *v)
{
    put16(v->common, CONFIG_VECTOR, NO_VECTOR); /* nobody listens for changes of configuration */
    pci_call(v, PCI_MASTER, 1, 0);
    status_add(v, DRIVER_OK);
}

void virtio_fail(struct virtio *v)
{
    pci_call(v, PCI_MASTER, 0, 0);
    status_add(v, FAILED);
}

uint32_t virtio_isr(const struct virtio *v)
{
    return *v->isr;
}

uint64_t virtio_config(const struct virtio *v, uint32_t offset, uint32_t bytes)
{
    if (offset + bytes > v->config_bytes)
        return 0;
    switch (bytes) {
    case 1: return v->config[offset];
    case 2: return get16(v->config, offset);
    case 4: return get32(v->config, offset);
    default: return get32(v->config, offset) | (uint64_t)get32(v->config, offset + 4) << 32;
    }
}

bool virtqueue_open(struct virtio *v, struct virtqueue *q, uint16_t number, void *memory,
                    uint64_t address, uint16_t vector)
{
    uint64_t bell;
    uint16_t size;

    put16(v->common, QUEUE_SELECT, number);
    size = get16(v->common, QUEUE_SIZE);
    bell = (uint64_t)v->notify_multiplier * get16(v->common, QUEUE_NOTIFY);
    if (size == 0 || (size & (size - 1)) != 0 || bell + 2 > v->notify_bytes)
        return false;
    if (size > VIRTQUEUE_SIZE)
        size = VIRTQUEUE_SIZE;
    put16(v->common, QUEUE_SIZE, size);
    if (v->messages) {
        put16(v->common, QUEUE_VECTOR, vector);
        if (get16(v->common, QUEUE_VECTOR) != vector)
            return false;
    }
    virtqueue_init(q, memory, size, virtio_has(v, VIRTIO_F_INDIRECT));
    q->number = number;
    q->bell = (volatile uint16_t *)(volatile void *)(v->notify + bell);
    put64(v->common, QUEUE_DESC, address);
    put64(v->common, QUEUE_DRIVER, address + VIRTQUEUE_AVAIL);
    put64(v->common, QUEUE_DEVICE, address + VIRTQUEUE_USED);
    put16(v->common, QUEUE_ENABLE, 1);
    return true;
}
