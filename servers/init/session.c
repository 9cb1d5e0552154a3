/* SPDX-License-Identifier: MIT */
/*
 * The first POSIX process.
 *
 * It has a thread of its own, because it calls proc: should proc never answer, the watch goes on.
 * Every process of the session pays from one account, which leaves the servers theirs. The LibOS is
 * one region, a copy of the archive's posix.elf: whoever may write to that file later does not
 * thereby write to the LibOS of running processes.
 */
#include <exo.h>
#include <proto/proc.h>

#include <lib/linux/signal.h>
#include <libos/exo/clock.h>
#include <libos/exo/ipc.h>
#include <libos/exo/log.h>
#include <libos/exo/thread.h>
#include <libos/posix/handover.h>
#include <servers/init/archive.h>
#include <servers/init/services.h>
#include <servers/init/session.h>
#include <servers/init/watch.h>

#define PRIORITY    23u
#define WAIT_EXITED 4u
#define EVENT_PROC  1u     /* proc has something to tell: a child ended, or a signal for pid 1 */
#define WRITE_BYTES 65536u /* the most that exo_region_write takes */
#define SECOND      1000000000u

static struct session_plan plan;
static exo_cap libos, account, requests;
static const void *posix_elf;

static void make_libos(void)
{
    struct cpio_entry file;
    int64_t result;

    if (!archive_get("usr/lib/exo/posix.elf", &file))
        power_off_because(STATUS_FAILED, "no usr/lib/exo/posix.elf in the boot archive");
    posix_elf = file.data;
    result =
        exo_region_create(EXO_CAP_ACCOUNT, (file.bytes + EXO_PAGE_SIZE - 1) / EXO_PAGE_SIZE, 0);
    libos = (exo_cap)result;
    for (uint32_t at = 0; at < file.bytes && result >= 0; at += WRITE_BYTES) {
        uint32_t rest = file.bytes - at;

        result =
            exo_region_write(libos, at, file.data + at, rest < WRITE_BYTES ? rest : WRITE_BYTES);
    }
    if (result >= 0)
        result = exo_cap_derive(libos, EXO_R_READ | EXO_R_EXEC | EXO_R_GRANT, 0, 0, 0);
    if (result < 0)
        power_off_because(STATUS_FAILED, "no memory for the POSIX LibOS: %s",
                          exo_error_text(result));
    libos = (exo_cap)result; /* the writable one is never used again */
}

static int64_t launch(const char *const *argv, const char *const *envp, const char *cwd,
                      uint32_t flags)
{
    struct handover_plan h = {.posix_elf = posix_elf,
                              .libos = libos,
                              .account = account,
                              .proc = services_proc(),
                              .table = services_table(),
                              .op = PROC_BOOT,
                              .flags = flags | HANDOVER_SEARCH,
                              .notification = requests,
                              .event_bits = EVENT_PROC,
                              .cwd = cwd,
                              .argv = argv,
                              .envp = envp};
    exo_cap env;
    int64_t pid = handover_launch(&h, &env);

    if (pid < 0)
        power_off_because(STATUS_FAILED, "cannot start %s: error %lld", argv[0], (long long)-pid);
    exo_cap_delete(env, 0); /* proc keeps the one that counts */
    return pid;
}

/* Has the process ended? Takes every ended child of init on the way. */
static bool collect(int64_t pid, uint32_t *status)
{
    for (;;) {
        struct exo_message m = ipc_message(PROC_WAIT, (uint64_t)-1, WAIT_EXITED, 0, 0);
        int64_t ended = ipc_call(services_proc(), &m);

        if (ended <= 0)
            return false;
        if (ended == pid) {
            *status = (uint32_t)m.w[1];
            return true;
        }
    }
}

_Noreturn static void session_end(uint32_t status)
{
    services_stop();
    power_off(status);
}

/* pid 1 is asked to stop the machine by the signals that busybox's and sysvinit's tools send; the
 * LibOS's reboot(2) sends them too. There is nothing to restart into: all of them power off. */
static void heed_signals(void)
{
    static const uint64_t stop = 1ull << (SIGTERM - 1) | 1ull << (SIGUSR1 - 1) |
                                 1ull << (SIGUSR2 - 1) | 1ull << (SIGPWR - 1);
    struct exo_message m = ipc_message(PROC_INIT_SIGNALS, 0, 0, 0, 0);
    int64_t tag = ipc_call_again(services_proc(), &m);

    if (tag >= 0 && (m.w[0] & stop) != 0)
        session_end(0);
}

/* Processes that want a fresh environment get it; what cannot be given one does not go on. */
static void renew(void)
{
    static union {
        struct handover block;
        uint8_t bytes[HANDOVER_BYTES_MAX];
    } copy;
    struct handover_plan h = {.posix_elf = posix_elf,
                              .libos = libos,
                              .account = account,
                              .proc = services_proc(),
                              .table = services_table()};
    struct exo_message m = ipc_message(PROC_RENEWAL, 0, 0, 0, 0);
    int64_t tag;

    while ((tag = ipc_call_again(services_proc(), &m)) >= 0 && (int64_t)m.w[0] > 0) {
        exo_cap region = EXO_TAG_CAPS((uint64_t)tag) ? exo_utcb()->received[0] : 0;
        int64_t pid = (int64_t)m.w[0], slot = (int64_t)m.w[1];
        int64_t st = exo_region_read(region, 0, &copy, sizeof copy);

        copy.block.pid = (int32_t)pid;
        copy.block.slot = (uint32_t)slot;
        if (st != (int64_t)sizeof copy || handover_renew(&h, &copy.block, region) < 0) {
            m = ipc_message(PROC_KILL, (uint64_t)pid, SIGKILL, 0, 0);
            ipc_call_again(services_proc(), &m);
        }
        if (region)
            exo_cap_delete(region, 0);
        m = ipc_message(PROC_RENEWAL, 0, 0, 0, 0);
    }
}

/* Sleeps until proc has something to tell, or until `deadline`. */
static void listen(exo_time deadline)
{
    if (event_wait(deadline) & EVENT_PROC) {
        heed_signals();
        renew();
    }
}

/* Until the process has ended; its wait status as Linux encodes it. */
static uint32_t wait_for(int64_t pid)
{
    uint32_t status;

    while (!collect(pid, &status))
        listen(EXO_FOREVER);
    return status;
}

static void run_command(void)
{
    static const char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    const char *const envp[] = {path, "HOME=/root", plan.terminal ? "TERM=xterm" : "TERM=dumb",
                                NULL};
    uint32_t flags = plan.terminal ? HANDOVER_CONSOLE | HANDOVER_SESSION
                                   : HANDOVER_CONSOLE | HANDOVER_NULL_INPUT | HANDOVER_RAW_OUTPUT;
    uint32_t status = wait_for(launch(plan.words, envp, "/", flags));

    session_end((status & 0x7f) != 0 ? 128 + (status & 0x7f) : status >> 8 & 0xff);
}

/* The root file system is fs's to read, wherever it is: so a shell looks for root's own one (passwd(5)). */
static const char login[] =
    "while IFS=: read -r user _ _ _ _ _ SHELL && [ \"$user\" != root ]; do :; done </etc/passwd\n"
    "[ -x \"$SHELL\" ] || SHELL=/bin/sh\n"
    "exec \"$SHELL\" -l";

/* A login that ends at once again and again would fill the log: one a second is enough. */
static void run_logins(void)
{
    const char *const argv[] = {"/bin/sh", "-c", login, NULL};
    const char *const envp[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                "HOME=/root",
                                "USER=root",
                                "LOGNAME=root",
                                "TERM=xterm",
                                "SHELL=/bin/sh",
                                NULL};

    for (;;) {
        exo_time earliest = clock_uptime() + SECOND;

        wait_for(launch(argv, envp, "/root", HANDOVER_CONSOLE | HANDOVER_SESSION));
        while (clock_uptime() < earliest)
            listen(earliest);
    }
}

/* proc gets the right to raise events, and no other. */
static void hear_proc(void)
{
    int64_t made = exo_notification_create(EXO_CAP_ACCOUNT);

    if (made >= 0 && exo_notification_bind((exo_cap)made) == EXO_OK)
        made = exo_cap_derive((exo_cap)made, EXO_R_SIGNAL | EXO_R_GRANT, 0, 0, 0);
    if (made < 0)
        power_off_because(STATUS_FAILED, "cannot hear proc: %s", exo_error_text(made));
    requests = (exo_cap)made;
}

static void session_thread(uint64_t argument)
{
    (void)argument;
    exo_utcb()->recv_caps = 1; /* renew() */
    hear_proc();
    make_libos();
    account = account_make("session account", services_memory_left());
    if (plan.words != NULL)
        run_command();
    else
        run_logins();
}

void session_start(const struct session_plan *p)
{
    int64_t result;

    plan = *p;
    result = thread_run(
        &(struct thread_plan){.run = session_thread, .priority = PRIORITY, .stack_pages = 32});
    if (result < 0)
        power_off_because(STATUS_FAILED, "no thread for the session: %s", exo_error_text(result));
}
