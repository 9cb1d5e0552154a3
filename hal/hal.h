/* SPDX-License-Identifier: MIT */
/*
 * The contract between the portable kernel and a machine.
 *
 * A port implements every function here in hal/MACHINE/, and provides in
 * hal/MACHINE/include/hal_machine.h: struct hal_context (a thread's registers), struct hal_fpu,
 * struct hal_space, and the functions marked "inline" below. Nothing above this line knows which
 * machine it runs on.
 *
 * Context of every function unless said otherwise: kernel mode, interrupts off, on the CPU's own
 * kernel stack, under the kernel lock. The kernel never sleeps: the machine enters it through one of
 * the kernel_* functions at the end of this file and, when that returns, loads the context of
 * hal_cpu()->thread_context (which may be another thread's by then) and leaves to user mode.
 *
 * Several CPUs. Each has its own struct hal_cpu, kernel stack, and timer; they share everything else.
 * There is one kernel lock (hal/lock.h lists it and the few others). The portable kernel takes it in
 * its kernel_* functions and gives it back before they return, and around hal_idle; the machine neither
 * takes nor knows it. What the machine does by itself - reflecting a foreign call, acknowledging an
 * interrupt, serving another CPU's shoot-down - needs no lock. A function below that says "any context" is also
 * called without the kernel lock and on several CPUs at once.
 *
 * A CPU in the kernel has interrupts off, so it may keep another one waiting. Only two things wait for
 * another CPU: the kernel's locks, by hal_relax, and hal_space_flush. The second is called under the
 * kernel lock, so there is one at a time; whoever waits for a lock serves it in hal_relax; whoever has
 * just come into the kernel or is about to leave it soon waits, or lets interrupts in. So both ends.
 */
#ifndef HAL_HAL_H
#define HAL_HAL_H

#include <exo/boot.h>
#include <exo/types.h>
#include <exo/utcb.h>
#include <stdbool.h>

typedef uint32_t pfn_t; /* page frame number: physical address / 4096 */
#define PFN_NONE UINT32_MAX

#include <hal_machine.h>

/* ---- the machine as found at boot -------------------------------------------------------------- */

struct hal_range {
    uint64_t base, bytes;
};
#define HAL_RANGES 32

struct hal_boot {
    struct hal_range ram[HAL_RANGES]; /* usable RAM, page aligned, the kernel's image taken out */
    unsigned ram_count;
    struct hal_range
        kept[HAL_RANGES]; /* RAM that is not usable, or may be none: the image, its page
                                          tables, what the firmware keeps; never given to anybody */
    unsigned kept_count;
    struct hal_range archive; /* the boot archive; lies within ram[] and must be kept */
    char command_line[3072];
    struct exo_console console;
    struct exo_pci pci;
    uint64_t epoch_ns; /* the real-time clock, nanoseconds since 1970 */
};

/** Brings the boot CPU up: console, descriptor tables, final page tables (no page writable and
 *  executable), trap entry, interrupt controller, calibrated clock. Called once, first. The kernel
 *  image is mapped; every RAM page is reachable through hal_frame_ptr afterwards. */
const struct hal_boot *hal_start(void);

/** Writes to the kernel's log device. Any context; the caller sees to it that lines do not mix. */
void hal_log(const char *text, size_t bytes);

/** Stops the machine; never returns. Any context, any CPU. */
_Noreturn void hal_power_off(void);

/* ---- CPUs -------------------------------------------------------------------------------------- */

#define HAL_CPUS 8u /* at most; further ones are left alone */

/** How many CPUs there are: after hal_start those that the machine's tables name, after hal_cpus_start
 *  those that run. They are numbered 0 .. hal_cpu_count - 1; the boot CPU is 0. */
extern unsigned hal_cpu_count;

/** Starts the other CPUs. Called once, by CPU 0, when the portable kernel is ready for them. Each comes
 *  up with what hal_start gave the first (traps, tables, features, its interrupt controller and timer;
 *  its counter agrees with CPU 0's, or kernel_panic) and calls kernel_cpu on a kernel stack of its own,
 *  which has a guard page. Returns when all have got that far; one that does not answer within a second
 *  is left out and takes no number. */
void hal_cpus_start(void);

/** Interrupts another CPU: kernel_ipi is called there, from user mode or hal_idle, soon. What this CPU
 *  wrote before is seen there. One that is asked again before it has come to it is called once or
 *  twice. One that has interrupts off gets it when it lets them in. Not for this CPU. */
void hal_ipi(unsigned cpu);

/** One turn of a loop that waits for another CPU to write a word: tells the processor so, and serves
 *  what other CPUs demand of this one without waiting for it to let interrupts in (hal_space_flush,
 *  hal_cpus_stop). Called with or without locks, interrupts off; touches nothing of the portable
 *  kernel's. */
void hal_relax(void);

/** As hal_relax, after a number of turns: the CPU sleeps until another one calls hal_wake for it, or for
 *  no reason at all. Interrupts stay off as far as the portable kernel can tell: none of its functions is
 *  called. A wake that comes just before must not be slept over. Without this a virtual machine whose
 *  CPUs share fewer real ones waits a time slice for each lock. */
void hal_doze(void);
void hal_wake(unsigned cpu);

/** Stops all other CPUs for good, wherever they are, as far as the machine can; waits for that, but not
 *  longer than 100 ms. Whoever calls it (kernel_panic, power-off) must not wait for a lock afterwards:
 *  a stopped CPU may hold it. Any context; of two at once one wins, and the other is stopped. */
void hal_cpus_stop(void);

/* ---- this CPU ---------------------------------------------------------------------------------- */

/** Per-CPU data that both sides of the line need; the machine's trap entry uses these fields.
 *  foreign_pc and utcb are those of the thread that runs. */
struct cpu_state;
struct hal_cpu {
    struct hal_context *thread_context; /* where trap entry saves, and exit loads, user registers */
    struct exo_utcb *utcb;              /* kernel's pointer to the running thread's UTCB */
    uint64_t foreign_pc;                /* where foreign calls are reflected to; 0: nowhere */
    uint64_t reflections;               /* foreign calls reflected so far */
    uint64_t kernel_stack;              /* top */
    uint64_t scratch[4];                /* the trap entry's own */
    unsigned number;
    uint32_t locks;           /* debug builds: a bit for each lock it holds (hal/lock.h) */
    struct cpu_state *kernel; /* the portable kernel's state of this CPU */
};
/** This CPU's. Any context; the answer never changes on a CPU, and kernel code never changes CPUs. */
struct hal_cpu *hal_cpu(void); /* inline */

/** Lets interrupts in and sleeps until one was served; returns with interrupts off. Without the kernel
 *  lock. An interrupt that came since they were switched off must end the sleep at once: whoever makes
 *  work for this CPU changes a word under the lock, then calls hal_ipi. */
void hal_idle(void);

/* ---- physical memory --------------------------------------------------------------------------- */

void *hal_frame_ptr(pfn_t frame);    /* inline: kernel pointer to a RAM frame */
pfn_t hal_frame_of(const void *ptr); /* inline: its inverse */
void hal_page_zero(void *page);      /* as few instructions as the machine can */
void hal_page_copy(void *to, const void *from);

/* ---- address spaces ---------------------------------------------------------------------------- */

/*
 * A space is a tree of page tables whose tables are frames that the generic kernel supplies.
 * HAL_LEAF_PAGES pages (a power of two) share one leaf table, so a walk over a range asks once per
 * leaf table and then steps from one entry to the next: hal_pte_t is an entry, an array of
 * HAL_LEAF_PAGES of them is a leaf table.
 */
#define HAL_SOFT_OWNED \
    1u                  /* soft bit: the space owns a share of the frame (private page); without
                             it the entry only borrows a frame from a region or extent */
#define HAL_SOFT_COW 2u /* soft bit: write-protected only because the frame may be shared */

/** Where page-table frames come from (zeroed); PFN_NONE if there are none. Set by the caller. */
struct hal_table_source {
    pfn_t (*take)(struct hal_table_source *source);
    void (*give)(struct hal_table_source *source, pfn_t frame);
};

/** Makes an empty user space (kernel part and view page included). False: no frames. */
bool hal_space_init(struct hal_space *space, struct hal_table_source *source);
/** The entry for user address `va`; 0 if there is no leaf table and `source` is 0 or has none. */
hal_pte_t *hal_space_entry(struct hal_space *space, uint64_t va, struct hal_table_source *source);
/** The lowest address >= va, < end that can have an entry (skips absent tables); `end` if none. */
uint64_t hal_space_next(const struct hal_space *space, uint64_t va, uint64_t end);
/** Frees all tables of a space whose entries were all cleared; at most `budget` tables a call.
 *  True when it is finished. */
bool hal_space_free(struct hal_space *space, struct hal_table_source *source, unsigned budget);
/** Loads the space, which is not the loaded one, on this CPU (0: kernel only). A space may be loaded on
 *  several; the machine keeps note of them as hal_space_flush needs it. */
void hal_space_switch(struct hal_space *space);
/** After entries of `space` that were present changed or went: when it returns, no CPU uses an old
 *  translation of va - or of any address, if va is HAL_FLUSH_ALL - and what user code on another CPU
 *  wrote through one is in memory. One call for a whole range: the caller changes all entries first. The
 *  frames behind them must not be used for anything else before it returns. */
#define HAL_FLUSH_ALL UINT64_MAX
void hal_space_flush(struct hal_space *space, uint64_t va);
/** After an entry changed so that it only allows more, or was found to allow what a fault on this CPU
 *  asked for: forgets the old translation on this CPU. Another that still has it takes a fault, and
 *  comes here itself. */
void hal_space_flush_here(struct hal_space *space, uint64_t va);
/** Maps a kernel-owned frame read-only for users at EXO_VIEW_VA in every space made afterwards. */
void hal_view_set(pfn_t frame);

/* Entries, all inline. rights: EXO_MAP_READ/WRITE/EXEC; soft: HAL_SOFT_*; device: uncached. A new one is
 * clean, and counts as referenced: whoever enters a page is about to use it, and some processors take a
 * trap to note that. */
hal_pte_t hal_pte_make(pfn_t frame, uint32_t rights, uint32_t soft, bool device);
/** Replaces an entry and answers the old one, in one atomic step: while the kernel looks, the processor
 *  of another CPU may note in it that the page was used, or written. Every change of a present entry goes
 *  through this; an entry that was 0 may be written plainly, as no processor changes one. */
hal_pte_t hal_pte_swap(hal_pte_t *entry, hal_pte_t value);
bool hal_pte_present(hal_pte_t entry);
pfn_t hal_pte_frame(hal_pte_t entry);
uint32_t hal_pte_rights(hal_pte_t entry);
uint32_t hal_pte_soft(hal_pte_t entry);
bool hal_pte_none8(const hal_pte_t *entries); /* eight in a row (of one table) are all 0 */
bool hal_pte_dirty(hal_pte_t entry);
hal_pte_t hal_pte_clean(hal_pte_t entry); /* the same, not dirty */
bool hal_pte_referenced(hal_pte_t entry);
hal_pte_t hal_pte_unreferenced(hal_pte_t entry); /* the same, until the next access */

/* ---- user memory ------------------------------------------------------------------------------- */

/** Copy to and from the current space. A fault asks kernel_fault_in (below); false: not accessible.
 *  Addresses beyond EXO_USER_TOP are refused. */
bool hal_copy_in(void *to, uint64_t from_va, size_t bytes);
bool hal_copy_out(uint64_t to_va, const void *from, size_t bytes);
/** Reads the aligned 32-bit word at a user address. */
bool hal_word_in(uint32_t *value, uint64_t va);

/* ---- thread contexts --------------------------------------------------------------------------- */

/** Registers of a new thread: starts at pc with sp, first argument arg, thread pointer tls. */
void hal_context_init(struct hal_context *c, uint64_t pc, uint64_t sp, uint64_t arg, uint64_t tls);
/** Where the UTCB lies for the thread (its register for it is loaded by hal_context_switch). */
void hal_context_utcb(struct hal_context *c, uint64_t utcb_va);
/** The result register of the native call that the context is in. */
void hal_context_result(struct hal_context *c, int64_t value); /* inline */
/** The native call that the context is in is made again, as it was, when the thread next runs. */
void hal_context_restart(struct hal_context *c); /* inline */
/** Where the thread goes on. */
uint64_t hal_context_pc(const struct hal_context *c); /* inline */
/** Argument `i` (0-5) of the native call that the context is in. */
uint64_t hal_context_arg(const struct hal_context *c, unsigned i); /* inline */
/** Copies the four message words (arguments 2-5) from one context in a call to another. */
void hal_context_words(struct hal_context *to, const struct hal_context *from); /* inline */
void hal_context_set_word(struct hal_context *c, unsigned i, uint64_t value);   /* inline */
/** Writes the user registers to a UTCB frame, and takes them from there: the latter accepts any
 *  bytes and makes a context that is safe to enter user mode with. */
void hal_context_save(const struct hal_context *c, struct exo_context *to);
void hal_context_load(struct hal_context *c, const struct exo_context *from);
/** Redirects the thread: it continues at pc with first argument arg; other registers stay. */
void hal_context_redirect(struct hal_context *c, uint64_t pc, uint64_t arg);
void hal_context_set_tls(struct hal_context *c, uint64_t tls);

/** Switches what the registers of the running thread do not cover: FPU and vector state, thread
 *  pointer, UTCB register. `from` may be 0 (nothing to save). `to` may be 0: this CPU puts the thread
 *  away whole, so that another can take it up; nothing is loaded, and the next call has `from` 0. */
void hal_context_switch(struct hal_context *from, struct hal_fpu *from_fpu, struct hal_context *to,
                        struct hal_fpu *to_fpu);
/** A fresh FPU state, and a copy of another thread's. */
void hal_fpu_init(struct hal_fpu *fpu);

/** Leaves to user mode with hal_cpu()->thread_context; how main() ends. */
_Noreturn void hal_enter_user(void);

/* ---- time, interrupts, ports ------------------------------------------------------------------- */

uint64_t hal_ticks(void); /* inline: the counter that user code reads too; the same on all CPUs */
/** The counter's value at time 0, and ns = ticks * mult >> shift. Fixed after hal_start. */
struct hal_clock {
    uint64_t base, mult;
    uint32_t shift;
};
extern struct hal_clock hal_clock;

/** What user code may use of the processor beyond what every one of its kind has, and that this port
 *  lets it use and saves: in the words that Linux has for it on the machine, fixed after hal_start.
 *  aarch64: AT_HWCAP, AT_HWCAP2, MIDR_EL1; riscv64: AT_HWCAP, extensions as riscv_hwprobe has them;
 *  x86_64: nothing, CPUID says it. */
#define HAL_FEATURES 4u
extern uint64_t hal_features[HAL_FEATURES];
/** One timer interrupt (kernel_timer) on this CPU at time `ns` or soon after; EXO_FOREVER: none. Each
 *  CPU has a timer of its own. */
void hal_timer(uint64_t ns);

/** Device interrupt lines 0 .. HAL_IRQS - 1 (the machine's own number in hal_machine.h). They arrive at
 *  CPU 0; any CPU may mask and unmask one. As a line can arrive while another CPU is in one of these,
 *  the machine guards what it notes about lines by LOCK_LINES (hal/lock.h), which it does not hold
 *  while it calls the portable kernel. */
void hal_irq_unmask(unsigned line);
void hal_irq_mask(unsigned line);
/** What a device must write, and where, to raise a line that has no wire. False: it has one. */
bool hal_irq_message(unsigned line, uint64_t *address, uint32_t *value);

/** Port access; widths 1, 2, 4. A machine without ports has HAL_PORTS 0. */
uint32_t hal_port_read(uint32_t port, unsigned width);
void hal_port_write(uint32_t port, unsigned width, uint32_t value);

/** 64 bits from whatever the machine has for entropy (a counter, if nothing else). */
uint64_t hal_entropy(void);

/* ---- what the machine calls -------------------------------------------------------------------- */

/*
 * On the kernel stack of the CPU, interrupts off, no lock held: each takes the kernel lock itself, as
 * far as it needs it, and does not hold it when it returns. The exceptions are kernel_fault_in, which
 * runs inside of hal_copy_in/out and so under the lock, and kernel_panic, from anywhere.
 */

/** Where a CPU that hal_cpus_start started arrives; hal_cpu()->kernel is 0 yet. Ends as main() does. */
_Noreturn void kernel_cpu(void);
/** A native call: number already checked to be below EXO_NR_LIMIT; registers are saved in
 *  hal_cpu()->thread_context. Sets the result itself. */
void kernel_call(unsigned number, struct hal_context *context);
/** A page fault from user mode; access is one of EXO_MAP_READ/WRITE/EXEC. */
void kernel_page_fault(uint64_t va, uint32_t access, uint64_t error);
/** Any other exception from user mode, and a foreign call when foreign_pc is 0. address: what it was
 *  about, if the machine says so; else 0. */
void kernel_exception(unsigned vector, uint64_t address, uint64_t error);
/** Device interrupt `line`, already masked and acknowledged at the controller; and the timer's.
 *  From user mode, or from hal_idle. */
void kernel_interrupt(unsigned line);
void kernel_timer(void);
/** Another CPU called hal_ipi for this one. From user mode, or from hal_idle. */
void kernel_ipi(void);
/** A fault of hal_copy_in/out: tries to make va accessible in the current space. */
bool kernel_fault_in(uint64_t va, uint32_t access);
/** A fault of the kernel itself: stops the other CPUs, prints what it gets, stops the machine. */
_Noreturn void kernel_panic(const char *format, ...);

#endif
