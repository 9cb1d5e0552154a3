/* SPDX-License-Identifier: MIT */
/*
 * The servers.
 *
 * A server gets a child of each capability that a line of its rights file stands for, at the slot
 * that include/exo/boot.h names, and no other. Endpoints and the process table are init's, so that
 * they outlive their servers.
 *
 * Accounts are cut from the root account and never grow. What is left there pays for init, the table
 * and the kernel's own pools.
 */
#include <exo.h>
#include <proto/fs.h>
#include <proto/proc.h>
#include <rs.h>

#include <lib/format.h>
#include <lib/string.h>
#include <libos/exo/clock.h>
#include <libos/exo/ipc.h>
#include <libos/exo/log.h>
#include <libos/exo/options.h>
#include <libos/exo/spawn.h>
#include <servers/init/archive.h>
#include <servers/init/rights.h>
#include <servers/init/services.h>
#include <servers/init/upkeep.h>
#include <servers/init/watch.h>

#define REGION_ZERO_FILL 1u
#define STOP_NS          10000000000u /* that fs may take to write everything out */
#define MEMORY_MOST      80u          /* percent, for all servers together */
#define MEMORY_KEPT      4u           /* percent, in the root account: see above */
#define TABLE_PAGES      (PROC_MAX * sizeof(struct proc_entry) / EXO_PAGE_SIZE)

static struct service {
    uint32_t id; /* in the kernel's table of services */
    struct exo_service_info seen;
    struct rights rights;
    exo_cap endpoint;
    struct spawned program;
    exo_cap account;
    struct upkeep upkeep;
} services[EXO_SERVICES];
/* The servers, and behind them, in places without a name, what others have registered. */

/* What callers of proc are known by. Nobody calls with proc's own badge. */
static const uint64_t badges[SERVERS] = {0, PROC_SERVER_VIRTIO_BLK, 0, PROC_SERVER_FS,
                                         PROC_SERVER_TTY};
static const exo_cap slots[SERVERS] = {EXO_SRV_PCI, EXO_SRV_VIRTIO_BLK, EXO_SRV_PROC, EXO_SRV_FS,
                                       EXO_SRV_TTY};

static exo_cap table, table_reader, proc, boot_record;
static uint64_t frames_all, frames_given;

exo_cap services_proc(void)
{
    return proc;
}

exo_cap services_table(void)
{
    return table_reader;
}

uint32_t services_memory_left(void)
{
    return (uint32_t)((frames_all - frames_given) * 100 / frames_all) - MEMORY_KEPT;
}

/* A call that must give a handle, or the system cannot start. */
static exo_cap need(int64_t result, const char *what)
{
    if (result < 0)
        power_off_because(STATUS_FAILED, "no %s: %s", what, exo_error_text(result));
    return (exo_cap)result;
}

/* A percentage of the frames that were free at the start. */
static uint64_t part_of_memory(uint32_t percent)
{
    if (frames_all == 0) { /* the first time: no account is cut off yet */
        uint64_t words[4];

        if (exo_account_info(EXO_CAP_ACCOUNT, words) == EXO_OK)
            frames_all = words[0] - words[1];
    }
    return frames_all * percent / 100;
}

exo_cap account_make(const char *for_whom, uint32_t percent)
{
    uint64_t frames = part_of_memory(percent);

    return need(exo_account_create(EXO_CAP_ACCOUNT, frames, frames), for_whom);
}

/* ---- one server -------------------------------------------------------------------------------- */

static void give(const struct service *s, exo_cap want, exo_cap cap, uint32_t rights,
                 uint64_t badge)
{
    int64_t result = spawn_give(&s->program, want, cap, rights, badge);

    if (result != EXO_OK)
        power_off_because(STATUS_FAILED, "cannot give a server slot %u: %s", EXO_SLOT(want),
                          exo_error_text(result));
}

static exo_cap console_registers(const struct exo_console *c)
{
    if (c->kind == EXO_CONSOLE_16550_PORTS)
        return need(exo_ioport_create(EXO_CAP_PLATFORM, (uint32_t)c->base, c->bytes), "console");
    uint64_t start = c->base & ~(uint64_t)(EXO_PAGE_SIZE - 1);
    uint64_t pages = (c->base + c->bytes - start + EXO_PAGE_SIZE - 1) / EXO_PAGE_SIZE;
    return need(exo_device_frame(EXO_CAP_PLATFORM, start, pages), "console");
}

/* Interrupt line `i` of the PCI bus; 0: it has none, or it is the line of one before. */
static exo_cap pci_line(const struct exo_pci *pci, uint32_t i)
{
    uint32_t line = pci->first_message + i;

    if (pci->kind == EXO_PCI_NONE || (pci->messages != 0 && i >= pci->messages))
        return 0;
    if (pci->messages == 0) {
        line = pci->pins[i / EXO_PCI_PINS][i % EXO_PCI_PINS];
        for (uint32_t k = 0; k < i; k++)
            if (pci->pins[k / EXO_PCI_PINS][k % EXO_PCI_PINS] == line)
                return 0;
        if (line == 0)
            return 0;
    }
    return need(exo_irq_create(EXO_CAP_PLATFORM, line), "interrupt line");
}

#define PCI_BUS_BYTES 0x100000u /* of configuration space: bus 0's */

static exo_cap pci_config(const struct exo_pci *pci)
{
    switch (pci->kind) {
    case EXO_PCI_PORTS:
        return need(
            exo_ioport_create(EXO_CAP_PLATFORM, (uint32_t)pci->config, (uint32_t)pci->config_bytes),
            "PCI bus");
    case EXO_PCI_ECAM:
        return need(exo_device_frame(EXO_CAP_PLATFORM, pci->config, PCI_BUS_BYTES / EXO_PAGE_SIZE),
                    "PCI bus");
    default: return 0;
    }
}

static exo_cap pci_window(const struct exo_pci *pci)
{
    if (pci->kind == EXO_PCI_NONE || pci->window_bytes == 0)
        return 0;
    return need(exo_device_frame(EXO_CAP_PLATFORM, pci->window, pci->window_bytes / EXO_PAGE_SIZE),
                "PCI bus");
}

static void give_device(const struct service *s, const struct device *d, uint32_t slot)
{
    const struct exo_boot *boot = (const struct exo_boot *)EXO_BOOT_VA;
    const struct exo_console *console = &boot->console;
    exo_cap cap = 0;

    switch (d->kind) {
    case DEVICE_IOPORT:
        cap = need(exo_ioport_create(EXO_CAP_PLATFORM, d->first, d->count), "I/O ports");
        break;
    case DEVICE_IRQ:
        cap = need(exo_irq_create(EXO_CAP_PLATFORM, d->first), "interrupt line");
        break;
    case DEVICE_CONSOLE_REGISTERS: cap = console_registers(console); break;
    case DEVICE_CONSOLE_IRQ:
        cap = need(exo_irq_create(EXO_CAP_PLATFORM, console->irq), "console's interrupt line");
        break;
    case DEVICE_PCI_CONFIG: cap = pci_config(&boot->pci); break;
    case DEVICE_PCI_WINDOW: cap = pci_window(&boot->pci); break;
    case DEVICE_PCI_IRQ: cap = pci_line(&boot->pci, d->first); break;
    }
    /* Only the PCI bus' are passed on, to drivers; and of those there may be fewer. */
    if (cap != 0)
        give(s, EXO_WELL_KNOWN(slot), cap,
             EXO_R_READ | EXO_R_WRITE | EXO_R_CONTROL |
                 (d->kind >= DEVICE_PCI_CONFIG ? EXO_R_GRANT : 0),
             0);
}

static void give_options(const struct service *s)
{
    if (boot_record == 0) {
        boot_record = need(exo_region_create(EXO_CAP_ACCOUNT, 1, 0), "boot record");
        exo_region_write(boot_record, 0, (const void *)EXO_BOOT_VA, sizeof(struct exo_boot));
    }
    need(exo_map(s->program.env, EXO_BOOT_VA, 1, boot_record, 0, EXO_MAP_READ), "boot record");
}

static void give_calls(const struct service *s, const struct rights *r, uint64_t badge)
{
    for (unsigned i = 0; i < SERVERS; i++) {
        if (r->mint[i])
            give(s, slots[i], services[i].endpoint, EXO_R_CALL | EXO_R_MINT | EXO_R_GRANT, 0);
        else if (r->call[i])
            give(s, slots[i], services[i].endpoint, EXO_R_CALL, badge);
    }
}

static void give_all(const struct service *s, const struct rights *r, uint64_t badge)
{
    if (r->endpoint)
        give(s, EXO_SRV_ENDPOINT, s->endpoint, EXO_R_RECV | EXO_R_CALL | EXO_R_MINT | EXO_R_GRANT,
             0);
    if (r->log)
        give(s, EXO_SRV_LOG, EXO_CAP_PLATFORM, EXO_R_WRITE | (r->log_read ? EXO_R_READ : 0), 0);
    if (r->table_read)
        give(s, EXO_SRV_TABLE, table, EXO_R_READ | EXO_R_GRANT | (r->table_write ? EXO_R_WRITE : 0),
             0);
    if (r->archive)
        give(s, EXO_SRV_ARCHIVE, EXO_CAP_ARCHIVE, EXO_R_READ | EXO_R_WRITE, 0);
    if (r->services_read)
        give(s, EXO_SRV_SERVICES, EXO_CAP_SERVICES,
             EXO_R_READ | EXO_R_GRANT | (r->services_control ? EXO_R_CONTROL : 0), 0);
    if (r->options)
        give_options(s);
    give_calls(s, r, badge);
    for (uint32_t i = 0; i < r->device_count; i++)
        give_device(s, &r->devices[i], EXO_SRV_DEVICE + i);
}

static void read_rights(const char *name, struct rights *r)
{
    char path[48];
    struct cpio_entry file;
    unsigned line;

    format_text(path, sizeof path, "usr/lib/exo/rights/%s", name);
    if (!archive_get(path, &file))
        power_off_because(STATUS_FAILED, "%s: no %s", name, path);
    line = rights_parse((const char *)file.data, file.bytes, r);
    if (line != 0)
        power_off_because(STATUS_FAILED, "%s: line %u of %s says nothing known", name, line, path);
}

static exo_cap server_account(const char *name, const struct rights *r)
{
    uint64_t frames = part_of_memory(r->memory);

    if (r->frames != 0)
        frames = r->frames;
    frames_given += frames;
    if (frames_given > part_of_memory(MEMORY_MOST))
        power_off_because(STATUS_FAILED, "%s: no memory is left for processes", name);
    return need(exo_account_create(EXO_CAP_ACCOUNT, frames, frames), name);
}

static void load_again(struct service *s);

static void load_server(enum server which)
{
    const char *name = server_names[which];
    struct service *s = &services[which];
    struct spawn_plan plan = {.name = name};
    struct cpio_entry file;
    int64_t result;

    if (!archive_get(s->seen.path + 1, &file))
        power_off_because(STATUS_FAILED, "no %s in the boot archive", s->seen.path + 1);
    plan.elf = file.data;
    plan.elf_bytes = file.bytes;
    plan.account = server_account(name, &s->rights);
    plan.priority = s->rights.priority;
    result = spawn_create(&plan, &s->program);
    if (result == EXO_OK)
        give_all(s, &s->rights, badges[which]);
    if (result == EXO_OK)
        result = rs_attach(s->id, s->program.env);
    if (result != EXO_OK)
        power_off_because(STATUS_FAILED, "%s: %s", s->seen.path, exo_error_text(result));
}

static void register_server(enum server which)
{
    struct service *s = &services[which];
    const char *name = server_names[which];
    char path[EXO_SERVICE_PATH];
    int64_t result;

    read_rights(name, &s->rights);
    format_text(path, sizeof path, "/usr/sbin/%s", name);
    result = rs_register_service(name, path, s->rights.policy, &s->id);
    if (result == EXO_OK)
        result = upkeep_begin(&s->upkeep, s->id, &s->rights);
    if (result == EXO_OK)
        result = rs_info(s->id, &s->seen);
    if (result != EXO_OK)
        power_off_because(STATUS_FAILED, "%s: %s", name, exo_error_text(result));
}

/* Calls need somebody who answers: whoever is called runs first. */
static void add_dependencies(const struct service *s)
{
    for (unsigned i = 0; i < SERVERS; i++)
        if ((s->rights.call[i] && rs_add_dependency(s->id, services[i].id) != EXO_OK) ||
            (s->rights.follow[i] && rs_add_follower(s->id, services[i].id) != EXO_OK))
            power_off_because(STATUS_FAILED, "%s and %s would wait for each other", s->seen.name,
                              server_names[i]);
}

/* ---- keeping watch ------------------------------------------------------------------------------ */

static const char *describe(const struct exo_service_info *info, char *to, size_t size)
{
    static const char *const causes[] = {"",           "ended by itself",      "was destroyed",
                                         "crashed",    "gave no sign of life", "was restarted",
                                         "was stopped"};

    if (info->trouble != EXO_OK)
        format_text(to, size, "cannot be started: %s", exo_error_text(info->trouble));
    else if (info->cause == EXO_EXITED)
        format_text(to, size, "ended by itself, status %lld", (long long)info->status);
    else if (info->cause == EXO_CRASHED && info->fault_kind == EXO_UP_PAGE)
        format_text(to, size, "page fault at 0x%llx, pc 0x%llx",
                    (unsigned long long)info->fault_address, (unsigned long long)info->fault_pc);
    else if (info->cause == EXO_CRASHED)
        format_text(to, size, "exception, pc 0x%llx", (unsigned long long)info->fault_pc);
    else
        format_text(to, size, "%s", info->cause <= EXO_STOPPED ? causes[info->cause] : "");
    return to;
}

/* A server whose state does not outlive it cannot come back: the system is of no use without it. */
static void server_changed(struct service *s)
{
    struct exo_service_info now;
    char how[80];

    if (rs_info(s->id, &now) != EXO_OK)
        return;
    describe(&now, how, sizeof how);
    if (now.state == EXO_SERVICE_FAILED || now.state == EXO_SERVICE_STOPPED) {
        if (now.policy == RS_POLICY_NEVER && now.cause != EXO_STOPPED && s < services + SERVERS)
            power_off_because(STATUS_FAILED, "%s died: %s", now.name, how);
        if (now.state != s->seen.state)
            log_line("%s %s after %llu lives: %s", now.name,
                     now.state == EXO_SERVICE_FAILED ? "has failed" : "has stopped",
                     (unsigned long long)now.lives, how);
    } else if (now.lives > s->seen.lives && now.cause == EXO_STOPPED) {
        log_line("%s was started: life %llu", now.name, (unsigned long long)now.lives);
    } else if (now.lives > s->seen.lives && now.lives > 1) {
        log_line("%s died: %s; life %llu began after %llu ns", now.name, how,
                 (unsigned long long)now.lives, (unsigned long long)now.recovery_ns);
    }
    struct exo_service_info before = s->seen;
    s->seen = now;
    if (now.state == EXO_SERVICE_STARTING && !now.loaded)
        load_again(s);
    else if (s->upkeep.rights != NULL)
        upkeep_changed(&s->upkeep, &before, &now);
}

/* ---- what others registered --------------------------------------------------------------------- */

#define GUEST_FRAMES 256u /* of its account, without a line */

/* May a service that is no server have this? What badges stand for, and shared memory, is among servers. */
static bool guest_may(const struct rights *r)
{
    bool peers = r->archive || r->options || r->table_read || r->log_read;

    for (unsigned i = 0; i < SERVERS; i++)
        peers = peers || r->call[i] || r->mint[i] || r->follow[i];
    for (unsigned i = 0; i < r->device_count; i++)
        peers = peers || (r->devices[i].kind != DEVICE_IOPORT && r->devices[i].kind != DEVICE_IRQ);
    return !peers;
}

static int64_t guest_give_device(struct service *s, const struct device *d, uint32_t slot)
{
    int64_t made = d->kind == DEVICE_IRQ ? exo_irq_create(EXO_CAP_PLATFORM, d->first)
                                         : exo_ioport_create(EXO_CAP_PLATFORM, d->first, d->count);

    if (made < 0)
        return made;
    made = spawn_give(&s->program, EXO_WELL_KNOWN(slot), (exo_cap)made,
                      EXO_R_READ | EXO_R_WRITE | EXO_R_CONTROL, 0);
    return made;
}

static int64_t guest_give(struct service *s)
{
    const struct rights *r = &s->rights;
    int64_t result = spawn_give(&s->program, EXO_SRV_LOG, EXO_CAP_PLATFORM, EXO_R_WRITE, 0);

    if (result == EXO_OK && r->endpoint) {
        result = exo_endpoint_create(EXO_CAP_ACCOUNT);
        if (result >= 0)
            s->endpoint = (exo_cap)result;
        if (result >= 0)
            result = spawn_give(&s->program, EXO_SRV_ENDPOINT, s->endpoint,
                                EXO_R_RECV | EXO_R_CALL | EXO_R_MINT | EXO_R_GRANT, 0);
    }
    if (result == EXO_OK && r->services_read)
        result = spawn_give(&s->program, EXO_SRV_SERVICES, EXO_CAP_SERVICES,
                            EXO_R_READ | (r->services_control ? EXO_R_CONTROL : 0), 0);
    for (uint32_t i = 0; i < r->device_count && result == EXO_OK; i++)
        result = guest_give_device(s, &r->devices[i], EXO_SRV_DEVICE + i);
    return result;
}

/* Its program ends, and what it was given goes. */
static void guest_drop(struct service *s)
{
    if (s->program.env != 0)
        spawn_end(&s->program);
    if (s->endpoint != 0)
        exo_cap_delete(s->endpoint, 0);
    if (s->account != 0)
        exo_cap_delete(s->account, 0);
    s->program = (struct spawned){0};
    s->endpoint = s->account = 0;
}

/* The rights file is one of the boot archive: whoever registers a service says what it is to do, not what
 * it may. */
static int64_t guest_rights(struct service *s)
{
    char path[64];
    struct cpio_entry file = {0};

    format_text(path, sizeof path, "usr/lib/exo/rights/%s", s->seen.name);
    if (archive_copy(path, &file) &&
        rights_parse((const char *)file.data, file.bytes, &s->rights) != 0)
        return EXO_EINVAL;
    if (file.data == NULL)
        rights_parse("", 0, &s->rights);
    return guest_may(&s->rights) ? upkeep_begin(&s->upkeep, s->id, &s->rights) : EXO_ERIGHTS;
}

static int64_t guest_load(struct service *s)
{
    struct spawn_plan plan = {.name = s->seen.name};
    struct cpio_entry file;
    int64_t result = guest_rights(s);

    if (result != EXO_OK)
        return result;
    if (s->seen.path[0] != '/' || !archive_copy(s->seen.path + 1, &file))
        return EXO_ENOENT;
    uint64_t frames = s->rights.frames != 0 ? s->rights.frames : GUEST_FRAMES;
    if ((result = exo_account_create(EXO_CAP_ACCOUNT, frames, frames)) < 0)
        return result;
    s->account = (exo_cap)result;
    plan.account = s->account;
    plan.elf = file.data;
    plan.elf_bytes = file.bytes;
    plan.priority = s->rights.priority;
    if ((result = spawn_create(&plan, &s->program)) == EXO_OK)
        result = guest_give(s);
    return result == EXO_OK ? rs_attach(s->id, s->program.env) : result;
}

static void load_again(struct service *s)
{
    int64_t result;

    if (s < services + SERVERS) { /* their files may have been written to by now */
        rs_fail_service(s->id, EXO_ENOENT);
        return;
    }
    guest_drop(s);
    if ((result = guest_load(s)) == EXO_OK)
        return;
    log_line("%s: %s: %s", s->seen.name, s->seen.path, exo_error_text(result));
    guest_drop(s);
    rs_fail_service(s->id, result);
}

static bool is_known(const struct service *s)
{
    return s->seen.name[0] != '\0';
}

/* Services come and go: their numbers are used again. */
static void guests_find(void)
{
    struct exo_service_info info;

    for (unsigned i = SERVERS; i < EXO_SERVICES; i++) {
        struct service *s = &services[i];

        if (!is_known(s) ||
            (rs_info(s->id, &info) == EXO_OK && strcmp(info.name, s->seen.name) == 0))
            continue;
        guest_drop(s);
        upkeep_end(&s->upkeep);
        *s = (struct service){0};
    }
    for (uint32_t id = 0; id < EXO_SERVICES; id++) {
        unsigned i = 0, place = 0;

        while (i < EXO_SERVICES && !(is_known(&services[i]) && services[i].id == id))
            i++;
        while (place < EXO_SERVICES && is_known(&services[place]))
            place++;
        if (i == EXO_SERVICES && place < EXO_SERVICES && rs_info(id, &info) == EXO_OK)
            services[place] = (struct service){.id = id, .seen = info};
    }
}

static void services_changed(void)
{
    guests_find();
    for (unsigned i = 0; i < EXO_SERVICES; i++)
        if (is_known(&services[i]))
            server_changed(&services[i]);
}

/* ---- all of them ------------------------------------------------------------------------------- */

static void make_shared_things(void)
{
    for (unsigned i = 0; i < SERVERS; i++)
        services[i].endpoint = need(exo_endpoint_create(EXO_CAP_ACCOUNT), "endpoint");
    table = need(exo_region_create(EXO_CAP_ACCOUNT, TABLE_PAGES, REGION_ZERO_FILL), "table");
    table_reader = need(exo_cap_derive(table, EXO_R_READ | EXO_R_GRANT, 0, 0, 0), "table");
    proc = need(exo_cap_derive(services[SERVER_PROC].endpoint, EXO_R_CALL | EXO_R_GRANT,
                               PROC_SERVER_INIT, 0, 0),
                "endpoint");
}

void services_stop(void)
{
    int64_t fs = exo_cap_derive(services[SERVER_FS].endpoint, EXO_R_CALL, PROC_SERVER_INIT, 0, 0);
    struct exo_message m = ipc_message(FS_SYNC, 1, 0, 0, 0);

    if (fs < 0)
        return;
    exo_utcb()->call_deadline = clock_uptime() + STOP_NS;
    if (ipc_call((exo_cap)fs, &m) < 0)
        log_line("fs could not write everything to the disks");
    exo_utcb()->call_deadline = 0;
}

/* ---- death on purpose --------------------------------------------------------------------------- */

/* A fault injector, for tests. The boot options
 *
 *     kill_NAME_ns=PERIOD kill_NAME_count=TIMES [kill_NAME_from_ns=FIRST] [kill_NAME_step_ns=STEP]
 *
 * kill the server NAME, wherever it is: PERIOD ns after FIRST (from when all are started), and again and again,
 * each PERIOD being longer by STEP. So with a short PERIOD and a STEP each life is killed a little later in
 * its beginning, or in the rebirth before it, than the one before. Under -icount a nanosecond is an instruction
 * and every run is the same. Several servers may be named; what is due at the same time dies at once. */
static struct killing {
    uint64_t period, step, left;
    exo_time next;
} killings[SERVERS];

/* What is due dies. @return whether there is a *next time. */
static bool kill_what_is_due(exo_time *next)
{
    exo_time now = clock_uptime();

    *next = EXO_FOREVER;
    for (unsigned i = 0; i < SERVERS; i++) {
        struct killing *k = &killings[i];

        if (k->left != 0 && k->next <= now) {
            rs_kill_service(services[i].id);
            k->period += k->step;
            k->next = now + k->period;
            k->left--;
        }
        if (k->left != 0 && k->next < *next)
            *next = k->next;
    }
    return *next != EXO_FOREVER;
}

static uint64_t kill_option(const char *options, unsigned server, const char *what)
{
    char name[48];

    format_text(name, sizeof name, "kill_%s_%s", server_names[server], what);
    return option_number(options, name, 0);
}

static void kill_on_purpose(const char *options)
{
    exo_time now = clock_uptime(), next;

    for (unsigned i = 0; i < SERVERS; i++) {
        struct killing *k = &killings[i];

        k->period = kill_option(options, i, "ns");
        k->left = kill_option(options, i, "count");
        k->step = kill_option(options, i, "step_ns");
        k->next = now + kill_option(options, i, "from_ns") + k->period;
        if (k->left != 0)
            rs_set_limit(services[i].id, 0, 1);
    }
    if (kill_what_is_due(&next))
        watch_timer(WATCH_KILLS, next, kill_what_is_due);
}

void services_start(void)
{
    make_shared_things();
    rs_use(EXO_CAP_SERVICES);
    for (unsigned i = 0; i < SERVERS; i++)
        register_server((enum server)i);
    for (unsigned i = 0; i < SERVERS; i++)
        add_dependencies(&services[i]);
    watch_services(services_changed);
    for (unsigned i = 0; i < SERVERS; i++)
        need(rs_start_service(services[i].id), server_names[i]);
    for (unsigned i = 0; i < SERVERS; i++)
        load_server((enum server)i);
    kill_on_purpose(((const struct exo_boot *)EXO_BOOT_VA)->command_line);
}
