// SPDX-License-Identifier: MIT
/* Handles and slots: random copies, derivations, deletions and revocations in several environments,
 * against a table that knows which handle is alive. */
// links: KERNEL
#include <hal/host/host.h>
#include <kernel/sched/sched.h>
#include <kernel/sys.h>

#include "test_framework.h"

#define ENVS  3u
#define KNOWN 600u

static struct thread *thread[ENVS];
static exo_cap env_cap_of[ENVS][ENVS]; /* [holder][whose] */
static struct known {
    exo_cap handle;
    unsigned env;
    unsigned object;
    int parent; /* in this table; -1: from nowhere */
    bool alive;
} known[KNOWN];
static unsigned count;
static uint32_t live_of[4]; /* capabilities of each object */

static uint64_t seed = 9;
static uint64_t draw(uint64_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 33) % below;
}

static void check_handles(void)
{
    for (unsigned i = 0; i < count; i++) {
        cap_id id;
        int64_t st = env_cap(thread[known[i].env]->env, known[i].handle, &id);

        ASSERT_EQ(st, known[i].alive ? EXO_OK : EXO_ECAP);
        if (st == EXO_OK)
            ASSERT_EQ(cap_global()->entries[id].owner, thread[known[i].env]->env->object.index);
    }
    ASSERT_TRUE(cap_table_ok(cap_global()));
}

static void add(exo_cap handle, unsigned env, unsigned object, int parent)
{
    known[count++] = (struct known){handle, env, object, parent, true};
    live_of[object]++;
}

static void pass_on(unsigned i, bool derive)
{
    unsigned to = (unsigned)draw(ENVS);
    exo_cap env = env_cap_of[known[i].env][to];
    int64_t made = derive ? sys_cap_derive(known[i].handle, EXO_R_ALL, 0, env, 0)
                          : sys_cap_copy(known[i].handle, env, 0);

    ASSERT_GT(made, 0);
    add((exo_cap)made, to, known[i].object, derive ? (int)i : known[i].parent);
}

static bool below(unsigned i, unsigned ancestor)
{
    for (int p = known[i].parent; p >= 0; p = known[p].parent) {
        if (p == (int)ancestor)
            return true;
    }
    return false;
}

static void kill_known(unsigned i)
{
    if (known[i].alive)
        live_of[known[i].object]--;
    known[i].alive = false;
}

static unsigned live_total(void)
{
    unsigned n = 0;

    for (unsigned i = 0; i < count; i++)
        n += known[i].alive;
    return n;
}

static void randomly(void)
{
    for (unsigned step = 0; step < 20000; step++) {
        unsigned i = (unsigned)draw(count);

        if (!known[i].alive)
            continue;
        host_run(thread[known[i].env]);
        unsigned what = (unsigned)draw(8);
        if (what < 4 && live_total() < KNOWN / 2 && count + 1 < KNOWN) {
            pass_on(i, what < 2);
        } else if (what == 4) {
            int64_t st;
            while ((st = sys_cap_revoke(known[i].handle)) == EXO_EAGAIN)
                ;
            ASSERT_EQ(st, EXO_OK);
            for (unsigned k = 0; k < count; k++) {
                if (below(k, i))
                    kill_known(k);
            }
        } else if (live_of[known[i].object] > 1) {
            ASSERT_EQ(sys_cap_delete(known[i].handle, 0), EXO_OK);
            kill_known(i);
        }
        if (step % 50 == 0)
            check_handles();
        if (count + 1 >= KNOWN) { /* start again with those from which nothing comes */
            for (unsigned k = 0; k < count; k++) {
                host_run(thread[known[k].env]);
                while (sys_cap_revoke(known[k].handle) == EXO_EAGAIN)
                    ;
            }
            unsigned n = 0;
            for (unsigned k = 0; k < count; k++) {
                cap_id id;
                if (env_cap(thread[known[k].env]->env, known[k].handle, &id) != EXO_OK) {
                    kill_known(k);
                    continue;
                }
                known[n] = known[k];
                known[n++].parent = -1;
            }
            count = n;
        }
    }
    check_handles();
}

int main(void)
{
    host_start(32);
    struct account *account = account_root(4000, 100);

    TEST_BEGIN("a handle is alive exactly as long as its capability");
    for (unsigned e = 0; e < ENVS; e++)
        thread[e] = host_env(account);
    for (unsigned e = 0; e < ENVS; e++) {
        for (unsigned k = 0; k < ENVS; k++)
            env_cap_of[e][k] =
                e == k
                    ? 0
                    : (exo_cap)env_grant_at(thread[e]->env, &thread[k]->env->object, EXO_R_ALL, 0);
    }
    for (unsigned o = 0; o < 4; o++) {
        host_run(thread[o % ENVS]);
        add((exo_cap)sys_notification_create(0), o % ENVS, o, -1);
    }
    randomly();
    TEST_END();

    TEST_BEGIN("a slot that is used again has another handle");
    host_run(thread[0]);
    exo_cap last = 0;
    for (unsigned i = 0; i < 1000; i++) {
        exo_cap made = (exo_cap)sys_notification_create(0);
        cap_id id;
        ASSERT_NE(made, last);
        if (last)
            ASSERT_EQ(env_cap(thread[0]->env, last, &id), EXO_ECAP);
        ASSERT_EQ(sys_cap_delete(made, 0), EXO_OK);
        last = made;
    }
    TEST_END();

    TEST_BEGIN("a slot at the end of its generations is not used again");
    exo_cap keep = (exo_cap)sys_notification_create(0), end = EXO_HANDLE(900, GENERATION_MAX);
    cap_id id;
    ASSERT_EQ(sys_cap_copy(keep, 0, end), end);
    ASSERT_EQ(sys_cap_delete(end, 0), EXO_OK);
    ASSERT_EQ(env_cap(thread[0]->env, end, &id), EXO_ECAP);
    exo_cap made[1000];
    for (unsigned i = 0; i < 1000; i++) {
        made[i] = (exo_cap)sys_cap_copy(keep, 0, 0);
        ASSERT_NE(EXO_SLOT(made[i]), 900);
    }
    for (unsigned i = 0; i < 1000; i++)
        ASSERT_EQ(sys_cap_delete(made[i], 0), EXO_OK);
    ASSERT_EQ(sys_cap_delete(keep, 0), EXO_OK);
    TEST_END();

    TEST_BEGIN("a capability serves for the rights that it has, each of them");
    exo_cap whole = (exo_cap)sys_notification_create(0);
    for (uint32_t right = 1; right <= EXO_R_ALL; right <<= 1) {
        exo_cap rest = (exo_cap)sys_cap_derive(whole, EXO_R_ALL & ~right, 0, 0, 0);
        void *object;
        ASSERT_EQ(env_object(thread[0]->env, rest, EXO_NOTIFICATION, right, &object), EXO_ERIGHTS);
        ASSERT_EQ(env_object(thread[0]->env, rest, EXO_NOTIFICATION, EXO_R_ALL, &object),
                  EXO_ERIGHTS);
        ASSERT_EQ(env_object(thread[0]->env, rest, EXO_NOTIFICATION, EXO_R_ALL & ~right, &object),
                  EXO_OK);
        ASSERT_EQ(sys_cap_delete(rest, 0), EXO_OK);
    }
    ASSERT_EQ(sys_cap_delete(whole, 0), EXO_OK);
    TEST_END();

    TEST_BEGIN("an environment that nobody can reach, and that has no thread, ends");
    uint64_t objects = account->objects_used;
    exo_cap made_env = (exo_cap)sys_env_create(0);
    ASSERT_EQ(sys_cap_copy(made_env, made_env, 0) > 0, 1); /* it holds itself twice */
    ASSERT_EQ(sys_cap_delete(made_env, 0), EXO_OK);
    host_reap();
    ASSERT_EQ(account->objects_used, objects);
    TEST_END();

    TEST_BEGIN("all that is held goes with its holders");
    for (unsigned e = 0; e < ENVS; e++)
        env_kill(thread[e]->env, EXO_DESTROYED, 0);
    this_cpu()->current = 0;
    host_reap();
    ASSERT_EQ(account->frames_used, 0);
    ASSERT_EQ(account->objects_used, 0);
    ASSERT_EQ(cap_global()->live, 0);
    TEST_END();
    return 0;
}
