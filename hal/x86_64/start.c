/* SPDX-License-Identifier: MIT */
/*
 * hal_start: the boot CPU from the state that boot.S left to the one that hal.h promises. The order
 * is forced: traps first, so that whatever fails afterwards can be read; what the loader handed
 * over is copied while the early tables still map it; the clock needs the local APIC.
 */
#include "machine.h"

static struct hal_boot boot;

/* True if the kernel line has `word` between blanks. */
static bool line_has(const char *line, const char *word)
{
    for (; *line; line++) {
        size_t i = 0;
        while (word[i] && line[i] == word[i])
            i++;
        if (!word[i] && (line[i] == '\0' || line[i] == ' '))
            return true;
        while (*line && *line != ' ')
            line++;
        if (!*line)
            break;
    }
    return false;
}

const struct hal_boot *hal_start(void)
{
    hal_clock.base = hal_ticks(); /* time 0 */
    descriptors_start(0);
    cpu_start();
    boot_info_read(&boot);
    paging_start(&boot);
    interrupt_start();
    smp_count();
    clock_start(line_has(boot.command_line, "icount=1"));
    boot.epoch_ns = cmos_epoch_ns();
    return &boot;
}
