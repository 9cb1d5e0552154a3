/* SPDX-License-Identifier: MIT */
/*
 * The kernel's log, and the power switch. The serial port belongs to a user-space server, so the log
 * goes to the host by semihosting (RISC-V Semihosting 0.2), if the kernel line says that there is a
 * host, and else to the firmware's console. This machine has no I/O ports.
 */
#include "machine.h"

#define WRITE0 0x04 /* semihosting: writes a text that ends with NUL */

static bool to_host;

/* The firmware has said a lot on the serial port. Where the host has the log, the port is all the
 * console's, and the host wants to know from where on (tools/exo-run). */
void log_start(bool there_is_a_host)
{
    if (there_is_a_host)
        log_text("exov6: the console begins\n"); /* the firmware makes CR LF of it */
    to_host = there_is_a_host;
}

void hal_log(const char *text, size_t bytes)
{
    char part[128];

    for (size_t i = 0, n = 0; i < bytes; i++) {
        if (!to_host) {
            sbi_call(SBI_PUTCHAR, 0, (uint8_t)text[i], 0);
            continue;
        }
        part[n++] = text[i] ? text[i] : ' ';
        if (n == sizeof part - 1 || i == bytes - 1) {
            part[n] = '\0';
            semihosting(WRITE0, part);
            n = 0;
        }
    }
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
    sbi_call(SBI_RESET, 0, 0, 0); /* shut down, for no particular reason */
    csr_write(sie, 0);
    for (;;)
        __asm__ volatile("wfi");
}

/* No capability to a port can be made, as HAL_PORTS is 0. */
uint32_t hal_port_read(uint32_t port, unsigned width)
{
    (void)port;
    (void)width;
    return UINT32_MAX;
}

void hal_port_write(uint32_t port, unsigned width, uint32_t value)
{
    (void)port;
    (void)width;
    (void)value;
}
