/* SPDX-License-Identifier: MIT */
/*
 * The kernel that servers/proc sees in unit tests: it only takes notes. What it notes is outside of
 * proc, so a death of proc (death.h) does not take it back.
 */
#ifndef TESTS_UNIT_PROC_FAKE_H
#define TESTS_UNIT_PROC_FAKE_H

#include "death.h"
#include "servers/proc/after.h"
#include "servers/proc/life.h"
#include "servers/proc/signal.h"
#include "servers/proc/table.h"

static struct fake {
    struct proc_shared shared;
    bool attached, context, suspended, dead, running;
    uint32_t notified, releases;
} fake_kernel[PROC_MAX];
static int64_t attach_result;
static unsigned told_init, told_tty;
static struct proc_entry published[PROC_MAX];
static void (*meanwhile)(void); /* what processes do when they are notified */

int64_t port_reserve(uint32_t slot)
{
    (void)slot;
    return 0;
}
int64_t port_attach(uint32_t slot, const struct body *body)
{
    if (attach_result < 0)
        return attach_result;
    fake_kernel[slot].attached = true;
    fake_kernel[slot].context = body->context;
    fake_kernel[slot].dead = fake_kernel[slot].running = false;
    fake_kernel[slot].shared.continues = 1;
    return 0;
}
struct proc_shared *port_shared(uint32_t slot)
{
    return &fake_kernel[slot].shared;
}
uint32_t port_thread_round(uint32_t slot, uint32_t place)
{
    return fake_kernel[slot].shared.thread_rounds[place];
}
void port_detach(uint32_t slot, int64_t status)
{
    death_step();
    (void)status;
    fake_kernel[slot].attached = false;
    death_step();
}
void port_revoke(uint32_t slot)
{
    (void)slot;
}
void port_set_renewal(uint32_t slot, exo_cap region)
{
    (void)slot, (void)region;
}
exo_cap port_renewal(uint32_t slot)
{
    (void)slot;
    return 0;
}
void port_leave(uint32_t slot)
{
    (void)slot;
}
void port_drop(exo_cap cap)
{
    (void)cap;
}
void port_release(uint32_t slot)
{
    death_step();
    uint32_t releases = fake_kernel[slot].releases;

    fake_kernel[slot] = (struct fake){.releases = releases + 1};
    death_step();
}
void port_resume(uint32_t slot)
{
    death_step();
    fake_kernel[slot].running = true;
    death_step();
}
void port_suspend(uint32_t slot, bool suspended)
{
    death_step();
    fake_kernel[slot].suspended = suspended;
    death_step();
}
void port_notify(uint32_t slot, uint32_t bits)
{
    death_step();
    fake_kernel[slot].notified |= bits;
    if (meanwhile)
        meanwhile();
    death_step();
}
void port_wake(const void *word)
{
    (void)word;
}
int64_t port_affinity(uint32_t slot, uint64_t cpus)
{
    (void)slot;
    return cpus ? (int64_t)cpus : 3;
}
int64_t port_resident(uint32_t slot, uint64_t va, uint64_t pages, uint64_t count[4])
{
    (void)slot, (void)va;
    count[0] = pages;
    return 0;
}
uint64_t port_cpu_ns(uint32_t slot)
{
    (void)slot;
    return 10;
}
int64_t port_death(uint32_t slot)
{
    return fake_kernel[slot].dead ? STATUS_KILLED(SIGSEGV) : -1;
}
exo_time port_now(void)
{
    return 1;
}
void port_notify_init(void)
{
    told_init++;
}
void port_notify_tty(void)
{
    told_tty++;
}

/* A request is done: it is committed, and has its consequences. */
static inline void settle(void)
{
    undo_commit();
    after_run();
}
#define fakes (settle(), fake_kernel)

static inline void fake_reset(void)
{
    memset(fake_kernel, 0, sizeof fake_kernel);
    memset(published, 0, sizeof published);
    told_init = told_tty = 0;
    attach_result = 0;
    undo_begin();
    signal_take_init();
    table_init(published);
    settle();
}

/* A process that runs; `boot`: by init. */
static inline uint32_t born(uint32_t parent, bool context, bool boot)
{
    const struct body body = {.env = 1, .thread = 2, .base = 4, .context = context};
    int64_t slot;

    settle();
    slot = life_fork(parent, &body, SIGCHLD, boot);
    if (slot < 0 || life_start(parent, entries[slot].pid) != 0)
        return NOBODY;
    settle();
    return (uint32_t)slot;
}

#endif
