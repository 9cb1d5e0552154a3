// SPDX-License-Identifier: MIT
/* x86_64: the HPET's registers, the CMOS clock's ports and its periodic interrupt at 8192 Hz. */
#include <calls/devices.h>

const uint64_t chip_word = 0, chip_value = 1; /* the revision */
const uint64_t ram_start = 0;
const uint32_t irq_lines = 56, message_lines = 32, alarm_line = 8;

uint64_t chip_registers(void)
{
    return 0xfed00000;
}

void ports_are_read_and_written_in_their_range(void)
{
    exo_cap rtc = OK(exo_ioport_create(EXO_CAP_PLATFORM, 0x70, 2));

    EXPECT(exo_port_write(rtc, 0, 1, 0x0d), EXO_OK); /* CMOS: register D, valid RAM and time */
    EXPECT(exo_port_read(rtc, 1, 1) & 0x80, 0x80);
    EXPECT(exo_port_read(rtc, 2, 1), EXO_EINVAL);
    EXPECT(exo_port_read(rtc, 1, 2), EXO_EINVAL);
    EXPECT(exo_port_read(rtc, UINT32_MAX, 2), EXO_EINVAL);
    EXPECT(exo_port_read(rtc, 0, 0), EXO_EINVAL);
    EXPECT(exo_port_read(rtc, 0, 3), EXO_EINVAL);
    EXPECT(exo_port_read(rtc, 0, 8), EXO_EINVAL);
    EXPECT(exo_port_write(rtc, 1, 2, 0), EXO_EINVAL);
    EXPECT(exo_port_write(rtc, 0, 4, 0), EXO_EINVAL);
    EXPECT(exo_port_write(rtc, 0, 3, 0), EXO_EINVAL);
    CAP_ERRORS(exo_port_read(C, 1, 1), some_frame, rtc, EXO_R_READ);
    CAP_ERRORS(exo_port_write(C, 0, 1, 0x0d), some_frame, rtc, EXO_R_WRITE);
    EXPECT(exo_ioport_create(EXO_CAP_PLATFORM, 0x80, 0), EXO_EINVAL);
    EXPECT(exo_ioport_create(EXO_CAP_PLATFORM, 65536, 1), EXO_EINVAL);
    EXPECT(exo_ioport_create(EXO_CAP_PLATFORM, 65535, 2), EXO_EINVAL);
    EXPECT(exo_ioport_create(EXO_CAP_PLATFORM, UINT32_MAX, UINT32_MAX), EXO_EINVAL);
    CAP_ERRORS(exo_ioport_create(C, 0x80, 1), some_frame, EXO_CAP_PLATFORM, EXO_R_CONTROL);
    drop(OK(exo_ioport_create(EXO_CAP_PLATFORM, 65535, 1)));
    drop(rtc);
}

static exo_cap rtc;

static void cmos_write(uint32_t reg, uint32_t value)
{
    OK(exo_port_write(rtc, 0, 1, reg));
    OK(exo_port_write(rtc, 1, 1, value));
}

static uint32_t cmos_read(uint32_t reg)
{
    OK(exo_port_write(rtc, 0, 1, reg));
    return (uint32_t)OK(exo_port_read(rtc, 1, 1));
}

void alarm_open(void)
{
    rtc = OK(exo_ioport_create(EXO_CAP_PLATFORM, 0x70, 2));
    cmos_write(0x0a, 0x23);
    cmos_write(0x0b, cmos_read(0x0b) | 0x40);
}

void alarm_raise(void)
{
    /* it comes by itself */
}

void alarm_lower(void)
{
    cmos_read(0x0c);
}

void alarm_close(void)
{
    cmos_write(0x0b, cmos_read(0x0b) & ~0x40u);
    cmos_read(0x0c);
    drop(rtc);
}
