/* SPDX-License-Identifier: MIT */
/* The kernel's log: see log.h. */
#include <hal/lock.h>
#include <kernel/trace/log.h>
#include <lib/format.h>
#include <stdarg.h>

static struct lock log_lock = {.rank = LOCK_LOG};

struct line {
    char text[256];
    size_t length;
};

static void compose(struct line *line, const char *prefix, const char *format, va_list arguments)
{
    size_t size = sizeof line->text;
    size_t start = format_text(line->text, size, "exov6: %s", prefix);

    line->length = vformat_text(line->text + start, size - start - 1, format, arguments) + start;
    if (line->length > size - 2)
        line->length = size - 2;
    line->text[line->length++] = '\n';
}

void log_write(const char *text, size_t bytes)
{
    lock_take(&log_lock);
    hal_log(text, bytes);
    lock_give(&log_lock);
}

void log_print(const char *format, ...)
{
    struct line line;
    va_list arguments;

    va_start(arguments, format);
    compose(&line, "", format, arguments);
    va_end(arguments);
    log_write(line.text, line.length);
}

/* The last words. The other CPUs have stopped, perhaps with the log's lock, so it is left alone. */
_Noreturn void kernel_power_off(uint32_t status)
{
    char text[64];

    hal_cpus_stop();
    hal_log(text, format_text(text, sizeof text, "exov6: power-off, status %u\n", status));
    hal_power_off();
}

_Noreturn void kernel_panic(const char *format, ...)
{
    struct line line;
    va_list arguments;

    hal_cpus_stop();
    va_start(arguments, format);
    compose(&line, "panic: ", format, arguments);
    va_end(arguments);
    hal_log(line.text, line.length);
    kernel_power_off(125);
}
