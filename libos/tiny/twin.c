/* SPDX-License-Identifier: MIT */
/*
 * A second environment with the same program: not a fork, but the parts that one would build it
 * from. Text and constants are shared as they are mapped; data is copied into a region of the
 * twin's; capabilities are given one by one.
 */
#include <stdatomic.h>

#include <libos/exo/ipc.h>
#include <libos/exo/thread.h>
#include <libos/tiny/tiny.h>

#define PROGRAM_VA  0x400000u /* user.ld */
#define PRIORITY    16u
#define EVENT_DEATH 1u

extern const char program_data[], program_end[];

static uint64_t pages_between(uintptr_t start, uintptr_t end)
{
    return (end - start + EXO_PAGE_SIZE - 1) / EXO_PAGE_SIZE;
}

static int64_t copy_data(struct tiny_twin *t)
{
    uintptr_t start = (uintptr_t)program_data, end = (uintptr_t)program_end;
    uint64_t pages = pages_between(start, end);
    int64_t result = exo_region_create(0, pages, 1);

    if (result < 0)
        return result;
    t->data = (exo_cap)result;
    for (uintptr_t at = start; at < end && result >= 0; at += EXO_PAGE_SIZE) {
        uintptr_t rest = end - at;

        result = exo_region_write(t->data, at - start, (const void *)at,
                                  rest < EXO_PAGE_SIZE ? rest : EXO_PAGE_SIZE);
    }
    if (result < 0)
        return result;
    return exo_map(t->env, start, pages, t->data, 0, EXO_MAP_READ | EXO_MAP_WRITE);
}

static int64_t share_text(const struct tiny_twin *t)
{
    uintptr_t at = PROGRAM_VA, end = (uintptr_t)program_data;

    do {
        int64_t result = exo_space_clone(t->env, at, pages_between(at, end));

        if (result < 0)
            return result;
        at = (uintptr_t)result;
    } while (at != 0);
    return EXO_OK;
}

int64_t tiny_twin_make(struct tiny_twin *twin)
{
    struct tiny_twin t = {0};
    int64_t result = exo_env_create(0);

    if (result < 0)
        return result;
    t.env = (exo_cap)result;
    result = share_text(&t);
    if (result == EXO_OK)
        result = copy_data(&t);
    if (result == EXO_OK)
        *twin = t;
    else
        tiny_twin_end(&t);
    return result;
}

int64_t tiny_twin_give(const struct tiny_twin *twin, exo_cap want, exo_cap cap, uint32_t rights)
{
    int64_t made = exo_cap_derive(cap, rights, 0, twin->env, want);

    return made < 0 ? made : EXO_OK;
}

int64_t tiny_twin_run(const struct tiny_twin *twin, void (*run)(uint64_t argument),
                      uint64_t argument)
{
    int64_t thread = thread_run(&(struct thread_plan){
        .run = run, .argument = argument, .priority = PRIORITY, .env = twin->env});

    if (thread < 0)
        return thread;
    return exo_cap_delete((exo_cap)thread, 0); /* the environment keeps its thread */
}

/* A thread can be bound to one notification only, so all twins share it. */
static int64_t death_notification(void)
{
    static exo_cap deaths;
    int64_t made = (int64_t)deaths, result;

    if (deaths != 0)
        return made;
    made = exo_notification_create(0);
    result = made < 0 ? made : exo_notification_bind((exo_cap)made);
    if (result < 0)
        return result;
    deaths = (exo_cap)made;
    return made;
}

int64_t tiny_twin_wait(const struct tiny_twin *twin, struct exo_env_info *info)
{
    uint32_t other_events = 0;
    int64_t result;

    tiny_mask();
    result = death_notification();
    if (result >= 0)
        result = exo_env_watch(twin->env, (exo_cap)result, EVENT_DEATH);
    while (result == EXO_OK && (result = exo_env_info(twin->env, info)) == EXO_OK &&
           info->cause == EXO_ALIVE)
        other_events |= event_wait(EXO_FOREVER) & ~EVENT_DEATH;
    atomic_fetch_or(&exo_utcb()->pending, other_events); /* not ours to take */
    tiny_unmask();
    return result;
}

void tiny_twin_end(struct tiny_twin *twin)
{
    if (twin->env != 0) {
        exo_env_destroy(twin->env, 0);
        exo_cap_delete(twin->env, 0);
    }
    if (twin->data != 0)
        exo_cap_delete(twin->data, 0);
    *twin = (struct tiny_twin){0};
}
