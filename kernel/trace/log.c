/* SPDX-License-Identifier: MIT */
/* The kernel's log: see log.h. */
#include <hal/lock.h>
#include <kernel/sched/timer.h>
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

/* What was said last, for those who come later; under the log's lock. */
static char kept[EXO_LOG_BYTES];
static uint64_t kept_end; /* bytes so far; byte i is at i % EXO_LOG_BYTES */
static bool in_line;

static void keep(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        kept[kept_end++ % EXO_LOG_BYTES] = text[i];
}

/* Each line with a level (6: information) and the time, as Linux has them. */
static void keep_lines(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        if (!in_line) {
            exo_time now = clock_now();
            char stamp[40];

            keep(stamp,
                 format_text(stamp, sizeof stamp, "<6>[%5u.%06u] ", (unsigned)(now / 1000000000),
                             (unsigned)(now % 1000000000 / 1000)));
        }
        in_line = text[i] != '\n';
        keep(text + i, 1);
    }
}

void log_write(const char *text, size_t bytes)
{
    lock_take(&log_lock);
    hal_log(text, bytes);
    keep_lines(text, bytes);
    lock_give(&log_lock);
}

size_t log_kept(uint64_t at, char *to, size_t bytes)
{
    lock_take(&log_lock);
    if (at + EXO_LOG_BYTES < kept_end) /* gone meanwhile */
        at = kept_end - EXO_LOG_BYTES;
    for (size_t i = 0; i < bytes; i++, at++) {
        if (at >= kept_end)
            bytes = i;
        else
            to[i] = kept[at % EXO_LOG_BYTES];
    }
    lock_give(&log_lock);
    return bytes;
}

uint64_t log_end(void)
{
    lock_take(&log_lock);
    uint64_t end = kept_end;
    lock_give(&log_lock);
    return end;
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
