/* SPDX-License-Identifier: MIT */
/* What the library has to say to the operator, and what follows from bad news. */
#include "servers/fs/ext4/private.h"

#include <lib/format.h>

static void vreport(const struct ext4 *fs, const char *format, va_list arguments)
{
    char text[160];

    vformat_text(text, sizeof(text), format, arguments);
    fs->device.report(fs->device.context, text);
}

void report(const struct ext4 *fs, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vreport(fs, format, arguments);
    va_end(arguments);
}

int64_t damaged(struct ext4 *fs, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vreport(fs, format, arguments);
    va_end(arguments);
    if (!fs->read_only)
        report(fs, "the volume is read-only from now on");
    fs->damaged = true;
    fs->read_only = true;
    return -EUCLEAN;
}

void abandon(struct ext4 *fs, const char *what, int64_t status)
{
    report(fs, "%s failed with error %lld: nothing is written any more", what, (long long)-status);
    fs->abandoned = true;
    fs->read_only = true;
}
