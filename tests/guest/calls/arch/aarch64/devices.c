// SPDX-License-Identifier: MIT
/* aarch64: the real-time clock of QEMU's `virt` (PL031, DDI 0224), its identity and its alarm. */
#include <calls/devices.h>

#define CLOCK_DATA  0x00
#define CLOCK_MATCH 0x04
#define CLOCK_MASK  0x10 /* 1: interrupts */
#define CLOCK_CLEAR 0x1c

const uint64_t chip_word = 0xfe0, chip_value = 0x31; /* PeriphID0 */
const uint64_t ram_start = 0x40000000;
const uint32_t irq_lines = 988, message_lines = 0, alarm_line = 2;

static exo_cap registers;

uint64_t chip_registers(void)
{
    return 0x09010000;
}

void ports_are_read_and_written_in_their_range(void)
{
    EXPECT(exo_ioport_create(EXO_CAP_PLATFORM, 0, 1), EXO_EINVAL);
    EXPECT(exo_ioport_create(EXO_CAP_PLATFORM, 0x80, 0), EXO_EINVAL);
    EXPECT(exo_ioport_create(EXO_CAP_PLATFORM, UINT32_MAX, UINT32_MAX), EXO_EINVAL);
    ECAP_ETYPE(exo_port_read(C, 1, 1), some_frame);
    ECAP_ETYPE(exo_port_write(C, 0, 1, 0), some_frame);
    CAP_ERRORS(exo_ioport_create(C, 0x80, 1), some_frame, EXO_CAP_PLATFORM, EXO_R_CONTROL);
}

void alarm_open(void)
{
    registers = OK(exo_device_frame(EXO_CAP_PLATFORM, chip, 1));
    OK(exo_map(0, page(0), 1, registers, 0, RW));
    WORD(page(0) + CLOCK_MASK) = 1;
}

/* The alarm goes off when the seconds are the same. */
void alarm_raise(void)
{
    WORD(page(0) + CLOCK_MATCH) = WORD(page(0) + CLOCK_DATA);
}

void alarm_lower(void)
{
    WORD(page(0) + CLOCK_CLEAR) = 1;
}

void alarm_close(void)
{
    WORD(page(0) + CLOCK_MASK) = 0;
    alarm_lower();
    OK(exo_unmap(0, page(0), 1));
    drop(registers);
}
