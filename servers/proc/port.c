/* SPDX-License-Identifier: MIT */
/*
 * The kernel as proc uses it: see port.h.
 *
 * A slot of the table owns a *kit* for good: one endpoint capability to each of proc, fs and tty
 * with the slot as badge, and the region of its proc_shared. What a process gets is derived from
 * its slot's kit. When the process has been reaped the kit is revoked, so that nothing the dead one
 * gave away, or hid in another environment, acts for the next process in the slot; and the next one
 * finds the kit, and its memory, ready.
 *
 * Who pays: pages of proc_shared are filled by processes, so they have an account of their own inside
 * ours, and using it up means that there is no further fork, not that proc cannot touch its own
 * memory. Page 0 of each, and the pages of the published table, are put there before they are
 * needed, because a fault for want of memory would be the end of proc.
 *
 * Why the process's own region capability is read-only, though its mapping is writable: region_punch
 * needs WRITE, and a page that proc has mapped must not go away under it.
 */
#include "servers/proc/after.h"
#include "servers/proc/port.h"
#include "servers/proc/port_own.h"
#include "servers/proc/table.h"
#include <exo.h>
#include <lib/linux/errno.h>
#include <lib/linux/signal.h>
#include <lib/string.h>
#include <libos/exo/clock.h>

#define SHARED_VA    0x0000300000000000u /* page 0 of slot s's proc_shared: + s pages */
#define SHARED_PAGES (PROC_SHARED_BYTES / EXO_PAGE_SIZE)

enum { GIVEN = PROC_CAP_SHARED - PROC_CAP_PROC + 1 }; /* capabilities that a process gets */

struct kit {
    exo_cap caps[GIVEN]; /* proc, fs, tty, shared; 0: not made yet */
    /* What a context's proc_shared is mapped by, in its parent's environment. It stays until the kit is revoked,
     * since a context runs on there after it has got an environment of its own. */
    exo_cap window;
    exo_cap renewal; /* 0: it does not ask for a fresh environment */
};

/* What kits are made from. Kept, or a rebirth would revoke the kits. */
static const exo_cap sources[] = {EXO_SRV_ENDPOINT, EXO_SRV_FS, EXO_SRV_TTY};

/* An environment that a process has. */
struct place {
    exo_cap env, thread; /* 0: none */
    uint64_t context;    /* 0 or 1 */
};
struct life {
    struct place now, before; /* before: until port_leave */
    uint64_t cpu_before;      /* CPU time in earlier ones */
};

KEPT static struct kit kits[PROC_MAX];
KEPT static struct life lives[PROC_MAX];
/* Notification: bit b: an environment of a slot with slot % 16 == b died. */
KEPT static exo_cap deaths;
KEPT static exo_cap init_notification, tty_notification;
KEPT static uint64_t init_bits;
KEPT static exo_cap shared_account; /* pays for proc_shared regions */
KEPT static uint64_t table_ready;   /* bytes of the table whose pages are there */
/* 1 + the slot that was given its capabilities last. Not saved: after a death in the middle it says
 * whose must be taken back. */
KEPT static uint64_t given_last;

/* ---- setting up -------------------------------------------------------------------------------- */

/* A new capability that outlives us: it must, before a kept word names it. */
static exo_cap keep(int64_t cap)
{
    exo_cap_flags((exo_cap)cap, EXO_CAP_KEEP);
    return (exo_cap)cap;
}

/* pid 1 has no proc_shared of its own making: we say for it what ps shows. */
static void publish_init(void)
{
    static const char path[] = "/usr/sbin/init";
    static const char comm[] = "init";
    int64_t region = exo_region_create(shared_account, SHARED_PAGES, 1);
    uint32_t length = sizeof path;

    if (region < 0)
        return;
    exo_region_write((exo_cap)region, offsetof(struct proc_shared, comm), comm, sizeof comm);
    exo_region_write((exo_cap)region, offsetof(struct proc_shared, exe), path, sizeof path);
    exo_region_write((exo_cap)region, offsetof(struct proc_shared, cmdline), path, sizeof path);
    exo_region_write((exo_cap)region, offsetof(struct proc_shared, cmdline_bytes), &length,
                     sizeof length);
    SET(kits[INIT_SLOT].caps[GIVEN - 1], keep(region));
}

/* Three quarters of the frames; what else a process costs us is far less than its proc_shared. */
static int64_t account_make(void)
{
    uint64_t limits[4];
    int64_t st = exo_account_info(0, limits);

    if (st < 0)
        return st;
    st = exo_account_create(0, (limits[0] - limits[1]) / 4 * 3, (limits[2] - limits[3]) / 4);
    if (st < 0)
        return st;
    SET(shared_account, keep(st));
    return 0;
}

int64_t port_init(void)
{
    int64_t st;

    for (int i = 0; i < GIVEN - 1; i++)
        keep((int64_t)sources[i]);
    if ((st = account_make()) < 0 || (st = port_reserve(0)) < 0 ||
        (st = exo_notification_create(0)) < 0)
        return st;
    SET(deaths, keep(st));
    publish_init();
    return exo_notification_bind(deaths);
}

int64_t port_reserve(uint32_t slot)
{
    static const uint8_t zero;

    while (slot < PROC_MAX && table_ready <= slot * sizeof(struct proc_entry)) {
        if (exo_region_write(EXO_SRV_TABLE, table_ready, &zero, 1) < 0)
            return -EAGAIN;
        table_ready += EXO_PAGE_SIZE; /* not saved: the page stays there */
    }
    return 0;
}

static int64_t errno_of(int64_t error)
{
    switch (error) {
    case EXO_ENOMEM: return -ENOMEM;
    case EXO_ENOSLOT:
    case EXO_EOBJECTS: return -EAGAIN;
    default: return error < 0 ? -EINVAL : error;
    }
}

static void drop(exo_cap *cap)
{
    if (*cap != 0)
        exo_cap_delete(*cap, 0);
    *cap = 0;
}

/* Told once; a later one replaces it. */
static void replace(exo_cap *place, exo_cap cap)
{
    if (cap == 0)
        return;
    after_drop(*place);
    SET(*place, keep((int64_t)cap));
}

void port_set_init(exo_cap notification, uint32_t bits)
{
    replace(&init_notification, notification);
    SET(init_bits, bits);
}

void port_set_tty(exo_cap notification)
{
    replace(&tty_notification, notification);
}

/* ---- kits -------------------------------------------------------------------------------------- */

static int64_t shared_make(uint32_t slot)
{
    static const uint8_t zero;
    int64_t made = exo_region_create(shared_account, SHARED_PAGES, 1);
    int64_t st;

    if (made < 0)
        return made;
    st = exo_region_write((exo_cap)made, 0, &zero, 1);
    if (st >= 0)
        st = exo_map(0, SHARED_VA + slot * EXO_PAGE_SIZE, 1, (exo_cap)made, 0,
                     EXO_MAP_READ | EXO_MAP_WRITE | EXO_MAP_EAGER);
    if (st < 0) {
        exo_cap_delete((exo_cap)made, 0);
        return st;
    }
    SET(kits[slot].caps[GIVEN - 1], keep(made));
    return 0;
}

static int64_t kit_make(uint32_t slot)
{
    struct kit *kit = &kits[slot];
    int64_t made;

    for (int i = 0; i < GIVEN - 1; i++) {
        if (kit->caps[i] != 0)
            continue;
        made = exo_cap_derive(sources[i], EXO_R_CALL | EXO_R_GRANT, slot, 0, 0);
        if (made < 0)
            return made;
        SET(kit->caps[i], keep(made));
    }
    return kit->caps[GIVEN - 1] != 0 ? 0 : shared_make(slot);
}

struct proc_shared *port_shared(uint32_t slot)
{
    return (struct proc_shared *)(SHARED_VA + slot * EXO_PAGE_SIZE);
}

/* One of them. An environment that is not a context's has nothing in these places but what we put there
 * before we died. */
static int64_t kit_give_one(exo_cap source, uint32_t rights, const struct body *body, exo_cap want)
{
    int64_t st = exo_cap_derive(source, rights, 0, body->env, want);

    if (st == EXO_EEXIST && !body->context) {
        exo_cap_delete(want, body->env);
        st = exo_cap_derive(source, rights, 0, body->env, want);
    }
    return st;
}

/* Gives the four capabilities; takes back what it gave if it cannot give all. */
static int64_t kit_give(const struct kit *kit, const struct body *body)
{
    int64_t st = 0;
    int i;

    if (body->base == 0 || body->base > EXO_CAP_SLOTS - GIVEN)
        return EXO_EINVAL;
    for (i = 0; i < GIVEN && st >= 0; i++)
        st = kit_give_one(kit->caps[i], i < GIVEN - 1 ? EXO_R_CALL : EXO_R_READ, body,
                          EXO_HANDLE(body->base + i, 1));
    if (st >= 0)
        return 0;
    for (i -= 2; i >= 0; i--)
        exo_cap_delete(EXO_HANDLE(body->base + i, 1), body->env);
    return st;
}

/* A context's mapping is made by a capability that goes when the kit is revoked: its environment
 * outlives it. That one at *window. */
static int64_t kit_map(const struct kit *kit, const struct body *body, exo_cap *window)
{
    exo_cap source = kit->caps[GIVEN - 1];

    *window = 0;
    if (body->context) {
        int64_t st = exo_cap_derive(source, EXO_R_READ | EXO_R_WRITE, 0, 0, 0);

        if (st < 0)
            return st;
        *window = source = keep(st);
    }
    return exo_map(body->env, body->va, SHARED_PAGES, source, 0,
                   EXO_MAP_READ | EXO_MAP_WRITE | EXO_MAP_NOFORK);
}

static void kit_revoke(struct kit *kit)
{
    for (int i = 0; i < GIVEN; i++) {
        while (kit->caps[i] != 0 && exo_cap_revoke(kit->caps[i]) == EXO_EAGAIN) {
        } /* bounded by the capabilities that its holder could pay for */
    }
}

void port_revoke(uint32_t slot)
{
    kit_revoke(&kits[slot]);
}

void port_set_renewal(uint32_t slot, exo_cap region)
{
    after_drop(kits[slot].renewal);
    SET(kits[slot].renewal, region == 0 ? 0 : keep((int64_t)region));
}

exo_cap port_renewal(uint32_t slot)
{
    return kits[slot].renewal;
}

static void kit_take(const struct body *body)
{
    for (int i = 0; i < GIVEN; i++)
        exo_cap_delete(EXO_HANDLE(body->base + i, 1), body->env);
}

/* ---- lives ------------------------------------------------------------------------------------- */

static uint64_t place_cpu_ns(const struct place *place)
{
    int64_t ns = place->env == 0 ? 0 : exo_cpu_time(place->context ? place->thread : place->env);

    return ns > 0 ? (uint64_t)ns : 0;
}

/* The words go last: until then a new life finds them, and does it again. */
static void place_leave(struct place *place, int64_t status)
{
    if (place->env == 0)
        return;
    if (!place->context)
        exo_env_destroy(place->env, status);
    exo_cap_delete(place->env, 0);
    exo_cap_delete(place->thread, 0);
    undo_save(place, sizeof *place);
    *place = (struct place){0};
}

/* What makes an environment a process's, and can fail. */
static int64_t place_fill(uint32_t slot, const struct body *body, exo_cap *window)
{
    struct kit *kit = &kits[slot];
    int64_t st;

    given_last = slot + 1;
    UNDO_ORDER();
    if ((st = kit_make(slot)) < 0 || (st = kit_give(kit, body)) < 0)
        return st;
    st = kit_map(kit, body, window);
    if (st >= 0 && !body->context)
        st = exo_env_watch(body->env, deaths, 1u << slot % DEATH_BITS);
    if (st < 0) {
        kit_take(body);
        drop(window);
    }
    return st;
}

int64_t port_attach(uint32_t slot, const struct body *body)
{
    struct life *life = &lives[slot];
    exo_cap window;
    int64_t st = place_fill(slot, body, &window);

    if (st < 0)
        return errno_of(st);
    undo_save(life, sizeof *life);
    if (life->now.env == 0) {
        life->cpu_before = 0;
        port_shared(slot)->continues = 1;
    }
    life->cpu_before += place_cpu_ns(&life->now);
    life->before = life->now;
    if (window != 0)
        SET(kits[slot].window, window);
    life->now =
        (struct place){keep((int64_t)body->env), keep((int64_t)body->thread), body->context};
    return 0;
}

void port_detach(uint32_t slot, int64_t status)
{
    place_leave(&lives[slot].now, status);
}

void port_leave(uint32_t slot)
{
    place_leave(&lives[slot].before, 0);
}

void port_drop(exo_cap cap)
{
    exo_cap_delete(cap, 0);
}

void port_release(uint32_t slot)
{
    struct kit *kit = &kits[slot];

    place_leave(&lives[slot].now, 0);
    kit_revoke(kit);
    if (kit->renewal != 0) {
        exo_cap_delete(kit->renewal, 0);
        undo_word(&kit->renewal);
        kit->renewal = 0;
    }
    memset(port_shared(slot), 0, offsetof(struct proc_shared, pad));
    exo_region_punch(kit->caps[GIVEN - 1], 1, SHARED_PAGES - 1);
}

/* ---- a new life -------------------------------------------------------------------------------- */

static uint64_t known[EXO_CAP_SLOTS / 64]; /* slots of our capabilities that kept words name */

static void know(exo_cap cap)
{
    known[EXO_SLOT(cap) / 64] |= 1ull << EXO_SLOT(cap) % 64;
}

static void know_all(void)
{
    for (int i = 0; i < GIVEN - 1; i++)
        know(sources[i]);
    know(deaths);
    know(init_notification);
    know(tty_notification);
    know(shared_account);
    for (uint32_t slot = 0; slot < table_limit(); slot++) {
        const struct life *life = &lives[slot];

        for (int i = 0; i < GIVEN; i++)
            know(kits[slot].caps[i]);
        know(kits[slot].window);
        know(kits[slot].renewal);
        know(life->now.env);
        know(life->now.thread);
        know(life->before.env);
        know(life->before.thread);
    }
}

static void revoke(exo_cap cap)
{
    while (exo_cap_revoke(cap) == EXO_EAGAIN) {}
}

void port_sweep(void)
{
    int64_t cap = 0;

    know_all();
    while ((cap = exo_cap_next(EXO_SLOT((exo_cap)cap), EXO_CAP_KEEP)) > 0) {
        if (known[EXO_SLOT((exo_cap)cap) / 64] & 1ull << EXO_SLOT((exo_cap)cap) % 64)
            continue;
        revoke((exo_cap)cap);
        exo_cap_delete((exo_cap)cap, 0);
    }
}

/* The pages of proc_shared are mapped again: whoever has a kit has one. */
static int64_t map_shared(void)
{
    for (uint32_t slot = 1; slot < table_limit(); slot++) {
        exo_cap region = kits[slot].caps[GIVEN - 1];
        int64_t st = region == 0 ? 0
                                 : exo_map(0, SHARED_VA + slot * EXO_PAGE_SIZE, 1, region, 0,
                                           EXO_MAP_READ | EXO_MAP_WRITE | EXO_MAP_EAGER);

        if (st < 0)
            return st;
    }
    return 0;
}

int64_t port_recover(void)
{
    port_sweep();
    if (given_last != 0 && !process_exists((uint32_t)given_last - 1))
        kit_revoke(&kits[given_last - 1]);
    int64_t st = map_shared();
    return st < 0 ? st : exo_notification_bind(deaths);
}

/* ---- what the rest asks for --------------------------------------------------------------------- */

void port_name_inherit(uint32_t parent, uint32_t child)
{
    uint64_t at = offsetof(struct proc_shared, comm);
    char comm[sizeof((struct proc_shared *)0)->comm];

    if (kits[parent].caps[GIVEN - 1] &&
        exo_region_read(kits[parent].caps[GIVEN - 1], at, comm, sizeof comm) == sizeof comm)
        exo_region_write(kits[child].caps[GIVEN - 1], at, comm, sizeof comm);
}

uint32_t port_thread_round(uint32_t slot, uint32_t place)
{
    exo_cap shared = kits[slot].caps[GIVEN - 1];
    uint8_t round = 0;

    if (shared)
        exo_region_read(shared, offsetof(struct proc_shared, thread_rounds) + place, &round, 1);
    return round;
}

int64_t port_copy_env(uint32_t slot)
{
    return errno_of(exo_cap_copy(lives[slot].now.env, 0, 0));
}

int64_t port_publish(uint32_t slot)
{
    return errno_of(exo_cap_derive(kits[slot].caps[GIVEN - 1], EXO_R_READ | EXO_R_GRANT, 0, 0, 0));
}

/* 0 would be our own. */
void port_resume(uint32_t slot)
{
    if (lives[slot].now.thread != 0)
        exo_thread_resume(lives[slot].now.thread);
}

void port_suspend(uint32_t slot, bool suspended)
{
    if (lives[slot].now.env != 0)
        exo_env_suspend(lives[slot].now.env, suspended);
}

void port_notify(uint32_t slot, uint32_t bits)
{
    const struct place *place = &lives[slot].now;

    if (place->env != 0)
        exo_notify(place->context ? place->thread : place->env, bits);
}

void port_wake(const void *word)
{
    exo_wake(word, UINT32_MAX);
}

uint64_t port_cpu_ns(uint32_t slot)
{
    return lives[slot].cpu_before + place_cpu_ns(&lives[slot].now);
}

int64_t port_affinity(uint32_t slot, uint64_t cpus)
{
    return lives[slot].now.thread == 0 ? -ESRCH
                                       : errno_of(exo_sched_affinity(lives[slot].now.thread, cpus));
}

int64_t port_resident(uint32_t slot, uint64_t va, uint64_t pages, uint64_t count[4])
{
    uint64_t end = va + pages * EXO_PAGE_SIZE;

    if (pages == 0 || pages > EXO_USER_TOP / EXO_PAGE_SIZE || va >= EXO_USER_TOP)
        return -EINVAL;
    while (lives[slot].now.env != 0 && va < end) {
        int64_t st = exo_space_count(lives[slot].now.env, va, (end - va) / EXO_PAGE_SIZE, count);

        if (st <= 0)
            return st == EXO_EDEAD ? 0 : errno_of(st);
        va = (uint64_t)st;
    }
    return 0;
}

int64_t port_death(uint32_t slot)
{
    exo_cap env = lives[slot].now.env;
    struct exo_env_info info;

    if (env == 0 || exo_env_info(env, &info) < 0 || info.cause == EXO_ALIVE)
        return -1;
    return info.cause == EXO_CRASHED ? STATUS_KILLED(SIGSEGV) : STATUS_KILLED(SIGKILL);
}

exo_time port_now(void)
{
    return clock_uptime();
}

void port_notify_init(void)
{
    if (init_notification != 0)
        exo_notify(init_notification, (uint32_t)init_bits);
}

void port_notify_tty(void)
{
    if (tty_notification != 0)
        exo_notify(tty_notification, PROC_EVENT_TTY);
}
