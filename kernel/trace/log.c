/* SPDX-License-Identifier: MIT */
/* The kernel's log: see log.h. */
#include <hal/hal.h>
#include <kernel/trace/log.h>
#include <lib/format.h>
#include <stdarg.h>

static void print(const char *prefix, const char *format, va_list arguments)
{
    char line[256];
    size_t start = format_text(line, sizeof line, "exov6: %s", prefix);
    size_t length = vformat_text(line + start, sizeof line - start - 1, format, arguments) + start;

    if (length > sizeof line - 2)
        length = sizeof line - 2;
    line[length] = '\n';
    hal_log(line, length + 1);
}

void log_print(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print("", format, arguments);
    va_end(arguments);
}

_Noreturn void kernel_power_off(uint32_t status)
{
    log_print("power-off, status %u", status);
    hal_power_off();
}

_Noreturn void kernel_panic(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    print("panic: ", format, arguments);
    va_end(arguments);
    kernel_power_off(125);
}
