/* SPDX-License-Identifier: MIT */
/*
 * What a server may hold, as its rights file says: one line a right, `#` begins a comment.
 *
 *     endpoint             its own endpoint (EXO_SRV_ENDPOINT)
 *     log                  write to the kernel's log
 *     log-read             the same, and read it
 *     call NAME            call the server NAME, with its own badge
 *     mint NAME            make capabilities for NAME with any badge
 *     table read|write     the process table
 *     archive              the boot archive's pages, readable and writable
 *     options              the kernel's command line (EXO_BOOT_VA)
 *     console              the serial console's registers, and its interrupt line \
 *     pci                  the PCI bus: its configuration space, the window of addresses for devices,
 *                          and 16 interrupt lines: messages, else pin p of device d at 4 (d % 4) + p
 *     ioport BASE COUNT    I/O ports                                              | from slot
 *     irq LINE             an interrupt line                                      / EXO_SRV_DEVICE
 *                          on, in this order (console: two slots; pci: 18)
 *     memory PERCENT       its account: this part of the machine's free frames,
 *     frames N             or this many
 *     priority N           of its first thread, 1 to 23
 *     services read|control  the table of services (EXO_SRV_SERVICES)
 *     reborn always|on-failure  it keeps its state, and comes back when it dies
 *     limit N SECONDS      at most so many rebirths in that time (5 in 60; 0: any number)
 *     heartbeat MS         a life that gives no sign (rs_heartbeat) for so long counts as hung
 *     backoff MS           so long between a death and the next life; twice as long at each further death,
 *                          up to 64 times, until none comes for a minute
 *     recovery PATH        a native program that runs between them; ends it with another status than 0,
 *                          the service has failed
 *     follow NAME          it is restarted when that server is reborn
 *     escalate leave|restart|stop  when it has failed, those that need it are left alone (they are told
 *                          in any case), or it gets one more chance and they are restarted with it, or
 *                          they are stopped
 *
 * NAME is pci, virtio_blk, proc, fs or tty. Numbers are decimal or, with 0x, hexadecimal.
 */
#ifndef INIT_RIGHTS_H
#define INIT_RIGHTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum server { SERVER_PCI, SERVER_VIRTIO_BLK, SERVER_PROC, SERVER_FS, SERVER_TTY, SERVERS };
extern const char *const server_names[SERVERS];

enum device_kind {
    DEVICE_IOPORT,
    DEVICE_IRQ,
    DEVICE_CONSOLE_REGISTERS,
    DEVICE_CONSOLE_IRQ,
    DEVICE_PCI_CONFIG,
    DEVICE_PCI_WINDOW,
    DEVICE_PCI_IRQ, /* first: which of the 16 */
};
struct device {
    enum device_kind kind;
    uint32_t first, count; /* ports; an irq's line is `first` */
};

#define RIGHTS_PCI_IRQS      16u
#define RIGHTS_DEVICES       24u
#define RIGHTS_PRIORITY      16u /* without a line */
#define RIGHTS_PRIORITY_MOST 23u /* init itself has 24 */
#define RIGHTS_MEMORY        5u

/* When a service has failed, those that need it: */
enum escalate { ESCALATE_LEAVE, ESCALATE_RESTART, ESCALATE_STOP };

#define RIGHTS_PATH 48u

struct rights {
    bool endpoint, log, log_read, archive, options;
    bool table_read, table_write;
    bool call[SERVERS], mint[SERVERS];
    bool services_read, services_control;
    uint32_t policy; /* enum exo_service_policy */
    bool limited;
    uint32_t limit, window; /* if limited: rebirths in so many seconds */
    uint32_t heartbeat;     /* ms; 0: as the service says */
    uint32_t backoff;       /* ms; 0: none */
    char recovery[RIGHTS_PATH];
    bool follow[SERVERS];
    enum escalate escalate;
    struct device devices[RIGHTS_DEVICES];
    uint32_t device_count;
    uint32_t memory; /* percent */
    uint32_t frames; /* if not 0: instead of `memory` */
    uint32_t priority;
};

/** @return 0 if every line was understood; else the number of the first that was not, and *out is
 *  not to be used. */
unsigned rights_parse(const char *text, size_t bytes, struct rights *out);

#endif
