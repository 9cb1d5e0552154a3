/* SPDX-License-Identifier: MIT */
/*
 * Interrupt controllers: the two 8259s switched off, the local APIC (SDM volume 3, chapter 11) and
 * the I/O APIC (Intel 82093AA data sheet).
 *
 * A line is numbered as a driver knows it: 0-15 are the ISA lines, wherever the MADT says they are
 * wired; 16-23 are the I/O APIC's pins; those from HAL_WIRES on have no wire: a device raises one by
 * writing its vector to the local APIC (SDM volume 3, 11.11). A line is delivered once and then masked until somebody
 * unmasks it. How depends on its trigger:
 *
 *   level   masked at the pin. A device that still wants service when it is unmasked raises it
 *           again by itself.
 *   edge    not masked at the pin, because the I/O APIC forgets an edge that comes while it is.
 *           Instead an edge that comes too early is noted here, and unmasking sends it again.
 *   message as edge; there is nothing to mask at all.
 */
#include <hal/lock.h>

#include "machine.h"

enum lapic_register {
    LAPIC_ID = 0x20,
    LAPIC_PRIORITY = 0x80,
    LAPIC_EOI = 0xb0,
    LAPIC_SPURIOUS = 0xf0,
    LAPIC_COMMAND = 0x300,
    LAPIC_TARGET = 0x310, /* of the command: an APIC's number in the highest byte */
    LAPIC_TIMER = 0x320,
    LAPIC_LINT0 = 0x350,
    LAPIC_LINT1 = 0x360,
    LAPIC_ERROR = 0x370,
    LAPIC_INITIAL = 0x380,
    LAPIC_CURRENT = 0x390,
    LAPIC_DIVIDE = 0x3e0,
};
#define LAPIC_ENABLE      0x100u   /* in LAPIC_SPURIOUS */
#define LAPIC_MASKED      0x10000u /* in any local vector */
#define LAPIC_DEADLINE    0x40000u /* in LAPIC_TIMER: TSC-deadline mode; else one-shot */
#define LAPIC_DIVIDE_BY_1 0xbu
#define LAPIC_SEND        0x4000u /* in LAPIC_COMMAND: fixed, assert */
#define LAPIC_SENDING     0x1000u /* ... the last command is not delivered yet */
#define APIC_BASE_ENABLE  0x800u

#define IOAPIC_VERSION  1u
#define IOAPIC_PIN(pin) (0x10u + 2 * (pin)) /* low word; the high one, the destination, follows */
#define PIN_LOW         0x2000u
#define PIN_LEVEL       0x8000u
#define PIN_MASKED      0x10000u

struct line {
    uint32_t pin_word; /* what the pin's low word holds */
    uint8_t pin;
    bool wired;  /* there is a pin, and no other line has it */
    bool masked; /* it was delivered, or never unmasked */
    bool again;  /* edge: another one came while it was masked */
};
static struct line lines[HAL_IRQS]; /* with the I/O APIC under this lock: */
static struct lock lines_lock = {.rank = LOCK_LINES};

static uint32_t lapic_read(enum lapic_register where)
{
    return *(volatile uint32_t *)(LAPIC_VA + where);
}

static void lapic_write(enum lapic_register where, uint32_t value)
{
    *(volatile uint32_t *)(LAPIC_VA + where) = value;
}

static uint32_t ioapic_read(uint32_t where)
{
    *(volatile uint32_t *)IOAPIC_VA = where;
    return *(volatile uint32_t *)(IOAPIC_VA + 0x10);
}

static void ioapic_write(uint32_t where, uint32_t value)
{
    *(volatile uint32_t *)IOAPIC_VA = where;
    *(volatile uint32_t *)(IOAPIC_VA + 0x10) = value;
}

/* ---- start ------------------------------------------------------------------------------------- */

/* Moves the 8259s' vectors away from the exceptions, and masks all of their lines. */
static void pic_stop(void)
{
    static const struct {
        uint16_t port;
        uint8_t value;
    } steps[] = {
        {0x20, 0x11},       {0xa0, 0x11},           /* initialize, 4 words */
        {0x21, VECTOR_PIC}, {0xa1, VECTOR_PIC + 8}, /* vectors */
        {0x21, 4},          {0xa1, 2},              /* how they are chained */
        {0x21, 1},          {0xa1, 1},              /* 8086 mode */
        {0x21, 0xff},       {0xa1, 0xff},           /* mask */
    };
    for (unsigned i = 0; i < sizeof steps / sizeof steps[0]; i++)
        outb(steps[i].port, steps[i].value);
}

void lapic_start(void)
{
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | APIC_BASE_ENABLE);
    lapic_write(LAPIC_SPURIOUS, LAPIC_ENABLE | VECTOR_SPURIOUS);
    lapic_write(LAPIC_LINT0, LAPIC_MASKED);
    lapic_write(LAPIC_LINT1, LAPIC_MASKED);
    lapic_write(LAPIC_ERROR, LAPIC_MASKED);
    lapic_write(LAPIC_TIMER, LAPIC_MASKED | VECTOR_TIMER);
    lapic_write(LAPIC_DIVIDE, LAPIC_DIVIDE_BY_1);
    lapic_write(LAPIC_PRIORITY, 0);
}

static void line_wire(unsigned number, unsigned pins)
{
    struct line *line = &lines[number];
    unsigned pin = number < 16 ? acpi_info.isa[number].gsi : number;
    bool level = number < 16 ? acpi_info.isa[number].level : true; /* PCI lines are level, low */
    bool low = number < 16 ? acpi_info.isa[number].low : true;

    line->masked = true;
    if (pin >= pins)
        return;
    for (unsigned i = 0; i < number; i++) {
        if (lines[i].wired && lines[i].pin == pin)
            return; /* line 2 on every PC: the 8259s' chain; its pin is the old timer's */
    }
    line->wired = true;
    line->pin = (uint8_t)pin;
    line->pin_word =
        (VECTOR_LINE + number) | (low ? PIN_LOW : 0) | (level ? PIN_LEVEL : 0) | PIN_MASKED;
}

static void ioapic_start(void)
{
    unsigned pins = (ioapic_read(IOAPIC_VERSION) >> 16 & 0xff) + 1;

    for (unsigned pin = 0; pin < pins; pin++) {
        ioapic_write(IOAPIC_PIN(pin), PIN_MASKED);
        ioapic_write(IOAPIC_PIN(pin) + 1, lapic_read(LAPIC_ID) & 0xff000000); /* to this CPU */
    }
    for (unsigned number = 0; number < HAL_WIRES; number++)
        line_wire(number, pins);
    for (unsigned number = HAL_WIRES; number < HAL_IRQS; number++)
        lines[number].wired = lines[number].masked = true;
}

void interrupt_start(void)
{
    pic_stop();
    lapic_start();
    machine_cpu()->apic_id = lapic_id();
    ioapic_start();
}

/* ---- lines ------------------------------------------------------------------------------------- */

static void pin_mask(struct line *line, bool masked)
{
    line->pin_word = masked ? line->pin_word | PIN_MASKED : line->pin_word & ~PIN_MASKED;
    ioapic_write(IOAPIC_PIN(line->pin), line->pin_word);
}

void hal_irq_unmask(unsigned number)
{
    struct line *line = &lines[number];

    if (!line->wired)
        return;
    lock_take(&lines_lock);
    line->masked = false;
    if (line->pin_word & PIN_MASKED)
        pin_mask(line, false);
    if (line->again) {
        line->again = false;
        lapic_send(0, VECTOR_LINE + number);
    }
    lock_give(&lines_lock);
}

void hal_irq_mask(unsigned number)
{
    struct line *line = &lines[number];

    if (!line->wired)
        return;
    lock_take(&lines_lock);
    line->masked = true;
    line->again = false;
    if (number < HAL_WIRES && !(line->pin_word & PIN_MASKED))
        pin_mask(line, true);
    lock_give(&lines_lock);
}

#define MESSAGE_ADDRESS 0xfee00000u /* an APIC's number from bit 12 on */

bool hal_irq_message(unsigned number, uint64_t *address, uint32_t *value)
{
    *address = MESSAGE_ADDRESS | (uint64_t)machine_cpus[0].apic_id << 12;
    *value = VECTOR_LINE + number;
    return number >= HAL_WIRES;
}

static void line_serve(unsigned number)
{
    struct line *line = &lines[number];

    lock_take(&lines_lock);
    bool wanted = !line->masked;
    line->masked = true;
    if (line->pin_word & PIN_LEVEL)
        pin_mask(line, true);
    else if (!wanted)
        line->again = true;
    lock_give(&lines_lock);
    lapic_acknowledge();
    if (wanted)
        kernel_interrupt(number);
}

/* Vectors that nobody uses - the spurious ones of all three controllers - need no answer: none of
 * them is marked as in service, so an acknowledgement would hit another interrupt. */
void interrupt_serve(unsigned vector)
{
    if (vector == VECTOR_TIMER) {
        clock_interrupt();
    } else if (vector == VECTOR_IPI) {
        lapic_acknowledge();
        kernel_ipi();
    } else if (vector == VECTOR_WAKE) {
        lapic_acknowledge();
    } else if (vector == VECTOR_FLUSH) {
        flush_serve();
        lapic_acknowledge();
    } else if (vector >= VECTOR_LINE && vector < VECTOR_LINE + HAL_IRQS) {
        line_serve(vector - VECTOR_LINE);
    }
}

/* sti takes effect after the next instruction, so nothing can come between it and hlt and be slept
 * over. */
void hal_idle(void)
{
    __asm__ volatile("sti\n\t"
                     "hlt\n\t"
                     "cli"
                     :
                     :
                     : "memory");
}

/* ---- the local APIC: other CPUs, and the timer -------------------------------------------------- */

uint8_t lapic_id(void)
{
    return (uint8_t)(lapic_read(LAPIC_ID) >> 24);
}

void lapic_acknowledge(void)
{
    lapic_write(LAPIC_EOI, 0);
}

/* Stores to the APIC's registers are uncached and so come after all stores before them (SDM volume 3,
 * 9.2.2): the other CPU sees what was written for it. */
void lapic_signal(uint8_t apic_id, uint32_t signal)
{
    while (lapic_read(LAPIC_COMMAND) & LAPIC_SENDING)
        __asm__ volatile("pause");
    __asm__ volatile("" : : : "memory"); /* for the compiler: all stores are made by now */
    lapic_write(LAPIC_TARGET, (uint32_t)apic_id << 24);
    lapic_write(LAPIC_COMMAND, signal);
}

void lapic_send(unsigned cpu, enum vector vector)
{
    lapic_signal(machine_cpus[cpu].apic_id, LAPIC_SEND | vector);
}

/* The task priority holds all vectors below VECTOR_WAKE back (SDM volume 3, 11.8.3.1), so that the
 * interrupts that get through are those which touch nothing of the portable kernel's. */
void hal_doze(void)
{
    __asm__ volatile("mov %0, %%cr8\n\t"
                     "sti\n\t"
                     "hlt\n\t"
                     "cli\n\t"
                     "mov %1, %%cr8"
                     :
                     : "r"((uint64_t)(VECTOR_WAKE >> 4) - 1), "r"((uint64_t)0)
                     : "memory");
}

void hal_wake(unsigned cpu)
{
    lapic_send(cpu, VECTOR_WAKE);
}

void hal_ipi(unsigned cpu)
{
    lapic_send(cpu, VECTOR_IPI);
}

void lapic_timer_mode(bool tsc_deadline)
{
    lapic_write(LAPIC_TIMER, VECTOR_TIMER | (tsc_deadline ? LAPIC_DEADLINE : 0));
    __asm__ volatile("mfence"
                     :
                     :
                     : "memory"); /* before the first write of the MSR (SDM 11.5.4.1) */
}

void lapic_timer_start(uint32_t count)
{
    lapic_write(LAPIC_INITIAL, count);
}

uint32_t lapic_timer_left(void)
{
    return lapic_read(LAPIC_CURRENT);
}
