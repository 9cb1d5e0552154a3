/* SPDX-License-Identifier: MIT */
/*
 * The kernel's log, and the firmware's power switch.
 *
 * With `log=semihosting` on the kernel line the log is the debugger's, or the emulator's (Arm,
 * "Semihosting for AArch32 and AArch64", 2.0), and the serial port belongs to a user-space server
 * alone. Otherwise it goes to the serial port (PL011, DDI 0183) as well as that server's output.
 */
#include "machine.h"

#define SYS_WRITE0 0x04u

#define UART_DATA  0x00u
#define UART_FLAGS 0x18u
#define UART_FULL  0x20u

/* PSCI 1.1 (DEN 0022), function identifiers. */
#define PSCI_SYSTEM_OFF 0x84000008u

static bool semihosting;

static void semihosting_write0(const char *text)
{
    register uint64_t x0 __asm__("x0") = SYS_WRITE0;
    register uint64_t x1 __asm__("x1") = (uint64_t)text;

    __asm__ volatile("hlt #0xf000" : "+r"(x0) : "r"(x1) : "memory");
}

static void semihosting_log(const char *text, size_t bytes)
{
    char piece[128]; /* the call wants a NUL at the end, and so cannot write one */

    while (bytes) {
        size_t n = 0;
        for (; bytes && n < sizeof piece - 1; text++, bytes--) {
            if (*text)
                piece[n++] = *text;
        }
        piece[n] = '\0';
        semihosting_write0(piece);
    }
}

static void uart_log(const char *text, size_t bytes)
{
    uint64_t uart = machine_info.uart.va;

    for (; uart && bytes; text++, bytes--) {
        while (read32(uart + UART_FLAGS) & UART_FULL)
            ;
        write32(uart + UART_DATA, (uint8_t)*text);
    }
}

void hal_log(const char *text, size_t bytes)
{
    if (semihosting)
        semihosting_log(text, bytes);
    else
        uart_log(text, bytes);
}

/* True if the kernel line has `word` between blanks. */
static bool line_has(const char *line, const char *word)
{
    for (; *line; line++) {
        size_t i = 0;
        while (word[i] && line[i] == word[i])
            i++;
        if (!word[i] && (line[i] == '\0' || line[i] == ' '))
            return true;
        while (*line && *line != ' ')
            line++;
        if (!*line)
            break;
    }
    return false;
}

void log_start(const char *command_line)
{
    semihosting = line_has(command_line, "log=semihosting");
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

/* ---- firmware ---------------------------------------------------------------------------------- */

int64_t firmware_call(uint64_t function, uint64_t a, uint64_t b, uint64_t c)
{
    register uint64_t x0 __asm__("x0") = function;
    register uint64_t x1 __asm__("x1") = a;
    register uint64_t x2 __asm__("x2") = b;
    register uint64_t x3 __asm__("x3") = c;

    /* It keeps x4 and up (SMCCC 1.1, 2.6); older ones keep x18 and up. */
    if (machine_info.firmware_hvc)
        __asm__ volatile("hvc #0"
                         : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
                         :
                         : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14",
                           "x15", "x16", "x17", "memory");
    else
        __asm__ volatile("smc #0"
                         : "+r"(x0), "+r"(x1), "+r"(x2), "+r"(x3)
                         :
                         : "x4", "x5", "x6", "x7", "x8", "x9", "x10", "x11", "x12", "x13", "x14",
                           "x15", "x16", "x17", "memory");
    return (int64_t)x0;
}

_Noreturn void hal_power_off(void)
{
    firmware_call(PSCI_SYSTEM_OFF, 0, 0, 0);
    for (;;)
        __asm__ volatile("wfi");
}

/* ---- ports: there are none --------------------------------------------------------------------- */

uint32_t hal_port_read(uint32_t port, unsigned width)
{
    kernel_panic("reading port %x (%u)", port, width);
}

void hal_port_write(uint32_t port, unsigned width, uint32_t value)
{
    kernel_panic("writing port %x (%u, %x)", port, width, value);
}
