/* SPDX-License-Identifier: MIT */
/* once.h for ports, by native call: a death comes before it or when it has been done. */
#include <libos/exo/once.h>

void once_put(exo_cap ports, uint64_t place, uint8_t byte, uint64_t *note)
{
    register uint64_t value __asm__("r10") = byte;
    uint64_t number = EXO_NR_port_write;

    __asm__ volatile("syscall\n"
                     ".globl once_given\n"
                     "once_given: movq $0, (%[note])"
                     : "+a"(number)
                     : "D"(ports), "S"(place), "d"(1), "r"(value), [note] "r"(note)
                     : "rcx", "r11", "memory");
}
