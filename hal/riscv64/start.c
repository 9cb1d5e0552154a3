/* SPDX-License-Identifier: MIT */
/*
 * hal_start: the boot hart from the state that boot.S left to the one that hal.h promises. The order
 * is forced: traps first, so that whatever fails afterwards can be read; what the loader handed over
 * is copied while the early tables still map it; the log goes where the kernel line says.
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
    machine_cpus[0].hart = boot_hart;
    machine_cpus[0].cpu.kernel_stack = (uint64_t)kernel_stacks + KERNEL_STACK_STEP;
    csr_write(stvec, trap_entry);
    boot_info_read(&boot);
    log_start(line_has(boot.command_line, "log=semihosting"));
    cpu_start();
    paging_start(&boot);
    tags_start();
    interrupt_start();
    clock_start();
    boot.epoch_ns = rtc_epoch_ns();
    return &boot;
}
