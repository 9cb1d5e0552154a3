/* SPDX-License-Identifier: MIT */
/*
 * What devices.c leaves to the machine: arch/MACHINE/devices.c. QEMU's devices appear there.
 */
#ifndef DEVICES_H
#define DEVICES_H

#include <calls/contract.h>

/* A chip whose registers are in memory, and may be read: at byte `chip_word` of them is a word whose
 * low byte is chip_value. */
#define chip chip_registers()
uint64_t chip_registers(void);
extern const uint64_t chip_word, chip_value;

extern const uint64_t ram_start;     /* where RAM begins */
extern const uint32_t irq_lines;     /* how many interrupt lines there are */
extern const uint32_t message_lines; /* the last of them, which have no wire */
extern const uint32_t alarm_line;    /* of the chip below */

/* A chip that can interrupt: alarm_raise has it do so soon, alarm_lower ends that. */
void alarm_open(void);
void alarm_raise(void);
void alarm_lower(void);
void alarm_close(void);

/** The test of the calls on ports: where there are some what they do, else that they refuse. */
void ports_are_read_and_written_in_their_range(void);

#endif
