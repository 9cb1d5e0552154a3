// SPDX-License-Identifier: MIT
/* service_*, cap_next: lives, deaths and rebirths, as a program sees them. */
#include "contract.h"

#include <lib/string.h>
#include <rs.h>

#define TABLE  EXO_CAP_SERVICES
#define KEPT   page(100) /* the service's preserved page */
#define EXTRA  page(200)
#define EP     EXO_WELL_KNOWN(10) /* what the service finds at these handles */
#define REGION EXO_WELL_KNOWN(11)

/* What the service does next, in SHARED->word[0]; it says how often it began in word[1]. */
enum order { WAIT, FAULT, EXIT_0, EXIT_7, SPIN, EXCEPTION };

static struct service {
    uint32_t id;
    struct child child;
    exo_cap endpoint, region;
} svc;

static struct exo_service_info info_of(uint32_t id)
{
    struct exo_service_info info = {0};

    OK(exo_service_info(TABLE, id, &info));
    return info;
}

static uint32_t registered(const char *name, uint32_t policy)
{
    uint32_t id = EXO_SERVICE_ANY;

    OK(rs_register_service(name, "/test", policy, &id));
    return id;
}

static void make_sized(int64_t (*run)(uint64_t), uint32_t policy, uint64_t frames)
{
    svc.id = registered("test", policy);
    OK(rs_set_limit(svc.id, 0, 1)); /* none */
    child_make(&svc.child, frames, 512);
    svc.endpoint = OK(exo_endpoint_create(0));
    svc.region = OK(exo_region_create(0, 8, 1));
    OK(exo_cap_derive(svc.endpoint, EXO_R_ALL, 0, svc.child.env, EP));
    OK(exo_cap_derive(svc.region, EXO_R_ALL, 0, svc.child.env, REGION));
    child_load(&svc.child, run, 0);
    OK(rs_attach(svc.id, svc.child.env));
}

static void make(int64_t (*run)(uint64_t), uint32_t policy)
{
    make_sized(run, policy, CHILD_FRAMES);
}

static void unmake(void)
{
    OK(rs_stop_service(svc.id));
    UNTIL(info_of(svc.id).state != EXO_SERVICE_DYING);
    EXPECT(exo_service_remove(TABLE, svc.id), EXO_OK);
    drop(svc.endpoint);
    drop(svc.region);
    child_drop(&svc.child);
}

static void wait_life(uint64_t number)
{
    UNTIL(info_of(svc.id).state == EXO_SERVICE_RUNNING && SHARED->word[1] == number);
    EXPECT(info_of(svc.id).lives, number);
}

static void order(enum order what)
{
    uint32_t before = SHARED->word[1];

    SHARED->word[0] = what;
    exo_wake((void *)&SHARED->word[0], 1);
    UNTIL(SHARED->word[1] != before || info_of(svc.id).state > EXO_SERVICE_DYING);
}

static void obey(void)
{
    while (SHARED->word[0] == WAIT) {
        struct exo_wait_word word = {.address = (uintptr_t)&SHARED->word[0], .expected = WAIT};

        exo_wait(&word, 1, EXO_FOREVER);
    }
    enum order what = (enum order)SHARED->word[0];
    SHARED->word[0] = WAIT;
    if (what == FAULT)
        WORD(UNMAPPED) = 1;
    if (what == EXCEPTION)
        __builtin_trap();
    while (what == SPIN)
        ;
    exo_env_destroy(0, what == EXIT_7 ? 7 : 0);
}

static void begin(void)
{
    const struct exo_life *life = &exo_utcb()->life;

    SHARED->value[0] = life->number;
    SHARED->value[1] = life->cause;
    SHARED->value[2] = (uint64_t)life->status;
    SHARED->value[3] = life->fault_address;
    SHARED->word[1]++;
}

/* ---- deaths ------------------------------------------------------------------------------------ */

static int64_t simple(uint64_t unused)
{
    (void)unused;
    begin();
    obey();
    return 0;
}

static void every_death_is_followed_by_a_life_that_knows_it(void)
{
    make(simple, RS_POLICY_ALWAYS);
    EXPECT(info_of(svc.id).state, EXO_SERVICE_REGISTERED);
    OK(rs_start_service(svc.id));
    wait_life(1);
    EXPECT(SHARED->value[0], 1);
    EXPECT(SHARED->value[1], EXO_ALIVE);

    order(FAULT);
    wait_life(2);
    EXPECT(SHARED->value[0], 2);
    EXPECT(SHARED->value[1], EXO_CRASHED);
    EXPECT(SHARED->value[3], (uintptr_t)UNMAPPED);
    EXPECT(info_of(svc.id).fault_address, (uintptr_t)UNMAPPED);
    order(EXIT_7);
    wait_life(3);
    EXPECT(SHARED->value[1], EXO_EXITED);
    EXPECT(SHARED->value[2], 7);
    order(EXIT_0);
    wait_life(4);
    order(EXCEPTION);
    wait_life(5);
    EXPECT(info_of(svc.id).fault_kind, EXO_UP_EXCEPTION);
    OK(exo_env_destroy(svc.child.env, 9)); /* while it sleeps */
    wait_life(6);
    EXPECT(SHARED->value[1], EXO_DESTROYED);
    OK(rs_kill_service(svc.id));
    wait_life(7);
    OK(rs_restart_service(svc.id));
    wait_life(8);
    EXPECT(SHARED->value[1], EXO_RESTARTED);
    OK(exo_thread_exit(svc.child.thread, 0));
    wait_life(9);
    EXPECT(SHARED->value[1], EXO_EXITED);
    EXPECT_TRUE(info_of(svc.id).recovery_ns > 0);
    EXPECT_TRUE(info_of(svc.id).recovery_total_ns > info_of(svc.id).recovery_ns);
    unmake();
}

static void policies_and_limits_decide(void)
{
    make(simple, RS_POLICY_ON_FAILURE);
    OK(rs_start_service(svc.id));
    wait_life(1);
    order(EXIT_7);
    wait_life(2);
    order(EXIT_0);
    UNTIL(info_of(svc.id).state == EXO_SERVICE_STOPPED);
    OK(rs_start_service(svc.id));
    wait_life(3);
    OK(rs_set_policy(svc.id, RS_POLICY_NEVER));
    order(FAULT);
    UNTIL(info_of(svc.id).state == EXO_SERVICE_FAILED);
    EXPECT(exo_thread_resume(svc.child.thread), EXO_EBUSY);
    OK(rs_set_policy(svc.id, RS_POLICY_ALWAYS));
    OK(rs_set_limit(svc.id, 2, 60000 * (uint64_t)MS));
    OK(rs_start_service(svc.id));
    wait_life(4);
    order(FAULT);
    wait_life(5);
    order(FAULT);
    wait_life(6);
    order(FAULT);
    UNTIL(info_of(svc.id).state == EXO_SERVICE_FAILED);
    unmake();
}

/* ---- memory ------------------------------------------------------------------------------------ */

static uint32_t data = 5, bss;

static int64_t remembers(uint64_t unused)
{
    (void)unused;
    if (exo_utcb()->life.number == 1) {
        OK(exo_map(0, KEPT, 2, 0, 0, RW));
        OK(rs_preserve(KEPT, 2));
        OK(exo_map(0, EXTRA, 2, REGION, 0, RW));
        OK(rs_preserve(EXTRA, 1));
    }
    SHARED->value[8] = data++;
    SHARED->value[9] = bss++;
    SHARED->value[10] = WORD(KEPT)++;
    SHARED->value[11] = WORD(EXTRA)++; /* through a capability that the snapshot has */
    SHARED->value[12] = (uint64_t)exo_protect(0, EXTRA + PAGE, 1, RW); /* was not preserved */
    SHARED->value[13] = (uint64_t)exo_map(0, page(300), 300, 0, 0, RW | EXO_MAP_KEEP);
    for (unsigned i = 0; i < 300; i++)
        SHARED->value[14] |= WORD(page(300 + i))++;
    begin();
    obey();
    return 0;
}

static void memory_is_as_it_was_and_preserved_memory_as_it_is(void)
{
    make_sized(remembers, RS_POLICY_ALWAYS, 4 * CHILD_FRAMES);
    OK(rs_start_service(svc.id));
    for (unsigned life = 1; life < 5; life++) {
        wait_life(life);
        EXPECT(SHARED->value[8], 5);
        EXPECT(SHARED->value[9], 0);
        EXPECT(SHARED->value[10], life - 1);
        EXPECT(SHARED->value[11], life - 1);
        EXPECT((int64_t)SHARED->value[12], life == 1 ? EXO_OK : EXO_ENOENT);
        EXPECT((int64_t)SHARED->value[13], EXO_OK);
        EXPECT(SHARED->value[14], 0);
        order(FAULT);
    }
    unmake();
}

static int64_t checkpoints(uint64_t unused)
{
    (void)unused;
    OK(exo_map(0, page(300), 8, 0, 0, RW));
    WORD(page(300)) = 77;
    WORD(page(301)) = 78;
    data = 6;
    int64_t which = exo_service_checkpoint();
    SHARED->value[8] = (uint64_t)which;
    SHARED->value[9] = WORD(page(300));
    SHARED->value[10] = WORD(page(301))++;
    SHARED->value[11] = data;
    SHARED->value[12] = WORD(page(302))++;
    OK(exo_discard(0, page(300), 1));
    data = 99;
    begin();
    obey();
    return 0;
}

static void checkpoint_is_where_later_lives_begin(void)
{
    make(checkpoints, RS_POLICY_ALWAYS);
    OK(rs_start_service(svc.id));
    for (unsigned life = 1; life < 5; life++) {
        wait_life(life);
        EXPECT(SHARED->value[0], life);
        EXPECT(SHARED->value[8], life > 1);
        EXPECT(SHARED->value[9], 77);
        EXPECT(SHARED->value[10], 78);
        EXPECT(SHARED->value[11], 6);
        EXPECT(SHARED->value[12], 0);
        order(life & 1 ? FAULT : EXIT_7);
    }
    unmake();
    EXPECT(exo_service_checkpoint(), EXO_EINVAL);
    EXPECT(exo_service_heartbeat(EXO_FOREVER), EXO_EINVAL);
}

/* ---- capabilities ------------------------------------------------------------------------------- */

#define MANY 400u /* pages that a checkpoint takes in several pieces */

static bool all_are(uint32_t number)
{
    for (unsigned i = 0; i < MANY; i++) {
        if (WORD(page(300 + i)) != number)
            return false;
    }
    return true;
}

/* Each life fills its pages with the next number and makes a checkpoint, but has only so long for that, and
 * ends then in any case. value[8]: begun; value[9]: known to be done; value[10]: lives that found
 * something else than a checkpoint that was; value[11]: the time that they have; value[12]: deaths before
 * it was known to be done. */
static int64_t checkpoints_in_a_hurry(uint64_t unused)
{
    (void)unused;
    OK(exo_map(0, page(300), MANY, 0, 0, RW));
    for (;;) {
        uint32_t number = WORD(page(300));

        SHARED->value[10] +=
            !all_are(number) || number < SHARED->value[9] || number > SHARED->value[8];
        SHARED->value[12] += SHARED->value[8] != SHARED->value[9];
        SHARED->value[11] += 10000;
        number++;
        for (unsigned i = 0; i < MANY; i++)
            WORD(page(300 + i)) = number;
        SHARED->value[8] = number;
        OK(rs_heartbeat(now() + SHARED->value[11]));
        if (exo_service_checkpoint() == 0) {
            SHARED->value[9] = number;
            for (;;)
                ;
        }
    }
}

static void a_death_during_a_checkpoint_goes_back_to_the_one_before(void)
{
    make_sized(checkpoints_in_a_hurry, RS_POLICY_ALWAYS, 8 * CHILD_FRAMES);
    for (unsigned i = 8; i < 13; i++)
        SHARED->value[i] = 0;
    OK(rs_start_service(svc.id));
    UNTIL(SHARED->value[9] >= 5 || SHARED->value[10] != 0);
    EXPECT(SHARED->value[10], 0);
    EXPECT_TRUE(SHARED->value[12] > 0);
    EXPECT(info_of(svc.id).cause, EXO_HUNG);
    unmake();
}

/* Takes all frames that its account has, and needs one more. */
static int64_t starves(uint64_t unused)
{
    (void)unused;
    OK(exo_map(0, page(300), 1, 0, 0, RW));
    begin();
    while (exo_frame_alloc(0, 1) >= 0)
        ;
    SHARED->value[8] = (uint64_t)exo_service_checkpoint();
    WORD(page(300)) = 1;
    return 0;
}

static void a_death_for_want_of_memory_is_one_like_others(void)
{
    make(starves, RS_POLICY_ALWAYS);
    OK(rs_set_limit(svc.id, 3, 60000 * (uint64_t)MS));
    OK(rs_start_service(svc.id));
    UNTIL(info_of(svc.id).state == EXO_SERVICE_FAILED);
    struct exo_service_info info = info_of(svc.id);
    EXPECT(info.lives, 4);
    EXPECT(info.cause, EXO_CRASHED);
    EXPECT(info.fault_address, page(300));
    EXPECT(info.trouble, 0); /* each came back */
    EXPECT((int64_t)SHARED->value[8], EXO_ENOMEM);
    EXPECT(SHARED->word[1], 4); /* from the beginning: there was no checkpoint */
    unmake();
}

static int64_t collects(uint64_t unused)
{
    struct exo_cap_info info;

    (void)unused;
    if (exo_utcb()->life.number == 1) {
        OK(exo_map(0, KEPT, 1, 0, 0, RW));
        OK(rs_preserve(KEPT, 1));
        exo_cap kept = OK(exo_notification_create(0)), other = OK(exo_notification_create(0));
        OK(rs_keep(kept));
        *(volatile uint64_t *)KEPT = kept;
        *(volatile uint64_t *)(KEPT + 8) = other;
        OK(exo_cap_derive(kept, EXO_R_ALL, 0, 0, 0));
        drop(EXO_CAP_ACCOUNT);
        for (unsigned i = 0; i < 200; i++)
            OK(exo_cap_copy(REGION, 0, 0));
    }
    SHARED->value[8] = (uint64_t)exo_cap_info(*(uint64_t *)KEPT, &info);
    SHARED->value[9] = info.holders;
    SHARED->value[10] = (uint64_t)exo_cap_info(*(uint64_t *)(KEPT + 8), &info);
    SHARED->value[11] = (uint64_t)exo_cap_info(EXO_CAP_ACCOUNT, &info);
    SHARED->value[12] = (uint64_t)exo_cap_info(REGION, &info);
    SHARED->value[13] = info.holders;
    SHARED->value[14] = (uint64_t)exo_cap_next(0, EXO_CAP_KEEP) == *(uint64_t *)KEPT;
    begin();
    obey();
    return 0;
}

static void capabilities_are_the_snapshots_and_the_kept_ones(void)
{
    make(collects, RS_POLICY_ALWAYS);
    OK(rs_start_service(svc.id));
    wait_life(1);
    order(FAULT);
    for (unsigned life = 2; life < 4; life++) {
        wait_life(life);
        EXPECT((int64_t)SHARED->value[8], EXO_OK);
        EXPECT(SHARED->value[9], 1); /* a child of it lay in a slot that was not kept */
        EXPECT((int64_t)SHARED->value[10], EXO_ECAP);
        EXPECT((int64_t)SHARED->value[11], EXO_OK); /* the life before had given it up */
        EXPECT((int64_t)SHARED->value[12], EXO_OK);
        EXPECT(SHARED->value[13], 3); /* the test's, the service's, the snapshot's */
        EXPECT(SHARED->value[14], 1);
        order(EXIT_7);
    }
    wait_life(4);
    EXPECT(exo_cap_revoke(svc.region), EXO_OK);
    order(FAULT);
    wait_life(5);
    EXPECT((int64_t)SHARED->value[12], EXO_ECAP); /* and never comes back */
    unmake();
}

static int64_t drives(uint64_t unused)
{
    struct exo_cap_info info;
    uint64_t pin;

    (void)unused;
    if (exo_utcb()->life.number == 1) {
        exo_cap dma = OK(exo_dma_create(0)), region = OK(exo_region_create(0, 1, 1));

        OK(exo_dma_pin(dma, region, 0, 1, EXO_MAP_WRITE, &pin));
        SHARED->value[8] = pin;
        SHARED->value[9] = (uint64_t)exo_cap_flags(dma, 0);
    } else { /* finds it, has the device stopped, and gives the page back */
        exo_cap found = OK(exo_cap_next(0, EXO_CAP_KEEP));

        pin = SHARED->value[8];
        OK(exo_cap_info(found, &info));
        SHARED->value[10] = info.type;
        SHARED->value[11] = (uint64_t)exo_dma_unpin(found, &pin, 1);
        drop(found);
        SHARED->value[12] = (uint64_t)exo_cap_next(0, EXO_CAP_KEEP);
    }
    begin();
    obey();
    return 0;
}

static void what_a_device_may_write_stays_until_it_was_stopped(void)
{
    make(drives, RS_POLICY_ALWAYS);
    OK(rs_start_service(svc.id));
    wait_life(1);
    EXPECT((int64_t)SHARED->value[9], EXO_EINVAL);
    order(FAULT);
    wait_life(2);
    EXPECT(SHARED->value[10], EXO_DMA);
    EXPECT((int64_t)SHARED->value[11], EXO_OK); /* it was pinned still */
    EXPECT((int64_t)SHARED->value[12], EXO_ENOENT);
    unmake();
}

/* ---- calls ------------------------------------------------------------------------------------- */

#define LABEL_DIE  2
#define LABEL_LEND 3
#define LABEL_KEEP 4

static int64_t serves(uint64_t unused)
{
    struct exo_message m = {.tag = EXO_NO_REPLY};

    (void)unused;
    begin();
    for (;;) {
        int64_t tag = exo_reply_wait(EP, &m);

        if (tag < 0)
            return tag;
        m.tag = EXO_TAG(0, 0, 0);
        m.w[0] = SHARED->word[1];
        if (EXO_TAG_LABEL(tag) == LABEL_DIE) {
            SHARED->word[2] = 1;
            while (SHARED->word[3] == 0)
                exo_yield(0);
            WORD(UNMAPPED) = 1;
        }
        if (EXO_TAG_LABEL(tag) == LABEL_LEND || EXO_TAG_LABEL(tag) == LABEL_KEEP) {
            exo_cap cap = OK(exo_region_create(0, 1, 1));

            if (EXO_TAG_LABEL(tag) == LABEL_KEEP)
                OK(rs_keep(cap));
            exo_utcb()->send[0] = (struct exo_send){cap, EXO_SEND_LEND};
            m.tag = EXO_TAG(0, 0, 1);
        }
    }
}

static int64_t results[THREADS];

static void caller(uint64_t index)
{
    struct exo_message m = {.tag = EXO_TAG(index ? 1 : LABEL_DIE, 0, 0)};

    results[index] = exo_call(svc.endpoint, &m);
}

static int64_t ask(uint32_t label)
{
    struct exo_message m = {.tag = EXO_TAG(label, 0, 0)};
    int64_t tag = exo_call(svc.endpoint, &m);

    return tag < 0 ? tag : (int64_t)m.w[0];
}

static void callers_are_told_and_capabilities_stay_good(void)
{
    exo_cap thread[4];

    on_one_cpu();
    make(serves, RS_POLICY_ALWAYS);
    OK(rs_start_service(svc.id));
    for (unsigned life = 1; life < 4; life++) {
        SHARED->word[2] = SHARED->word[3] = 0;
        EXPECT(ask(1), life);
        for (unsigned i = 0; i < 4; i++) {
            results[i] = 1;
            thread[i] = thread_go(i, caller, i);
        }
        UNTIL(SHARED->word[2]);
        for (unsigned i = 0; i < 20; i++)
            exo_yield(0);
        SHARED->word[3] = 1;
        for (unsigned i = 0; i < 4; i++)
            thread_join(i, thread[i]);
        for (unsigned i = 0; i < 4; i++)
            EXPECT(results[i], EXO_ERESTARTED);
        EXPECT(ask(1), life + 1);
    }
    OK(rs_stop_service(svc.id));
    EXPECT(ask(1), EXO_EDEAD);
    OK(rs_start_service(svc.id));
    EXPECT(ask(1), 5);
    unmake();
    on_all_cpus();
}

static exo_cap borrow(uint32_t label)
{
    exo_utcb()->recv_caps = 1;
    OK(ask(label));
    exo_utcb()->recv_caps = 0;
    return exo_utcb()->received[0];
}

static void loans_are_revoked_but_of_kept_capabilities(void)
{
    struct exo_cap_info info;

    make(serves, RS_POLICY_ALWAYS);
    OK(rs_start_service(svc.id));
    exo_cap lent = borrow(LABEL_LEND), kept = borrow(LABEL_KEEP);
    EXPECT(exo_map(0, page(0), 1, lent, 0, RW), EXO_OK);
    WORD(page(0)) = 1;
    OK(exo_cap_info(lent, &info));
    OK(rs_kill_service(svc.id));
    EXPECT(ask(1), 2);
    EXPECT(exo_cap_info(lent, &info), EXO_ECAP);
    EXPECT(exo_protect(0, page(0), 1, EXO_MAP_READ), EXO_ENOENT);
    EXPECT(exo_cap_info(kept, &info), EXO_OK);
    unmake();
    UNTIL(exo_cap_info(kept, &info) == EXO_ECAP); /* with the service */
}

/* ---- several services -------------------------------------------------------------------------- */

static void dependencies_are_started_first_and_followed(void)
{
    uint32_t other = registered("other", RS_POLICY_ALWAYS);

    make(simple, RS_POLICY_ALWAYS);
    EXPECT(rs_add_dependency(other, svc.id), EXO_OK);
    EXPECT(rs_add_dependency(svc.id, other), EXO_EINVAL);
    EXPECT(rs_add_dependency(svc.id, svc.id), EXO_EINVAL);
    OK(rs_start_service(other)); /* has no program, but what it needs runs */
    EXPECT(info_of(other).state, EXO_SERVICE_STARTING);
    wait_life(1);
    EXPECT(info_of(other).needs, (uint64_t)1 << svc.id);

    struct child c;
    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    child_load(&c, simple, 0);
    EXPECT(rs_attach(svc.id, c.env), EXO_EEXIST);
    OK(rs_attach(other, c.env));
    UNTIL(SHARED->word[1] == 2);
    EXPECT(info_of(other).state, EXO_SERVICE_RUNNING);
    EXPECT(exo_service_remove(TABLE, other), EXO_EBUSY);
    OK(exo_service_depend(TABLE, other, svc.id, EXO_SERVICE_FOLLOW));
    OK(rs_kill_service(svc.id));
    UNTIL(info_of(other).lives == 2 && info_of(svc.id).lives == 2);
    EXPECT(info_of(other).cause, EXO_RESTARTED);
    OK(rs_stop_service(other));
    EXPECT(info_of(other).state, EXO_SERVICE_STOPPED);
    EXPECT(exo_service_remove(TABLE, svc.id), EXO_EBUSY);
    EXPECT(exo_service_remove(TABLE, other), EXO_OK);
    EXPECT(exo_service_remove(TABLE, other), EXO_ENOENT);
    child_drop(&c);
    unmake();
}

static void watchers_hear_of_every_change(void)
{
    static exo_cap note_cap; /* stays bound to this thread */

    if (!note_cap) {
        note_cap = OK(exo_notification_create(0));
        exo_notification_bind(note_cap);
    }
    exo_utcb()->pending = 0;
    make(simple, RS_POLICY_ALWAYS);
    OK(rs_watch(svc.id, note_cap, 4));
    EXPECT(exo_utcb()->pending, 4); /* at once, so that nothing is missed */
    exo_utcb()->pending = 0;
    OK(rs_start_service(svc.id));
    EXPECT(exo_utcb()->pending, 4);
    wait_life(1);
    exo_utcb()->pending = 0;
    OK(rs_watch(svc.id, note_cap, 8));
    exo_utcb()->pending = 0;
    OK(rs_kill_service(svc.id));
    EXPECT(exo_utcb()->pending, 8);
    OK(rs_watch(svc.id, note_cap, 0));
    wait_life(2);
    exo_utcb()->pending = 0;
    OK(rs_kill_service(svc.id));
    EXPECT(exo_utcb()->pending, 0);
    OK(rs_watch(EXO_SERVICE_ANY, note_cap, 2));
    exo_utcb()->pending = 0;
    uint32_t other = registered("other", RS_POLICY_NEVER);
    EXPECT(exo_utcb()->pending, 2);
    OK(exo_service_remove(TABLE, other));
    OK(rs_watch(EXO_SERVICE_ANY, note_cap, 0));
    exo_utcb()->pending = 0;
    unmake();
}

static int64_t beats(uint64_t unused)
{
    (void)unused;
    OK(rs_heartbeat(now() + 20 * MS));
    begin();
    obey();
    return 0;
}

static void silence_is_a_death(void)
{
    make(beats, RS_POLICY_ALWAYS);
    OK(rs_start_service(svc.id));
    wait_life(1);
    order(SPIN);
    wait_life(2);
    EXPECT(SHARED->value[1], EXO_HUNG);
    wait_life(3); /* asleep */
    EXPECT(SHARED->value[1], EXO_HUNG);
    unmake();
}

static int64_t stuck(uint64_t unused)
{
    (void)unused;
    begin();
    exo_utcb()->masked = 1;
    OK(rs_heartbeat(EXO_FOREVER)); /* may not say so */
    for (;;)
        ;
}

static void declared_heartbeats_bind_a_service_that_gives_none(void)
{
    make(stuck, RS_POLICY_ALWAYS);
    OK(rs_set_heartbeat(svc.id, 200 * MS));
    EXPECT(info_of(svc.id).period, 200 * MS);
    OK(rs_start_service(svc.id));
    wait_life(1);
    EXPECT_TRUE(info_of(svc.id).heartbeat != EXO_FOREVER);
    wait_life(2);
    EXPECT(SHARED->value[1], EXO_HUNG);
    OK(rs_set_heartbeat(svc.id, 0));
    wait_life(3);
    EXPECT(info_of(svc.id).heartbeat, EXO_FOREVER);
    unmake();
}

static void held_lives_begin_when_they_may(void)
{
    make(simple, RS_POLICY_ALWAYS);
    OK(rs_hold_service(svc.id, EXO_HOLD_LIVES));
    OK(rs_start_service(svc.id));
    EXPECT(info_of(svc.id).state, EXO_SERVICE_STARTING);
    OK(rs_hold_service(svc.id, EXO_HOLD_ONE));
    wait_life(1);
    EXPECT(info_of(svc.id).hold, EXO_HOLD_LIVES);
    OK(rs_kill_service(svc.id));
    UNTIL(info_of(svc.id).state == EXO_SERVICE_STARTING);
    OK(rs_hold_service(svc.id, EXO_HOLD_NONE));
    wait_life(2);
    order(FAULT);
    wait_life(3);
    EXPECT(rs_hold_service(svc.id, EXO_HOLD_ONE + 1), EXO_EINVAL);
    OK(rs_hold_service(svc.id, EXO_HOLD_LIVES));
    OK(rs_kill_service(svc.id));
    OK(rs_stop_service(svc.id)); /* while it waits */
    EXPECT(info_of(svc.id).state, EXO_SERVICE_STOPPED);
    unmake();
}

static void what_cannot_start_says_why(void)
{
    svc.id = registered("test", RS_POLICY_ALWAYS);
    EXPECT(rs_fail_service(svc.id, EXO_ENOENT), EXO_EBUSY);
    OK(rs_start_service(svc.id));
    EXPECT(rs_fail_service(svc.id, 0), EXO_EINVAL);
    EXPECT(rs_fail_service(svc.id, INT64_MIN), EXO_EINVAL);
    EXPECT(rs_fail_service(svc.id, EXO_ENOENT), EXO_OK);
    EXPECT(info_of(svc.id).state, EXO_SERVICE_FAILED);
    EXPECT(info_of(svc.id).trouble, EXO_ENOENT);
    OK(rs_remove_service(svc.id));

    make(simple, RS_POLICY_ALWAYS);
    OK(rs_start_service(svc.id));
    wait_life(1);
    EXPECT(rs_fail_service(svc.id, EXO_ENOENT), EXO_EBUSY);
    OK(rs_hold_service(svc.id, EXO_HOLD_LIVES));
    OK(rs_kill_service(svc.id));
    UNTIL(rs_fail_service(svc.id, EXO_EDEAD) == EXO_OK);
    EXPECT(info_of(svc.id).state, EXO_SERVICE_FAILED);
    OK(rs_hold_service(svc.id, EXO_HOLD_NONE));
    OK(rs_start_service(svc.id));
    wait_life(2);
    EXPECT(info_of(svc.id).trouble, EXO_OK);
    unmake();
}

static void programs_can_be_exchanged(void)
{
    struct child second;

    make_sized(remembers, RS_POLICY_ALWAYS, 4 * CHILD_FRAMES);
    OK(rs_start_service(svc.id));
    wait_life(1);
    order(EXIT_7);
    wait_life(2);
    EXPECT(SHARED->value[10], 1); /* preserved */
    EXPECT(rs_unload_service(svc.id), EXO_EBUSY);
    OK(rs_stop_service(svc.id));
    UNTIL(rs_unload_service(svc.id) == EXO_OK);
    EXPECT(info_of(svc.id).loaded, 0);
    OK(rs_unload_service(svc.id)); /* nothing is left to do */
    OK(rs_start_service(svc.id));
    EXPECT(info_of(svc.id).state, EXO_SERVICE_STARTING);
    child_make(&second, CHILD_FRAMES, CHILD_OBJECTS);
    child_load(&second, simple, 0);
    OK(rs_attach(svc.id, second.env));
    UNTIL(SHARED->word[1] == 3);
    EXPECT(SHARED->value[0], 1); /* of this program the first */
    EXPECT(info_of(svc.id).lives, 3);
    unmake();
    child_drop(&second);
}

/* ---- errors ------------------------------------------------------------------------------------ */

static void table_calls_check_their_arguments(void)
{
    struct exo_service_plan plan = {.name = "x", .path = "/x", .policy = RS_POLICY_NEVER};
    struct exo_service_info info;
    uint32_t id = (uint32_t)OK(exo_service_register(TABLE, &plan)), none = 63;
    struct child c;

    EXPECT(exo_service_register(TABLE, &plan), EXO_EEXIST);
    plan.name[0] = 0;
    EXPECT(exo_service_register(TABLE, &plan), EXO_EINVAL);
    memset(plan.name, 'x', sizeof plan.name);
    EXPECT(exo_service_register(TABLE, &plan), EXO_EINVAL);
    plan.name[1] = 0;
    plan.path[0] = 0;
    EXPECT(exo_service_register(TABLE, &plan), EXO_EINVAL);
    plan.path[0] = '/';
    plan.policy = 3;
    EXPECT(exo_service_register(TABLE, &plan), EXO_EINVAL);
    plan.policy = 0;
    plan.reserved = 1;
    EXPECT(exo_service_register(TABLE, &plan), EXO_EINVAL);
    EFAULTS(exo_service_register(TABLE, (struct exo_service_plan *)P));
    CAP_ERRORS(exo_service_register(C, &plan), some_frame, TABLE, EXO_R_CONTROL);
    CAP_ERRORS(exo_service_remove(C, id), some_frame, TABLE, EXO_R_CONTROL);
    CAP_ERRORS(exo_service_depend(C, id, id, 0), some_frame, TABLE, EXO_R_CONTROL);
    CAP_ERRORS(exo_service_start(C, id), some_frame, TABLE, EXO_R_CONTROL);
    CAP_ERRORS(exo_service_kill(C, id, EXO_STOPPED), some_frame, TABLE, EXO_R_CONTROL);
    CAP_ERRORS(exo_service_policy(C, id, 0), some_frame, TABLE, EXO_R_CONTROL);
    CAP_ERRORS(exo_service_limit(C, id, 1, 1), some_frame, TABLE, EXO_R_CONTROL);
    CAP_ERRORS(exo_service_hold(C, id, 0), some_frame, TABLE, EXO_R_CONTROL);
    CAP_ERRORS(exo_service_fail(C, id, -1), some_frame, TABLE, EXO_R_CONTROL);
    CAP_ERRORS(exo_service_period(C, id, 0), some_frame, TABLE, EXO_R_CONTROL);
    CAP_ERRORS(exo_service_unload(C, id), some_frame, TABLE, EXO_R_CONTROL);
    CAP_ERRORS(exo_service_info(C, id, &info), some_frame, TABLE, EXO_R_READ);
    CAP_ERRORS(exo_service_watch(C, id, some_note, 1), some_frame, TABLE, EXO_R_READ);
    CAP_ERRORS(exo_service_watch(TABLE, id, C, 1), some_frame, some_note, EXO_R_SIGNAL);
    EFAULTS(exo_service_info(TABLE, id, (struct exo_service_info *)P));
    EXPECT(exo_service_watch(TABLE, id, some_note, EXO_EVENT_TIMER), EXO_EINVAL);
    EXPECT(exo_service_depend(TABLE, id, id, 2), EXO_EINVAL);
    EXPECT(exo_service_kill(TABLE, id, EXO_EXITED), EXO_EINVAL);
    EXPECT(exo_service_policy(TABLE, id, 3), EXO_EINVAL);
    EXPECT(exo_service_limit(TABLE, id, EXO_SERVICE_LIMIT_MOST + 1, 1), EXO_EINVAL);
    EXPECT(exo_service_limit(TABLE, id, 1, 0), EXO_EINVAL);

    for (unsigned k = 0; k < 3; k++, none = k == 1 ? EXO_SERVICES : EXO_SERVICE_ANY) {
        EXPECT(exo_service_remove(TABLE, none), EXO_ENOENT);
        EXPECT(exo_service_depend(TABLE, none, id, 0), EXO_ENOENT);
        EXPECT(exo_service_depend(TABLE, id, none, 0), EXO_ENOENT);
        EXPECT(exo_service_start(TABLE, none), EXO_ENOENT);
        EXPECT(exo_service_kill(TABLE, none, EXO_STOPPED), EXO_ENOENT);
        EXPECT(exo_service_policy(TABLE, none, 0), EXO_ENOENT);
        EXPECT(exo_service_limit(TABLE, none, 1, 1), EXO_ENOENT);
        EXPECT(exo_service_info(TABLE, none, &info), EXO_ENOENT);
        EXPECT(exo_service_hold(TABLE, none, 0), EXO_ENOENT);
        EXPECT(exo_service_fail(TABLE, none, -1), EXO_ENOENT);
        EXPECT(exo_service_period(TABLE, none, 1), EXO_ENOENT);
        EXPECT(exo_service_unload(TABLE, none), EXO_ENOENT);
        EXPECT(exo_service_attach(TABLE, none, 0), EXO_ENOENT);
    }
    EXPECT(exo_service_watch(TABLE, 63, some_note, 1), EXO_ENOENT);

    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    CAP_ERRORS(exo_service_attach(C, id, c.env), some_frame, TABLE, EXO_R_CONTROL);
    CAP_ERRORS(exo_service_attach(TABLE, id, C), some_frame, c.env, EXO_R_CONTROL);
    EXPECT(exo_service_attach(TABLE, id, c.env), EXO_EINVAL); /* no thread */
    EXPECT(exo_service_attach(TABLE, id, 0), EXO_EINVAL);     /* itself */
    child_load(&c, simple, 0);
    OK(exo_service_attach(TABLE, id, c.env));
    uint32_t other = registered("other", 0);
    EXPECT(exo_service_attach(TABLE, other, c.env), EXO_EBUSY);
    OK(exo_service_remove(TABLE, other));
    OK(exo_service_remove(TABLE, id));
    UNTIL(exo_service_attach(TABLE, id, c.env) == EXO_ENOENT);
    child_drop(&c);

    EXPECT(exo_cap_next(0, 8), EXO_EINVAL);
    EXPECT(exo_cap_next(EXO_CAP_SLOTS, 0), EXO_ENOENT);
    EXPECT(exo_cap_next(UINT32_MAX, 0), EXO_ENOENT);
    EXPECT(exo_cap_next(0, 0), EXO_CAP_ENV);
    EXPECT(exo_service_preserve(1, 1, 1), EXO_EINVAL);
    EXPECT(exo_service_preserve(page(0), 0, 1), EXO_EINVAL);
    EXPECT(exo_service_preserve(page(0), 1, 1), EXO_ENOENT);
}

static void badge_restricts_to_one_service(void)
{
    uint32_t a = registered("a", 0), b = registered("b", 0);
    exo_cap only = OK(exo_cap_derive(TABLE, EXO_R_ALL, a + 1, 0, 0));
    struct exo_service_plan plan = {.name = "x", .path = "/x"};
    struct exo_service_info info;

    EXPECT(exo_service_info(only, a, &info), EXO_OK);
    EXPECT(exo_service_info(only, b, &info), EXO_ERIGHTS);
    EXPECT(exo_service_start(only, b), EXO_ERIGHTS);
    EXPECT(exo_service_register(only, &plan), EXO_ERIGHTS);
    EXPECT(exo_service_watch(only, EXO_SERVICE_ANY, some_note, 1), EXO_ERIGHTS);
    drop(only);
    OK(exo_service_remove(TABLE, a));
    OK(exo_service_remove(TABLE, b));
}

static uint32_t exhausted;

static int64_t attach_with(exo_cap account)
{
    struct child c = {0};
    int64_t st = exo_env_create(account);

    if (st < 0)
        return st;
    c.env = (exo_cap)st;
    struct exo_thread_args args = {.utcb = CHILD_UTCB_VA};
    st = exo_map(c.env, page(0), 8, 0, 0, RW);
    if (st == EXO_OK && (st = exo_thread_create(c.env, &args)) >= 0) {
        c.thread = (exo_cap)st;
        st = rs_attach(exhausted, c.env);
    }
    if (st == EXO_OK) {
        OK(exo_service_remove(TABLE, exhausted));
        exhausted = registered("exhausted", 0);
    }
    OK(exo_env_destroy(c.env, 0));
    if (c.thread)
        drop(c.thread);
    drop(c.env);
    counters();
    return st;
}

static void attach_fails_cleanly_for_want_of_memory(void)
{
    exhausted = registered("exhausted", 0);
    exhaust("service_attach", attach_with, 80);
    OK(exo_service_remove(TABLE, exhausted));
}

int main(void)
{
    static const struct test tests[] = {
        T(every_death_is_followed_by_a_life_that_knows_it),
        T(policies_and_limits_decide),
        T(memory_is_as_it_was_and_preserved_memory_as_it_is),
        T(checkpoint_is_where_later_lives_begin),
        T(a_death_during_a_checkpoint_goes_back_to_the_one_before),
        T(a_death_for_want_of_memory_is_one_like_others),
        T(capabilities_are_the_snapshots_and_the_kept_ones),
        T(what_a_device_may_write_stays_until_it_was_stopped),
        T(callers_are_told_and_capabilities_stay_good),
        T(loans_are_revoked_but_of_kept_capabilities),
        T(dependencies_are_started_first_and_followed),
        T(watchers_hear_of_every_change),
        T(silence_is_a_death),
        T(declared_heartbeats_bind_a_service_that_gives_none),
        T(held_lives_begin_when_they_may),
        T(what_cannot_start_says_why),
        T(programs_can_be_exchanged),
        T(table_calls_check_their_arguments),
        T(badge_restricts_to_one_service),
        T(attach_fails_cleanly_for_want_of_memory),
    };

    rs_use(TABLE);
    return contract_run(tests, COUNT(tests));
}
