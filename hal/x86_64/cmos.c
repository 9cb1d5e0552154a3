/* SPDX-License-Identifier: MIT */
/*
 * The date of boot, from the battery clock (Motorola MC146818 data sheet): one second exact, in UTC.
 */
#include "machine.h"

#define CMOS_INDEX 0x70
#define CMOS_DATA  0x71

enum cmos_register {
    CMOS_SECOND = 0,
    CMOS_MINUTE = 2,
    CMOS_HOUR = 4,
    CMOS_DAY = 7,
    CMOS_MONTH = 8,
    CMOS_YEAR = 9,
    CMOS_STATUS_A = 10, /* bit 7: being updated */
    CMOS_STATUS_B = 11, /* bit 1: hours are 0-23; bit 2: numbers are binary, not BCD */
};

struct date {
    unsigned second, minute, hour, day, month, year;
};

static uint8_t cmos_read(enum cmos_register where)
{
    outb(CMOS_INDEX, (uint8_t)where);
    return inb(CMOS_DATA);
}

static unsigned number(uint8_t value, uint8_t status)
{
    return status & 4 ? value : (value >> 4) * 10u + (value & 15);
}

static struct date date_once(void)
{
    uint8_t status = cmos_read(CMOS_STATUS_B), hour = cmos_read(CMOS_HOUR);
    struct date d = {
        .second = number(cmos_read(CMOS_SECOND), status),
        .minute = number(cmos_read(CMOS_MINUTE), status),
        .hour = number(hour & 0x7f, status),
        .day = number(cmos_read(CMOS_DAY), status),
        .month = number(cmos_read(CMOS_MONTH), status),
        .year = number(cmos_read(CMOS_YEAR), status) + 2000,
    };
    if (!(status & 2)) /* 12-hour clock: bit 7 of the hour is "pm", and 12 stands for 0 */
        d.hour = d.hour % 12 + (hour & 0x80 ? 12 : 0);
    return d;
}

/* Days from 1970-01-01, counting years from March so that the leap day is the last one. */
static uint64_t days(unsigned year, unsigned month, unsigned day)
{
    unsigned from_march = (month + 9) % 12;
    unsigned y = year - (month < 3);
    return (uint64_t)y * 365 + y / 4 - y / 100 + y / 400 + (from_march * 153 + 2) / 5 + day - 1 -
           719468;
}

/* Two readings that agree, and no update between: the second did not turn while we read. */
uint64_t cmos_epoch_ns(void)
{
    struct date a, b;
    unsigned tries = 0;

    do {
        while (cmos_read(CMOS_STATUS_A) & 0x80 && ++tries < 1000000)
            ;
        a = date_once();
        b = date_once();
    } while ((a.second != b.second || a.minute != b.minute || a.hour != b.hour) &&
             ++tries < 1000000);
    uint64_t seconds =
        days(a.year, a.month, a.day) * 86400 + a.hour * 3600 + a.minute * 60 + a.second;
    return seconds * 1000000000u;
}
