/* SPDX-License-Identifier: MIT */
/*
 * Memory and strings.
 *
 * Copies and fills go one of two ways. Up to 32 bytes: words from both ends that may overlap in the
 * middle, so no loop and no bytewise tail. Above: the machine's bulk instruction for whole words, and
 * the last word once more for the odd bytes. Everything is loaded before anything that could overlap
 * it is stored, so one routine is right for every move downwards; memmove adds the way up.
 *
 * Tests: tests/c17/unit/test_lib_string.c
 */
#include <stdint.h>

#include <exo_machine/bulk.h>
#include <exo_machine/unaligned.h>

#include <lib/string.h>

#if !__STDC_HOSTED__ /* here they are defined, not used */
#undef memcpy
#undef memmove
#undef memset
#undef strlen
#endif

#define SMALL 32u /* the most that goes without a bulk instruction */

/* 0 to 7 bytes. */
static inline void copy_tiny(unsigned char *to, const unsigned char *from, size_t bytes)
{
    if (bytes >= 4) {
        uint32_t first = load4(from), last = load4(from + bytes - 4);

        store4(to, first);
        store4(to + bytes - 4, last);
    } else if (bytes != 0) {
        unsigned char first = from[0], middle = from[bytes / 2], last = from[bytes - 1];

        to[0] = first;
        to[bytes / 2] = middle;
        to[bytes - 1] = last;
    }
}

/* 8 to 32 bytes. */
static inline void copy_small(unsigned char *to, const unsigned char *from, size_t bytes)
{
    uint64_t first = load8(from), last = load8(from + bytes - 8);

    if (bytes > 16) {
        uint64_t second = load8(from + 8), third = load8(from + bytes - 16);

        store8(to + 8, second);
        store8(to + bytes - 16, third);
    }
    store8(to, first);
    store8(to + bytes - 8, last);
}

/* Right for any `to` that does not lie inside [from, from + bytes) above its start. */
static inline void copy_up(unsigned char *to, const unsigned char *from, size_t bytes)
{
    if (bytes > SMALL) {
        uint64_t last = load8(from + bytes - 8);

        bulk_copy(to, from, bytes / 8);
        store8(to + bytes - 8, last);
    } else if (bytes >= 8) {
        copy_small(to, from, bytes);
    } else {
        copy_tiny(to, from, bytes);
    }
}

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
    copy_up(to, from, bytes);
    return to;
}

/* `to` lies above `from` and inside it: from the end down. */
static void copy_down(unsigned char *to, const unsigned char *from, size_t bytes)
{
    while (bytes >= 8) {
        bytes -= 8;
        store8(to + bytes, load8(from + bytes));
    }
    while (bytes != 0) {
        bytes--;
        to[bytes] = from[bytes];
    }
}

void *memmove(void *to, const void *from, size_t bytes)
{
    if (bytes > SMALL && (uintptr_t)to - (uintptr_t)from < bytes)
        copy_down(to, from, bytes);
    else
        copy_up(to, from, bytes);
    return to;
}

void *memset(void *to, int byte, size_t bytes)
{
    unsigned char *t = to;
    uint64_t word = (unsigned char)byte * 0x0101010101010101u;

    if (bytes >= 8) {
        if (bytes > 16)
            bulk_fill(t, word, bytes / 8);
        else
            store8(t, word);
        store8(t + bytes - 8, word);
    } else if (bytes >= 4) {
        store4(t, (uint32_t)word);
        store4(t + bytes - 4, (uint32_t)word);
    } else if (bytes != 0) {
        t[0] = (unsigned char)byte;
        t[bytes / 2] = (unsigned char)byte;
        t[bytes - 1] = (unsigned char)byte;
    }
    return to;
}

int memcmp(const void *a, const void *b, size_t bytes)
{
    const unsigned char *p = a, *q = b;

    while (bytes >= 8 && load8(p) == load8(q)) {
        p += 8;
        q += 8;
        bytes -= 8;
    }
    for (; bytes != 0; p++, q++, bytes--)
        if (*p != *q)
            return *p - *q;
    return 0;
}

void *memchr(const void *in, int byte, size_t bytes)
{
    const unsigned char *p = in;

    for (; bytes != 0; p++, bytes--)
        if (*p == (unsigned char)byte)
            return (void *)(uintptr_t)p;
    return NULL;
}

size_t strlen(const char *text)
{
    size_t length = 0;

    while (text[length] != '\0')
        length++;
    return length;
}

size_t strnlen(const char *text, size_t limit)
{
    size_t length = 0;

    while (length < limit && text[length] != '\0')
        length++;
    return length;
}

int strcmp(const char *a, const char *b)
{
    while (*a == *b && *a != '\0') {
        a++;
        b++;
    }
    return (unsigned char)*a - (unsigned char)*b;
}

int strncmp(const char *a, const char *b, size_t limit)
{
    for (; limit != 0; a++, b++, limit--)
        if (*a != *b || *a == '\0')
            return (unsigned char)*a - (unsigned char)*b;
    return 0;
}

char *strchr(const char *in, int character)
{
    for (; *in != (char)character; in++)
        if (*in == '\0')
            return NULL;
    return (char *)(uintptr_t)in;
}

char *strrchr(const char *in, int character)
{
    const char *last = NULL;

    do {
        if (*in == (char)character)
            last = in;
    } while (*in++ != '\0');
    return (char *)(uintptr_t)last;
}
