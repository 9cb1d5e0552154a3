/* SPDX-License-Identifier: MIT */
/*
 * Memory and strings for freestanding code; names and meaning are the C library's.
 *
 * Freestanding compilers take `memcpy` for an ordinary function. The macros below give it its
 * meaning back, so that a copy of a known small size becomes a few moves and no call.
 */
#ifndef LIB_STRING_H
#define LIB_STRING_H

#include <stddef.h>

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int byte, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
void *memchr(const void *in, int byte, size_t bytes);
size_t strlen(const char *text);
size_t strnlen(const char *text, size_t limit);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t limit);
char *strchr(const char *in, int character);
char *strrchr(const char *in, int character);

#if !__STDC_HOSTED__
#define memcpy(to, from, bytes)  __builtin_memcpy(to, from, bytes)
#define memmove(to, from, bytes) __builtin_memmove(to, from, bytes)
#define memset(to, byte, bytes)  __builtin_memset(to, byte, bytes)
#define strlen(text)             __builtin_strlen(text)
#endif

#endif
