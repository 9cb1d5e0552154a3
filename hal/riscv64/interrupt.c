/* SPDX-License-Identifier: MIT */
/*
 * Interrupts: the timer's, and those of devices, which come through the platform-level interrupt
 * controller (RISC-V PLIC specification 1.0.0). A line is a source of the PLIC, by its number.
 *
 * A claimed source is not delivered again before its completion, so "delivered once and then masked
 * until somebody unmasks it" is a claim now and the completion at the unmasking. A device that still
 * wants service then raises it again.
 */
#include <hal/lock.h>

#include "machine.h"

#define SIE_DEVICE (1u << INTERRUPT_DEVICE)

/* In 32-bit words from PLIC_VA (PLIC specification, chapter 3). */
#define PRIORITY(source)       (source)
#define ENABLE(context, i)     (0x2000u / 4 + (context)*0x20u + (i))
#define THRESHOLD(context)     (0x200000u / 4 + (context)*0x400u)
#define CLAIM(context)         (THRESHOLD(context) + 1)
#define LAST_REGISTER(context) ((CLAIM(context) + 1) * 4)

struct line {
    bool enabled; /* may be delivered */
    bool claimed; /* was delivered, and not unmasked since */
};
static struct line lines[HAL_IRQS]; /* all that follows about lines: under lines_lock */
static struct lock lines_lock = {.rank = LOCK_LINES};
static unsigned line_count; /* sources 1 .. line_count - 1 are there */

static uint32_t plic_get(uint32_t word)
{
    return ((volatile uint32_t *)PLIC_VA)[word];
}

static void plic_set(uint32_t word, uint32_t value)
{
    ((volatile uint32_t *)PLIC_VA)[word] = value;
}

void interrupt_start(void)
{
    uint32_t context = machine_info.plic_context;

    if (!machine_info.plic_pa || machine_info.plic_bytes < LAST_REGISTER(context))
        return;
    line_count = machine_info.plic_lines + 1;
    if (line_count > HAL_IRQS)
        line_count = HAL_IRQS;
    for (unsigned i = 0; i * 32 <= machine_info.plic_lines; i++)
        plic_set(ENABLE(context, i), 0);
    for (unsigned source = 1; source < line_count; source++)
        plic_set(PRIORITY(source), 1);
    plic_set(THRESHOLD(context), 0);
    csr_set(sie, SIE_DEVICE);
}

/* ---- lines ------------------------------------------------------------------------------------- */

static void line_enable(unsigned number, bool enabled)
{
    uint32_t word = ENABLE(machine_info.plic_context, number / 32), bit = 1u << number % 32;

    lines[number].enabled = enabled;
    plic_set(word, enabled ? plic_get(word) | bit : plic_get(word) & ~bit);
}

/* Only an enabled source can be completed. */
static void line_complete(unsigned number)
{
    lines[number].claimed = false;
    plic_set(CLAIM(machine_info.plic_context), number);
}

/* Messages need a controller that this port does not drive. */
bool hal_irq_message(unsigned number, uint64_t *address, uint32_t *value)
{
    (void)number;
    (void)address;
    (void)value;
    return false;
}

void hal_irq_unmask(unsigned number)
{
    if (number == 0 || number >= line_count)
        return;
    lock_take(&lines_lock);
    if (!lines[number].enabled)
        line_enable(number, true);
    if (lines[number].claimed)
        line_complete(number);
    lock_give(&lines_lock);
}

void hal_irq_mask(unsigned number)
{
    if (number == 0 || number >= line_count)
        return;
    lock_take(&lines_lock);
    if (lines[number].claimed)
        line_complete(number);
    if (lines[number].enabled)
        line_enable(number, false);
    lock_give(&lines_lock);
}

/* A claim of 0: none, or one that was taken back. */
static uint32_t line_claim(void)
{
    lock_take(&lines_lock);
    uint32_t number = plic_get(CLAIM(machine_info.plic_context));
    if (number >= line_count) {
        plic_set(CLAIM(machine_info.plic_context), number);
        number = 0;
    }
    lines[number].claimed = number != 0;
    lock_give(&lines_lock);
    return number;
}

/* All that the PLIC has for us, which is the boot CPU. */
static void devices_serve(void)
{
    uint32_t number;

    while ((number = line_claim()) != 0)
        kernel_interrupt(number);
}

void interrupt_serve(void)
{
    uint64_t pending = csr_read(sip) & csr_read(sie);

    if (pending & 1u << INTERRUPT_CPU)
        smp_interrupt();
    if (pending & SIE_DEVICE)
        devices_serve();
    if (pending & 1u << INTERRUPT_TIMER)
        clock_interrupt();
}

/* wfi goes on when an interrupt is pending, whether it may be taken or not (3.3.3). So none is taken in
 * the kernel, and none can be slept over. */
void hal_idle(void)
{
    __asm__ volatile("wfi" : : : "memory");
    interrupt_serve();
}
