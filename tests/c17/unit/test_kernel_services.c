// SPDX-License-Identifier: MIT
/*
 * Rebirth against a model. A service does random things to its memory and its capabilities, dies at a
 * random moment, and must come back with the snapshot's pages and handles, less what was revoked, and
 * with what it preserved: the same frames, by number.
 */
// links: KERNEL
#include <hal/host/host.h>
#include <kernel/mem/frame.h>
#include <kernel/resurrection/table.h>
#include <kernel/sched/sched.h>
#include <kernel/sys.h>

#include "test_framework.h"

#define BASE  0x10000000u
#define PAGES 96u
#define CAPS  160u /* slots that the service has at the start, from FIRST on */
#define FIRST 20u
#define RW    (EXO_MAP_READ | EXO_MAP_WRITE)
#define VA(p) (BASE + (uint64_t)(p)*EXO_PAGE_SIZE)

static struct thread *manager, *thread; /* thread: the service's */
static struct env *env;
static uint32_t id;

/* The model: what each page held at the snapshot (0: nothing is mapped), and what is preserved now. */
static uint32_t then[PAGES];
static bool preserved[PAGES];
static pfn_t frame[PAGES];
static uint32_t content[PAGES];
static bool revoked[CAPS];
static exo_cap roots[CAPS]; /* the manager's, from which the service's come */

static uint64_t seed = 5;
static uint64_t draw(uint64_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % below;
}

static bool mapped(unsigned p)
{
    uint32_t word;

    return host_load(&env->space, VA(p), &word);
}

static void store(unsigned p, uint32_t word)
{
    if (mapped(p))
        ASSERT_TRUE(host_store(&env->space, VA(p), word));
}

static void make_service(void)
{
    struct exo_service_plan plan = {.name = "s", .path = "/s", .policy = RS_POLICY_ALWAYS};

    host_run(manager);
    host_put(HOST_ARGUMENTS, &plan, sizeof plan);
    int64_t made = sys_service_register(EXO_CAP_SERVICES, (void *)HOST_ARGUMENTS);
    ASSERT_GE(made, 0);
    id = (uint32_t)made;
    ASSERT_EQ(sys_service_limit(EXO_CAP_SERVICES, id, 0, 1), EXO_OK);
    thread = host_env(host_root);
    env = thread->env;
    thread->state = THREAD_NEW;
    ASSERT_EQ(env_grant_at(manager->env, &env->object, EXO_R_ALL, EXO_WELL_KNOWN(12)),
              (int64_t)EXO_WELL_KNOWN(12));
    for (unsigned i = 0; i < CAPS; i++) {
        roots[i] = (exo_cap)sys_notification_create(0);
        ASSERT_EQ(
            sys_cap_derive(roots[i], EXO_R_ALL, 0, EXO_WELL_KNOWN(12), EXO_WELL_KNOWN(FIRST + i)),
            (int64_t)EXO_WELL_KNOWN(FIRST + i));
        revoked[i] = false;
    }
    for (unsigned p = 0; p < PAGES; p++) {
        then[p] = p % 7 == 3 ? 0 : p % 3 ? 1000 + p : UINT32_MAX; /* UINT32_MAX: zeros */
        preserved[p] = false;
        if (then[p] == 0)
            continue;
        host_run(thread);
        ASSERT_EQ(sys_map(0, VA(p), 1, 0, 0, RW), EXO_OK);
        if (then[p] != UINT32_MAX)
            store(p, then[p]);
    }
    host_run(manager);
    int64_t st;
    while ((st = sys_service_attach(EXO_CAP_SERVICES, id, EXO_WELL_KNOWN(12))) == SYS_DONE)
        ; /* a piece at a time */
    ASSERT_EQ(st, EXO_OK);
    ASSERT_EQ(sys_service_start(EXO_CAP_SERVICES, id), EXO_OK);
}

/* ---- what a life does --------------------------------------------------------------------------- */

static void do_memory(void)
{
    unsigned p = (unsigned)draw(PAGES), n = 1 + (unsigned)draw(PAGES - p < 9 ? PAGES - p : 9);
    bool there = true, free = true;

    for (unsigned i = p; i < p + n; i++) {
        there &= mapped(i);
        free &= !preserved[i];
    }
    switch (draw(7)) {
    case 0:
        if (free)
            sys_unmap(0, VA(p), n);
        break;
    case 1:
        if (free)
            sys_map(0, VA(p), n, 0, 0, draw(2) ? RW : EXO_MAP_READ);
        break;
    case 2:
        if (free)
            sys_discard(0, VA(p), n);
        break;
    case 3:
        if (free && there)
            sys_protect(0, VA(p), n, draw(2) ? RW : EXO_MAP_READ);
        break;
    case 4:
        if (there && sys_protect(0, VA(p), n, RW) == EXO_OK) {
            ASSERT_EQ(sys_service_preserve(VA(p), n, 1), EXO_OK);
            for (unsigned i = p; i < p + n; i++)
                preserved[i] = true;
        }
        break;
    default:
        for (unsigned i = p; i < p + n; i++)
            host_store(&env->space, VA(i), (uint32_t)draw(1u << 30) + 1);
        break;
    }
}

static void do_capability(void)
{
    exo_cap mine = EXO_WELL_KNOWN(FIRST + draw(CAPS));
    int64_t made;

    switch (draw(4)) {
    case 0: sys_cap_delete(mine, 0); break;
    case 1: sys_cap_copy(mine, 0, 0); break;
    case 2: sys_notification_create(0); break;
    default:
        made = sys_cap_derive(mine, EXO_R_ALL, 0, 0, 0);
        if (made >= 0 && draw(4) == 0)
            sys_cap_flags((exo_cap)made, EXO_CAP_LENDER);
        break;
    }
}

static void live(void)
{
    host_run(thread);
    for (uint64_t steps = draw(60); steps > 0; steps--) {
        if (draw(2))
            do_memory();
        else
            do_capability();
    }
    for (unsigned p = 0; p < PAGES; p++) {
        if (preserved[p]) {
            ASSERT_TRUE(host_load(&env->space, VA(p), &content[p]));
            frame[p] = (pfn_t)(space_physical(&env->space, VA(p)) >> EXO_PAGE_SHIFT);
        }
    }
}

static void revoke_some(void)
{
    host_run(manager);
    for (uint64_t n = draw(3); n > 0; n--) {
        unsigned i = (unsigned)draw(CAPS);

        ASSERT_EQ(sys_cap_revoke(roots[i]), EXO_OK);
        revoked[i] = true;
    }
}

/* ---- what must be so after it -------------------------------------------------------------------- */

static void check_memory(void)
{
    for (unsigned p = 0; p < PAGES; p++) {
        uint32_t word = 0;
        bool there = host_load(&env->space, VA(p), &word);

        if (preserved[p]) {
            ASSERT_TRUE(there);
            ASSERT_EQ(word, content[p]);
            ASSERT_EQ(space_physical(&env->space, VA(p)) >> EXO_PAGE_SHIFT, frame[p]);
        } else {
            ASSERT_EQ(there, then[p] != 0);
            if (there)
                ASSERT_EQ(word, then[p] == UINT32_MAX ? 0 : then[p]);
        }
    }
}

static void check_capabilities(void)
{
    unsigned wanted = 3, have = 0; /* itself, its account, and no thread; see below */
    cap_id c;

    for (unsigned i = 0; i < CAPS; i++) {
        ASSERT_EQ(env_cap(env, EXO_WELL_KNOWN(FIRST + i), &c), revoked[i] ? EXO_ECAP : EXO_OK);
        wanted += !revoked[i];
        if (!revoked[i])
            ASSERT_EQ(cap_has_child(cap_global(), c), false);
    }
    for (uint32_t slot = 1; slot < EXO_CAP_SLOTS; slot++) {
        const struct slot *page = env->slots[slot / SLOTS_PER_PAGE];

        have += page && page[slot % SLOTS_PER_PAGE].cap != CAP_NIL;
    }
    ASSERT_EQ(have, wanted - 1);
    ASSERT_TRUE(cap_table_ok(cap_global()));
}

static void die_and_return(void)
{
    if (draw(2))
        host_run(manager);
    env_kill(env, EXO_DESTROYED, 0);
    for (unsigned pieces = 0; env->object.dead; pieces++) {
        ASSERT_LT(pieces, 1000);
        env_kill(env, EXO_CRASHED, 1); /* a second death, between any two pieces */
        host_run(thread);
        ASSERT_TRUE(service_rebirth(thread));
    }
    host_run(manager);
    host_reap();
}

static void remove_service(void)
{
    host_run(manager);
    ASSERT_EQ(sys_service_kill(EXO_CAP_SERVICES, id, EXO_STOPPED), EXO_OK);
    while (env->object.dead) {
        host_run(thread);
        service_rebirth(thread);
    }
    host_run(manager);
    ASSERT_EQ(sys_service_remove(EXO_CAP_SERVICES, id), EXO_OK);
    ASSERT_EQ(sys_cap_delete(EXO_WELL_KNOWN(12), 0), EXO_OK);
    object_unref(&thread->object);
    for (unsigned i = 0; i < CAPS; i++)
        sys_cap_delete(roots[i], 0);
    host_reap();
}

int main(void)
{
    host_start(64);
    manager = host_env(host_root);
    ASSERT_NOT_NULL(manager);
    service_start_table(manager->env, host_root);

    TEST_BEGIN("a rebirth gives the snapshot and what is preserved, frame by frame");
    for (unsigned round = 0; round < 40; round++) {
        make_service();
        for (unsigned life = 0; life < 12; life++) {
            live();
            revoke_some();
            die_and_return();
            check_memory();
            check_capabilities();
            ASSERT_TRUE(rs_table_ok(&rs));
        }
        remove_service();
    }
    TEST_END();
}
