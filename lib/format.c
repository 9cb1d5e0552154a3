/* SPDX-License-Identifier: MIT */
/*
 * Text from values. One pass over the format; the output is a bounded buffer that swallows what
 * does not fit, so no function here needs to check for room.
 *
 * Tests: tests/c17/unit/test_lib_format.c
 */
#include <stdbool.h>
#include <stdint.h>

#include <lib/format.h>
#include <lib/string.h>

struct output {
    char *to;
    size_t used, limit; /* limit: the room without the NUL */
};

struct conversion {
    bool left, zeros;
    size_t width;
    size_t precision; /* SIZE_MAX: none given */
    unsigned longs;   /* 0: int, 1: long, 2: long long */
};

static void put(struct output *out, char c)
{
    if (out->used < out->limit)
        out->to[out->used++] = c;
}

static void put_times(struct output *out, char c, size_t times)
{
    while (times-- > 0)
        put(out, c);
}

/* Text in its field: what lies between `width` and `length` is filled on one side. */
static void put_field(struct output *out, const struct conversion *c, const char *text,
                      size_t length)
{
    size_t fill = c->width > length ? c->width - length : 0;

    if (!c->left)
        put_times(out, ' ', fill);
    for (size_t i = 0; i < length; i++)
        put(out, text[i]);
    if (c->left)
        put_times(out, ' ', fill);
}

/* Digits are made from the last to the first, at the end of a buffer that fits 64 bits. */
static void put_number(struct output *out, const struct conversion *c, uint64_t value,
                       const char *prefix, unsigned base, const char *digits)
{
    char text[24];
    size_t at = sizeof text, length, sign = strlen(prefix);
    size_t zeros = 0;
    struct conversion field = *c;

    do {
        text[--at] = digits[value % base];
        value /= base;
    } while (value != 0);
    length = sizeof text - at + sign;
    if (c->zeros && !c->left && c->width > length)
        zeros = c->width - length;
    if (zeros != 0)
        field.width = 0;
    if (zeros == 0) {
        while (sign > 0)
            text[--at] = prefix[--sign];
    } else {
        put_field(out, &field, prefix, sign);
        put_times(out, '0', zeros);
    }
    put_field(out, &field, text + at, sizeof text - at);
}

static int64_t signed_argument(const struct conversion *c, va_list *arguments)
{
    if (c->longs == 0)
        return va_arg(*arguments, int);
    return c->longs == 1 ? va_arg(*arguments, long) : va_arg(*arguments, long long);
}

static uint64_t unsigned_argument(const struct conversion *c, va_list *arguments)
{
    if (c->longs == 0)
        return va_arg(*arguments, unsigned);
    return c->longs == 1 ? va_arg(*arguments, unsigned long)
                         : va_arg(*arguments, unsigned long long);
}

/* A number in the format, or * for one from the arguments. */
static const char *parse_number(const char *format, va_list *arguments, size_t *out)
{
    int given;

    *out = 0;
    if (*format == '*') {
        given = va_arg(*arguments, int);
        *out = given > 0 ? (size_t)given : 0;
        return format + 1;
    }
    for (; *format >= '0' && *format <= '9'; format++)
        *out = *out * 10 + (size_t)(*format - '0');
    return format;
}

/* Everything between the % and the letter. */
static const char *parse_conversion(const char *format, va_list *arguments, struct conversion *c)
{
    *c = (struct conversion){.precision = SIZE_MAX};
    for (; *format == '-' || *format == '0'; format++) {
        c->left = c->left || *format == '-';
        c->zeros = c->zeros || *format == '0';
    }
    format = parse_number(format, arguments, &c->width);
    if (*format == '.')
        format = parse_number(format + 1, arguments, &c->precision);
    for (; *format == 'l' || *format == 'z' || *format == 'h'; format++)
        if (*format != 'h')
            c->longs++;
    return format;
}

static void put_string(struct output *out, const struct conversion *c, const char *text)
{
    if (text == NULL)
        text = "(null)";
    put_field(out, c, text, strnlen(text, c->precision));
}

static void put_conversion(struct output *out, struct conversion *c, char letter,
                           va_list *arguments)
{
    static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
    int64_t value;
    char one;

    switch (letter) {
    case 'd':
    case 'i':
        value = signed_argument(c, arguments);
        put_number(out, c, value < 0 ? -(uint64_t)value : (uint64_t)value, value < 0 ? "-" : "", 10,
                   lower);
        break;
    case 'u': put_number(out, c, unsigned_argument(c, arguments), "", 10, lower); break;
    case 'x': put_number(out, c, unsigned_argument(c, arguments), "", 16, lower); break;
    case 'X': put_number(out, c, unsigned_argument(c, arguments), "", 16, upper); break;
    case 'p': put_number(out, c, (uintptr_t)va_arg(*arguments, void *), "0x", 16, lower); break;
    case 's': put_string(out, c, va_arg(*arguments, const char *)); break;
    case 'c':
        one = (char)va_arg(*arguments, int);
        put_field(out, c, &one, 1);
        break;
    default: put(out, letter); break; /* %% and, so that it is seen, anything unknown */
    }
}

size_t vformat_text(char *to, size_t size, const char *format, va_list arguments)
{
    struct output out = {.to = to, .limit = size - 1};
    struct conversion c;
    va_list rest;

    if (size == 0)
        return 0;
    va_copy(rest, arguments);
    while (*format != '\0') {
        if (*format != '%') {
            put(&out, *format++);
            continue;
        }
        format = parse_conversion(format + 1, &rest, &c);
        if (*format == '\0')
            break;
        put_conversion(&out, &c, *format++, &rest);
    }
    va_end(rest);
    to[out.used] = '\0';
    return out.used;
}

size_t format_text(char *to, size_t size, const char *format, ...)
{
    va_list arguments;
    size_t length;

    va_start(arguments, format);
    length = vformat_text(to, size, format, arguments);
    va_end(arguments);
    return length;
}
