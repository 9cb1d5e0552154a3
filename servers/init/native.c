/* SPDX-License-Identifier: MIT */
/* A native program as the command: no server is needed, so none is started. */
#include <exo.h>

#include <lib/format.h>
#include <libos/exo/log.h>
#include <libos/exo/spawn.h>
#include <servers/init/archive.h>
#include <servers/init/native.h>
#include <servers/init/services.h>
#include <servers/init/watch.h>

#define MEMORY_PERCENT 80u
#define PRIORITY       16u
#define NOT_FOUND      127
#define CRASHED        139 /* as a shell tells a segmentation fault */

static struct spawned program;

static void program_ended(const char *name, exo_cap env)
{
    struct exo_env_info info;
    char how[80];

    if (exo_env_info(env, &info) == EXO_OK && info.cause == EXO_EXITED)
        power_off((uint32_t)info.status & 255);
    watch_describe(env, how, sizeof how);
    power_off_because(CRASHED, "%s: %s", name, how);
}

void native_start(const char *name)
{
    struct spawn_plan plan = {.name = name, .priority = PRIORITY};
    struct cpio_entry file;
    char path[128];
    int64_t result;

    format_text(path, sizeof path, "usr/lib/exo/demo/%s", name);
    if (!archive_get(path, &file))
        power_off_because(NOT_FOUND, "no %s in the boot archive", path);
    plan.elf = file.data;
    plan.elf_bytes = file.bytes;
    plan.account = account_make(name, MEMORY_PERCENT);
    result = spawn_create(&plan, &program);
    if (result == EXO_OK)
        result = spawn_give(&program, EXO_SRV_LOG, EXO_CAP_PLATFORM, EXO_R_WRITE, 0);
    if (result == EXO_OK)
        result = spawn_give(&program, EXO_SRV_SERVICES, EXO_CAP_SERVICES, EXO_R_ALL, 0);
    if (result != EXO_OK)
        power_off_because(STATUS_FAILED, "%s: %s", path, exo_error_text(result));
    watch_add(program.env, name, program_ended);
    spawn_run(&program);
}
