/* SPDX-License-Identifier: MIT */
/*
 * init: the first environment. The kernel gives it everything, and it gives each server the little
 * that its rights file lists; then it starts the first POSIX process and keeps watch.
 *
 *   rights.c   what a server may hold         services.c  starting servers
 *   archive.c  files of the boot archive      session.c   the first POSIX process
 *   command.c  what to run                    native.c    a program without POSIX instead
 *   watch.c    deaths, the time limit, the end
 *
 * It listens to nobody but the kernel and, through one notification, to proc: calls run downwards
 * only.
 */
#include <exo.h>

#include <lib/string.h>
#include <libos/exo/log.h>
#include <libos/exo/options.h>
#include <libos/exo/spawn.h>
#include <libos/exo/start.h>
#include <servers/init/archive.h>
#include <servers/init/command.h>
#include <servers/init/native.h>
#include <servers/init/services.h>
#include <servers/init/session.h>
#include <servers/init/watch.h>

/* The kernel gives no name, and another capability than init gives to servers. */
static void open_log(void)
{
    memcpy(&exo_utcb()->libos[SPAWN_WORD_NAME], "init", 4);
    log_to(EXO_CAP_PLATFORM);
}

int main(void)
{
    const struct exo_boot *boot = (const struct exo_boot *)EXO_BOOT_VA;
    const char *line = boot->command_line;
    const char *const *words;
    const char *native;

    open_log();
    watch_begin(option_number(line, "timeout_ns", EXO_FOREVER));
    archive_index(boot->archive_bytes);
    words = command_words();
    native = command_native(words);
    if (native != NULL) {
        native_start(native);
    } else {
        services_start();
        session_start(
            &(struct session_plan){.words = words, .terminal = option_number(line, "tty", 0) != 0});
    }
    watch_run();
}
