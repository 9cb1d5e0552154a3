/* SPDX-License-Identifier: MIT */
/* The functions of rs.h: the kernel's calls, with the capability that rs_use gave, or that the program finds
 * by itself (rs_native.c, sdk/rs_linux.c). */
#include <libos/exo/clock.h>
#include <libos/exo/rs_table.h>
#include <rs.h>
#include <lib/string.h>

static exo_cap given;

static exo_cap table(void)
{
    if (given == 0)
        given = rs_find_table();
    return given;
}

void rs_use(exo_cap services)
{
    given = services;
}

int64_t rs_register_service(const char *name, const char *path, uint32_t policy,
                            uint32_t *service_id)
{
    struct exo_service_plan plan = {.policy = policy};
    size_t name_bytes = strnlen(name, sizeof plan.name);
    size_t path_bytes = strnlen(path, sizeof plan.path);

    if (name_bytes == sizeof plan.name || path_bytes == sizeof plan.path)
        return EXO_EINVAL;
    memcpy(plan.name, name, name_bytes);
    memcpy(plan.path, path, path_bytes);
    int64_t made = exo_service_register(table(), &plan);
    if (made < 0)
        return made;
    *service_id = (uint32_t)made;
    return EXO_OK;
}

int64_t rs_remove_service(uint32_t service_id)
{
    return exo_service_remove(table(), service_id);
}

int64_t rs_add_dependency(uint32_t service_id, uint32_t needs_id)
{
    return exo_service_depend(table(), service_id, needs_id, 0);
}

int64_t rs_add_follower(uint32_t service_id, uint32_t needs_id)
{
    return exo_service_depend(table(), service_id, needs_id, EXO_SERVICE_FOLLOW);
}

int64_t rs_start_service(uint32_t service_id)
{
    return exo_service_start(table(), service_id);
}

int64_t rs_stop_service(uint32_t service_id)
{
    return exo_service_kill(table(), service_id, EXO_STOPPED);
}

int64_t rs_restart_service(uint32_t service_id)
{
    return exo_service_kill(table(), service_id, EXO_RESTARTED);
}

int64_t rs_kill_service(uint32_t service_id)
{
    return exo_service_kill(table(), service_id, EXO_DESTROYED);
}

int64_t rs_set_policy(uint32_t service_id, uint32_t policy)
{
    return exo_service_policy(table(), service_id, policy);
}

int64_t rs_set_limit(uint32_t service_id, uint32_t rebirths, uint64_t window)
{
    return exo_service_limit(table(), service_id, rebirths, window);
}

int64_t rs_hold_service(uint32_t service_id, uint32_t hold)
{
    return exo_service_hold(table(), service_id, hold);
}

int64_t rs_set_heartbeat(uint32_t service_id, uint64_t period)
{
    return exo_service_period(table(), service_id, period);
}

int64_t rs_fail_service(uint32_t service_id, int64_t trouble)
{
    return exo_service_fail(table(), service_id, trouble);
}

int64_t rs_unload_service(uint32_t service_id)
{
    return exo_service_unload(table(), service_id);
}

int64_t rs_info(uint32_t service_id, struct exo_service_info *info)
{
    return exo_service_info(table(), service_id, info);
}

#define LOOK_EVERY 1000000u /* ns */

int64_t rs_wait(uint32_t service_id, struct exo_service_info *info, exo_time deadline)
{
    struct exo_service_info now;
    uint64_t word = 0;
    struct exo_wait_word nobody_wakes = {.address = (uintptr_t)&word, .expected = 0};
    int64_t st;

    while ((st = rs_info(service_id, &now)) == EXO_OK && now.state == info->state &&
           now.lives == info->lives && now.died == info->died) {
        exo_time next = clock_uptime() + LOOK_EVERY;

        if (next > deadline && next - LOOK_EVERY >= deadline)
            return EXO_ETIMEDOUT;
        exo_wait(&nobody_wakes, 1, next);
    }
    if (st == EXO_OK)
        *info = now;
    return st;
}

int64_t rs_watch(uint32_t service_id, exo_cap notification, uint32_t bits)
{
    return exo_service_watch(table(), service_id, notification, bits);
}

int64_t rs_attach(uint32_t service_id, exo_cap env)
{
    return exo_service_attach(table(), service_id, env);
}

int64_t rs_preserve(uint64_t va, uint64_t pages)
{
    return exo_service_preserve(va, pages, 1);
}

int64_t rs_keep(exo_cap cap)
{
    struct exo_cap_info info;
    int64_t st = exo_cap_info(cap, &info);

    return st != EXO_OK ? st : exo_cap_flags(cap, info.flags | EXO_CAP_KEEP);
}

int64_t rs_checkpoint(void)
{
    return exo_service_checkpoint();
}

int64_t rs_heartbeat(exo_time deadline)
{
    return exo_service_heartbeat(deadline);
}
