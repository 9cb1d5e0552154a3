/* SPDX-License-Identifier: MIT */
/*
 * pci: finds the devices of bus 0, gives their registers places, and hands each driver its own.
 *
 *   config.c   what configuration space says       access.c  how to get there
 *   owners.h   which driver has which devices
 *
 * It keeps the tables of messages (MSI-X) and the switch for bus mastering to itself, so a driver can
 * raise only the lines it was given. It holds, too, a capability to each device's DMA object: a driver's
 * death frees no page that its device still reaches. What it found stays over its own death, because
 * looking again would take the devices from their drivers.
 *
 * Left out on purpose: buses behind bridges, and devices that come and go.
 */
#include "access.h"
#include "owners.h"

#include <exo.h>
#include <lib/linux/errno.h>
#include <lib/undo.h>
#include <libos/exo/ipc.h>
#include <libos/exo/kept.h>
#include <libos/exo/log.h>
#include <libos/exo/start.h>
#include <proto/pci.h>

/* What the rights file's word `pci` puts there. */
#define CONFIG EXO_HANDLE(EXO_SRV_DEVICE, 1)
#define WINDOW EXO_HANDLE(EXO_SRV_DEVICE + 1, 1)
#define LINE   (EXO_SRV_DEVICE + 2)
#define LINES  16u /* as many capabilities: messages, or the 4 x 4 pins */

#define TABLE_VA 0x0000210000000000u /* MSI-X tables, a page each */
#define DEVICES  32u
#define VECTORS  8u /* messages of one device that can be in use */

/* MSI-X (PCI 3.0, 6.8.2). */
#define MSIX_CONTROL 2u /* from the capability on */
#define MSIX_TABLE   4u
#define MSIX_ENABLE  0x8000u
#define MSIX_ENTRY   4u /* words of a table entry: address, address above, value, masked */

KEPT static struct device {
    pci_function function;
    uint32_t id;
    struct pci_bar bars[PCI_BARS];
    uint32_t msix, messages, table_bar; /* capability's offset (0: none), entries, where they are */
    volatile uint32_t *table;           /* mapped when the first message is asked for */
    exo_cap message[VECTORS];
    exo_cap dma;
} devices[DEVICES];
KEPT static uint32_t device_count, messages_used;
KEPT static bool found; /* in an earlier life */

static const struct config_access *access;
static const struct exo_pci *machine;
static struct pci_window window;

/* ---- finding ------------------------------------------------------------------------------------- */

static void msix_find(struct device *d)
{
    uint32_t at = config_capability(access, d->function, CAPABILITY_MSIX), where;

    if (at == 0 || machine->messages == 0)
        return;
    where = access->read(d->function, at + MSIX_TABLE, 4);
    d->messages = (access->read(d->function, at + MSIX_CONTROL, 2) & 0x7ff) + 1;
    d->table_bar = where & 7;
    if (d->messages > VECTORS)
        d->messages = VECTORS;
    /* What is used of the table must lie in one page of its range. */
    if (d->table_bar >= PCI_BARS || (where & ~7u) >= d->bars[d->table_bar].bytes ||
        (where & ~7u) % EXO_PAGE_SIZE + d->messages * MSIX_ENTRY * 4 > EXO_PAGE_SIZE) {
        d->messages = 0;
        return;
    }
    d->msix = at;
}

static void function_add(pci_function f, uint32_t id)
{
    struct device *d = &devices[device_count];

    if (device_count == DEVICES || (access->read(f, CONFIG_HEADER, 1) & ~HEADER_MANY) != 0)
        return; /* a bridge */
    *d = (struct device){.function = f, .id = id};
    config_size(access, f, d->bars);
    if (!config_place(access, f, d->bars, &window)) {
        log_line("device %x:%x: no room for its registers", id & 0xffff, id >> 16);
        return;
    }
    msix_find(d);
    device_count++;
}

/* Bridges to the PC's other devices are left as the firmware made them. */
#define CLASS_BRIDGE 6u

static void devices_find(void)
{
    for (pci_function f = 0; f < 256; f++) {
        uint32_t id = access->read(f, CONFIG_ID, 4);

        if ((id & 0xffff) != 0xffff) {
            if (access->read(f, CONFIG_CLASS + 3, 1) != CLASS_BRIDGE)
                function_add(f, id);
            if (f % 8 != 0 || (access->read(f, CONFIG_HEADER, 1) & HEADER_MANY))
                continue;
        } else if (f % 8 != 0) {
            continue;
        }
        f |= 7; /* no other function of this device */
    }
}

/* ---- serving ------------------------------------------------------------------------------------- */

/* An answer: w1, w2 and a capability beside the result. */
struct answer {
    uint64_t w1, w2;
    exo_cap cap;
    uint32_t mode; /* how it goes; MOVE for what was made for the caller */
};

static void master(const struct device *d, bool on)
{
    uint32_t command = access->read(d->function, CONFIG_COMMAND, 2);

    access->write(d->function, CONFIG_COMMAND, 2,
                  on ? command | COMMAND_MASTER : command & ~COMMAND_MASTER);
}

static int64_t claim(uint64_t badge, uint64_t n, struct answer *a)
{
    for (uint32_t i = 0; i < device_count; i++) {
        struct device *d = &devices[i];

        if (!owners_match(badge, d->id) || n-- != 0)
            continue;
        master(d, false);
        a->w1 = d->id;
        a->w2 = d->messages;
        return i;
    }
    return -ENODEV;
}

static struct device *device_of(uint64_t badge, uint64_t number)
{
    if (number >= device_count || !owners_match(badge, devices[number].id))
        return 0;
    return &devices[number];
}

static int64_t config_get(const struct device *d, uint64_t offset, uint64_t width)
{
    if ((width != 1 && width != 2 && width != 4) || offset > CONFIG_BYTES - width ||
        offset % width != 0)
        return -EINVAL;
    return access->read(d->function, (uint32_t)offset, (uint32_t)width);
}

static int64_t frame_of(const struct pci_bar *bar, exo_cap *out)
{
    uint64_t pages = (bar->bytes + EXO_PAGE_SIZE - 1) / EXO_PAGE_SIZE;
    int64_t made = exo_frame_part(WINDOW, (bar->base - machine->window) / EXO_PAGE_SIZE, pages);

    *out = made < 0 ? 0 : (exo_cap)made;
    return made < 0 ? -ENOMEM : 0;
}

static int64_t registers(const struct device *d, uint64_t bar, struct answer *a)
{
    if (bar >= PCI_BARS || d->bars[bar].bytes == 0)
        return -ENXIO;
    if (d->msix && bar == d->table_bar)
        return -EPERM;
    a->w1 = d->bars[bar].bytes;
    a->mode = EXO_SEND_MOVE;
    return frame_of(&d->bars[bar], &a->cap);
}

static int64_t table_map(struct device *d)
{
    uint32_t where = access->read(d->function, d->msix + MSIX_TABLE, 4) & ~7u;
    uint64_t va = TABLE_VA + (uint64_t)(d - devices) * EXO_PAGE_SIZE;
    exo_cap frame;
    int64_t st = frame_of(&d->bars[d->table_bar], &frame);

    if (st < 0)
        return st;
    /* The mapping lives as long as the capability, which is kept. */
    if (exo_map(0, va, 1, frame, where / EXO_PAGE_SIZE, EXO_MAP_READ | EXO_MAP_WRITE) != EXO_OK)
        return -ENOMEM;
    d->table = (volatile uint32_t *)(va + where % EXO_PAGE_SIZE);
    access->write(d->function, d->msix + MSIX_CONTROL, 2, MSIX_ENABLE);
    return 0;
}

static int64_t message(struct device *d, uint32_t vector, struct answer *a)
{
    uint64_t what[2];

    if (vector >= d->messages)
        return -EINVAL;
    if (!d->table && table_map(d) < 0)
        return -ENOMEM;
    if (!d->message[vector]) {
        if (messages_used == LINES || messages_used == machine->messages)
            return -EBUSY;
        d->message[vector] = EXO_HANDLE(LINE + messages_used++, 1);
    }
    if (exo_irq_message(d->message[vector], what) != EXO_OK)
        return -EIO;
    d->table[MSIX_ENTRY * vector] = (uint32_t)what[0];
    d->table[MSIX_ENTRY * vector + 1] = (uint32_t)(what[0] >> 32);
    d->table[MSIX_ENTRY * vector + 2] = (uint32_t)what[1];
    d->table[MSIX_ENTRY * vector + 3] = 0; /* not masked */
    a->w1 = 1;
    a->cap = d->message[vector];
    return 0;
}

/* Where there are no messages, init has put the line of pin p of device number d (modulo 4) into slot
 * 4 d + p; the same line twice is one capability, at the first of them. */
static int64_t pin(const struct device *d, struct answer *a)
{
    uint32_t p = access->read(d->function, CONFIG_PIN, 1), place = d->function >> 3 & 3;
    uint32_t line, at;

    if (machine->messages != 0 || p < 1 || p > EXO_PCI_PINS)
        return -ENXIO;
    line = machine->pins[place][p - 1];
    for (at = 0; machine->pins[at / EXO_PCI_PINS][at % EXO_PCI_PINS] != line;)
        at++;
    a->cap = EXO_HANDLE(LINE + at, 1);
    return line ? 0 : -ENXIO;
}

static int64_t dma(struct device *d, struct answer *a)
{
    if (!d->dma) {
        int64_t made = exo_dma_create(0);

        if (made < 0)
            return -ENOMEM;
        d->dma = (exo_cap)made;
        rs_keep(d->dma);
    }
    a->cap = d->dma;
    return 0;
}

/* All requests may be done twice. */
static uint32_t label_of(const struct exo_message *m)
{
    return EXO_TAG_LABEL(m->tag) & ~EXO_LABEL_AGAIN;
}

static int64_t serve(const struct exo_message *m, uint64_t badge, struct answer *a)
{
    struct device *d = device_of(badge, m->w[0]);

    if (label_of(m) == PCI_CLAIM)
        return claim(badge, m->w[0], a);
    if (!d)
        return -ENODEV;
    switch (label_of(m)) {
    case PCI_READ: return config_get(d, m->w[1], m->w[2]);
    case PCI_REGISTERS: return registers(d, m->w[1], a);
    case PCI_INTERRUPT: return d->messages ? message(d, (uint32_t)m->w[1], a) : pin(d, a);
    case PCI_DMA: return dma(d, a);
    case PCI_MASTER: master(d, m->w[1] != 0); return 0;
    default: return -ENOSYS;
    }
}

static void start(void)
{
    machine = &((const struct exo_boot *)EXO_BOOT_VA)->pci;
    access = access_open(machine, CONFIG);
    if (!access)
        return;
    window = (struct pci_window){machine->window, machine->window + machine->window_bytes};
    if (!kept_begin() || !found) {
        device_count = 0;
        devices_find();
        found = true;
    }
    for (uint32_t i = 0; i < device_count; i++)
        devices[i].table = 0; /* not mapped in this life */
}

int main(void)
{
    struct exo_message m = {.tag = EXO_NO_REPLY};

    start();
    for (;;) {
        struct answer a = {.mode = EXO_SEND_COPY};
        int64_t tag = exo_reply_wait(EXO_SRV_ENDPOINT, &m), result;

        if (tag < 0)
            return 1;
        result = serve(&m, exo_utcb()->badge, &a);
        m = ipc_message(0, (uint64_t)result, a.w1, a.w2, 0);
        if (result >= 0 && a.cap) {
            exo_utcb()->send[0] = (struct exo_send){a.cap, a.mode};
            m.tag = EXO_TAG(0, 0, 1);
        }
    }
}
