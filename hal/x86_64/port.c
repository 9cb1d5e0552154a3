/* SPDX-License-Identifier: MIT */
/*
 * Ports: those of the kernel itself, which are its log and the power switch, and those that it
 * reads and writes for holders of a capability. The log is one of QEMU's debug devices, which
 * takes a byte by one instruction; so the serial port belongs to a user-space server from the start.
 */
#include "machine.h"

#define LOG_PORT   0xe9   /* isa-debugcon */
#define EXIT_PORT  0xf4   /* isa-debug-exit: QEMU ends */
#define POWER_PORT 0x604  /* PM1a control of QEMU's chipsets (ACPI 6.5, 4.8.3.2.1) */
#define POWER_OFF  0x2000 /* SLP_EN, with SLP_TYP 0: S5 there */

void hal_log(const char *text, size_t bytes)
{
    __asm__ volatile("rep outsb" : "+S"(text), "+c"(bytes) : "d"(LOG_PORT) : "memory");
}

void log_text(const char *text)
{
    size_t bytes = 0;
    while (text[bytes])
        bytes++;
    hal_log(text, bytes);
}

void log_hex(const char *label, uint64_t value)
{
    char digits[18] = {' '};

    log_text(label);
    for (unsigned i = 0; i < 16; i++)
        digits[i + 1] = "0123456789abcdef"[value >> (60 - 4 * i) & 15];
    digits[17] = '\n';
    hal_log(digits, sizeof digits);
}

_Noreturn void hal_power_off(void)
{
    hal_port_write(EXIT_PORT, 4, 0);
    hal_port_write(POWER_PORT, 2, POWER_OFF);
    for (;;)
        __asm__ volatile("cli; hlt");
}

uint32_t hal_port_read(uint32_t port, unsigned width)
{
    uint32_t value = 0;

    if (width == 1)
        __asm__ volatile("inb %w1, %b0" : "+a"(value) : "d"(port));
    else if (width == 2)
        __asm__ volatile("inw %w1, %w0" : "+a"(value) : "d"(port));
    else
        __asm__ volatile("inl %w1, %0" : "=a"(value) : "d"(port));
    return value;
}

void hal_port_write(uint32_t port, unsigned width, uint32_t value)
{
    if (width == 1)
        __asm__ volatile("outb %b0, %w1" : : "a"(value), "d"(port));
    else if (width == 2)
        __asm__ volatile("outw %w0, %w1" : : "a"(value), "d"(port));
    else
        __asm__ volatile("outl %0, %w1" : : "a"(value), "d"(port));
}
