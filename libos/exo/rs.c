/* SPDX-License-Identifier: MIT */
/* The functions of rs.h: the kernel's calls, with the capability that rs_use gave. */
#include <lib/string.h>
#include <rs.h>

static exo_cap table = EXO_SRV_SERVICES;

void rs_use(exo_cap services)
{
    table = services;
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
    int64_t made = exo_service_register(table, &plan);
    if (made < 0)
        return made;
    *service_id = (uint32_t)made;
    return EXO_OK;
}

int64_t rs_remove_service(uint32_t service_id)
{
    return exo_service_remove(table, service_id);
}

int64_t rs_add_dependency(uint32_t service_id, uint32_t needs_id)
{
    return exo_service_depend(table, service_id, needs_id, 0);
}

int64_t rs_add_follower(uint32_t service_id, uint32_t needs_id)
{
    return exo_service_depend(table, service_id, needs_id, EXO_SERVICE_FOLLOW);
}

int64_t rs_start_service(uint32_t service_id)
{
    return exo_service_start(table, service_id);
}

int64_t rs_stop_service(uint32_t service_id)
{
    return exo_service_kill(table, service_id, EXO_STOPPED);
}

int64_t rs_restart_service(uint32_t service_id)
{
    return exo_service_kill(table, service_id, EXO_RESTARTED);
}

int64_t rs_kill_service(uint32_t service_id)
{
    return exo_service_kill(table, service_id, EXO_DESTROYED);
}

int64_t rs_set_policy(uint32_t service_id, uint32_t policy)
{
    return exo_service_policy(table, service_id, policy);
}

int64_t rs_set_limit(uint32_t service_id, uint32_t rebirths, uint64_t window)
{
    return exo_service_limit(table, service_id, rebirths, window);
}

int64_t rs_info(uint32_t service_id, struct exo_service_info *info)
{
    return exo_service_info(table, service_id, info);
}

int64_t rs_watch(uint32_t service_id, exo_cap notification, uint32_t bits)
{
    return exo_service_watch(table, service_id, notification, bits);
}

int64_t rs_attach(uint32_t service_id, exo_cap env)
{
    return exo_service_attach(table, service_id, env);
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
