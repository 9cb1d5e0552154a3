/* SPDX-License-Identifier: MIT */
/* once.h for registers in memory. */
#include <libos/exo/once.h>

void once_put(exo_cap ports, uint64_t place, uint8_t byte, uint64_t *note)
{
    (void)ports;
    __asm__ volatile("strb %w[byte], [%[place]]\n"
                     ".globl once_given\n"
                     "once_given: str xzr, [%[note]]"
                     :
                     : [byte] "r"(byte), [place] "r"(place), [note] "r"(note)
                     : "memory");
}
