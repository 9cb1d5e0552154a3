/* SPDX-License-Identifier: MIT */
/*
 * Text from values: the part of printf's language that freestanding code uses.
 *
 * Conversions d i u x X p s c %, sizes hh h l ll z, flags - and 0, width and (of s) precision,
 * both also as *. The compiler checks the arguments as it does for printf.
 */
#ifndef LIB_FORMAT_H
#define LIB_FORMAT_H

#include <stdarg.h>
#include <stddef.h>

/**
 * Writes at most `size` bytes to `to`, the ending NUL included (nothing if size is 0).
 * @return the length of what was written, without the NUL: below `size`, also where text was cut.
 */
size_t format_text(char *to, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
size_t vformat_text(char *to, size_t size, const char *format, va_list arguments)
    __attribute__((format(printf, 3, 0)));

#endif
