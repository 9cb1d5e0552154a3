// SPDX-License-Identifier: MIT
/* riscv64: the real-time clock of QEMU's `virt` (goldfish-rtc), its status and its alarm. */
#include <calls/devices.h>

#define CLOCK_LOW      0x00 /* nanoseconds since 1970; reading the low word holds the high one */
#define CLOCK_HIGH     0x04
#define CLOCK_ALARM    0x08 /* writing the low word sets it */
#define CLOCK_ALARM_HI 0x0c
#define CLOCK_MASK     0x10 /* 1: interrupts */
#define CLOCK_NO_ALARM 0x14
#define CLOCK_STATUS   0x18 /* 1: the alarm is set */
#define CLOCK_CLEAR    0x1c

const uint64_t chip_word = CLOCK_STATUS, chip_value = 0;
const uint64_t ram_start = 0x80000000;
const uint32_t irq_lines = 128, message_lines = 0, alarm_line = 11;

static exo_cap registers;

uint64_t chip_registers(void)
{
    return 0x101000;
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

void alarm_raise(void)
{
    uint64_t at = WORD(page(0) + CLOCK_LOW);

    at += ((uint64_t)WORD(page(0) + CLOCK_HIGH) << 32) + MS / 10;
    WORD(page(0) + CLOCK_ALARM_HI) = (uint32_t)(at >> 32);
    WORD(page(0) + CLOCK_ALARM) = (uint32_t)at;
}

void alarm_lower(void)
{
    WORD(page(0) + CLOCK_CLEAR) = 1;
}

void alarm_close(void)
{
    WORD(page(0) + CLOCK_NO_ALARM) = 1;
    alarm_lower();
    WORD(page(0) + CLOCK_MASK) = 0;
    OK(exo_unmap(0, page(0), 1));
    drop(registers);
}
