/* SPDX-License-Identifier: MIT */
/*
 * The story of the start. The machine's boot code calls main on the boot CPU, on the kernel's own
 * stack, with interrupts off. Each step needs the ones before it; after the last one there is no
 * kernel "program" any more, only answers to traps (trap/call.c, trap/upcall.c, sched/sched.c).
 */
#include <hal/hal.h>
#include <kernel/boot/init.h>
#include <kernel/env/env.h>
#include <kernel/ipc/waitset.h>
#include <kernel/mem/frame.h>
#include <kernel/mem/space.h>
#include <kernel/object.h>
#include <kernel/sched/lock.h>
#include <kernel/sched/sched.h>
#include <kernel/sys.h>
#include <kernel/trace/log.h>
#include <exo/version.h>
#include <kernel/trap/view.h>

/* How much of the machine goes into capabilities: one for every 4 frames, 65,536 at least. */
static uint32_t cap_count(void)
{
    uint64_t wanted = frame_total_count() / 4;

    return wanted < 65536 ? 65536 : wanted > 1 << 20 ? 1 << 20 : (uint32_t)wanted;
}

int main(void)
{
    /* The machine: traps, page tables, interrupt controller, clock. */
    const struct hal_boot *boot = hal_start();
    log_print(EXO_VERSION);

    /* From here on this CPU holds the kernel lock, as on every other way into the kernel. */
    lock_take(&kernel_lock);

    /* Memory: who owns each frame, and the objects that hang on it. */
    frame_init(boot);
    object_init();
    space_start();
    waitset_start();
    slots_init(cap_count());
    struct account *root = account_root(frame_free_count(), UINT32_MAX);

    /* Time and what everybody may see of the kernel. */
    timer_init();
    sched_init();
    view_init(boot->epoch_ns);

    /* The other CPUs: they come as far as the kernel lock. */
    hal_cpus_start();
    sched_start_others();

    /* The first environment gets all there is, and the kernel gives way to it. */
    init_start(boot, root);
    log_print("%lu of %lu frames free, %u CPU%s", (unsigned long)frame_free_count(),
              (unsigned long)frame_total_count(), sched_cpus, sched_cpus > 1 ? "s" : "");
    kernel_leave();
    hal_enter_user();
}
