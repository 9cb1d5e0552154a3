/* SPDX-License-Identifier: MIT */
/*
 * What an environment's first thread finds: the handles at fixed slots, and, for init, the boot
 * record. Slot numbers are a convention between creators and LibOSes; generation is always 1 here.
 */
#ifndef EXO_BOOT_H
#define EXO_BOOT_H

#include <exo/types.h>

#define EXO_WELL_KNOWN(slot) EXO_HANDLE(slot, 1)

#define EXO_CAP_ENV     EXO_WELL_KNOWN(1) /* this environment, all rights */
#define EXO_CAP_ACCOUNT EXO_WELL_KNOWN(2) /* who pays for what it makes */
#define EXO_CAP_THREAD  EXO_WELL_KNOWN(3) /* its first thread */

/* init only: everything that the kernel does not keep for itself. */
#define EXO_CAP_PLATFORM EXO_WELL_KNOWN(4)
#define EXO_CAP_ARCHIVE  EXO_WELL_KNOWN(5) /* frame extent: the boot archive (cpio, newc) */
#define EXO_CAP_SERVICES EXO_WELL_KNOWN(7) /* the resurrection table */

/* What init gives a server, as far as its rights file (servers/NAME/rights) says so. */
#define EXO_SRV_ENDPOINT EXO_WELL_KNOWN(4) /* its own: RECV | CALL | MINT | GRANT */
#define EXO_SRV_LOG      EXO_WELL_KNOWN(5) /* platform, WRITE only: exo_log */
#define EXO_SRV_PROC     EXO_WELL_KNOWN(6) /* endpoint of proc with the server's badge */
#define EXO_SRV_FS       EXO_WELL_KNOWN(7) /* endpoint of fs (proc: with MINT) */
#define EXO_SRV_TTY      EXO_WELL_KNOWN(8) /* endpoint of tty (proc: with MINT) */
#define EXO_SRV_TABLE    EXO_WELL_KNOWN(9) /* region: proc's table (proc: read-write, others: read) */
#define EXO_SRV_ARCHIVE  EXO_WELL_KNOWN(10) /* fs: frame extent of the boot archive, READ | WRITE */
#define EXO_SRV_SERVICES EXO_WELL_KNOWN(11) /* the resurrection table */
#define EXO_SRV_DEVICE \
    12 /* first slot of the device capabilities, in the order
                                               of the rights file; generation 1 */

/* Beyond the devices: endpoints of drivers, with the server's badge. */
#define EXO_SRV_PCI        EXO_WELL_KNOWN(40)
#define EXO_SRV_VIRTIO_BLK EXO_WELL_KNOWN(41)

/* Where the kernel maps the archive and the boot record, read-only, in init. A server whose rights
 * file says `options` has the boot record there too (tty: rows=, cols=). */
#define EXO_ARCHIVE_VA 0x0000100000000000u
#define EXO_BOOT_VA    0x0000000000200000u

/* The machine's serial console, as its firmware describes it. */
enum exo_console_kind {
    EXO_CONSOLE_NONE,
    EXO_CONSOLE_16550_PORTS, /* base: the first of `bytes` I/O ports */
    EXO_CONSOLE_16550,       /* base: physical address of the registers */
    EXO_CONSOLE_PL011,       /* the same */
};

struct exo_console {
    uint32_t kind; /* enum exo_console_kind */
    uint32_t irq;  /* line, as exo_irq_create wants it */
    uint64_t base;
    uint32_t bytes; /* of registers */
    uint32_t shift; /* 16550: register n lies at n << shift */
};

/* How the machine's PCI bus is reached, as its firmware describes it. */
enum exo_pci_kind {
    EXO_PCI_NONE,
    EXO_PCI_PORTS, /* configuration by 8 I/O ports from `config` on: an address, then the data */
    EXO_PCI_ECAM,  /* configuration space in memory at `config`, from bus 0 on, 1 MiB a bus */
};
#define EXO_PCI_PINS 4u

struct exo_pci {
    uint32_t kind;          /* enum exo_pci_kind */
    uint32_t messages;      /* interrupt lines that devices raise by a write ... */
    uint32_t first_message; /* ... from this one on */
    uint32_t pins[EXO_PCI_PINS][EXO_PCI_PINS]; /* line of [device number % 4][pin A .. D], where
                                                  there are no messages; 0: not connected */
    uint32_t reserved;
    uint64_t config, config_bytes;
    uint64_t window, window_bytes; /* of addresses, below 4 GiB, for registers of devices */
};

struct exo_boot {
    uint64_t archive_bytes;
    struct exo_console console;
    struct exo_pci pci;
    char command_line[3072]; /* NUL-terminated */
};

#endif
