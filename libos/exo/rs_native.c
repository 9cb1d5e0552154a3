/* SPDX-License-Identifier: MIT */
/* A native program: where init puts it, if the rights file says `services`. */
#include <exo/boot.h>
#include <libos/exo/rs_table.h>

exo_cap rs_find_table(void)
{
    return EXO_SRV_SERVICES;
}
