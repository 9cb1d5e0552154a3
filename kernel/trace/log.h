/* SPDX-License-Identifier: MIT */
/* The kernel's own words: a log for people, and the last line for tools. */
#ifndef KERNEL_TRACE_LOG_H
#define KERNEL_TRACE_LOG_H

#include <stddef.h>
#include <stdint.h>

/** One line of the log, `exov6: ` in front, formatted as format_text does. */
void log_print(const char *format, ...) __attribute__((format(printf, 1, 2)));
/** The bytes as they are; lines of several CPUs do not mix. */
void log_write(const char *text, size_t bytes);
/** Copies a piece of what is kept, from byte `at` of the log's beginning on: at most EXO_LOG_BYTES
 *  behind its end. How many bytes; 0: `at` is the end. */
size_t log_kept(uint64_t at, char *to, size_t bytes);
/** How long the log has become. */
uint64_t log_end(void);
/** Stops the other CPUs, prints the line that tools/exo-run waits for, and powers the machine off. */
_Noreturn void kernel_power_off(uint32_t status);

#endif
