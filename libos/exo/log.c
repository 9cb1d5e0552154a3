/* SPDX-License-Identifier: MIT */
/*
 * Lines in the kernel's log. The program's name is in the first two words that its creator gave it
 * (spawn.c), so that no program needs to know under which name it runs.
 */
#include <exo.h>

#include <lib/format.h>
#include <libos/exo/log.h>
#include <libos/exo/spawn.h>

static exo_cap log_cap = EXO_SRV_LOG;

void log_to(exo_cap platform)
{
    log_cap = platform;
}

void log_bytes(const char *text, size_t bytes)
{
    while (bytes > 0) {
        size_t part = bytes < 1024 ? bytes : 1024; /* exo_log takes no more */

        if (exo_log(log_cap, text, part) < 0)
            return;
        text += part;
        bytes -= part;
    }
}

void log_line(const char *format, ...)
{
    char line[240];
    va_list arguments;
    size_t used = format_text(line, sizeof line - 1, "%.*s: ", SPAWN_NAME_BYTES,
                              (const char *)&exo_utcb()->libos[SPAWN_WORD_NAME]);

    va_start(arguments, format);
    used += vformat_text(line + used, sizeof line - 1 - used, format, arguments);
    va_end(arguments);
    line[used++] = '\n';
    log_bytes(line, used);
}

const char *exo_error_text(int64_t result)
{
    switch (result) {
#define EXO_ERROR(number, name, text) \
    case -(number):                   \
        return text;
#include <exo/errors.def>
#undef EXO_ERROR
    default: return result < 0 ? "an unknown error" : "no error";
    }
}
