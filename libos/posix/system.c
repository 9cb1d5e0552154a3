// SPDX-License-Identifier: MIT
/* What the system says about itself: uname, sysinfo; and how it is stopped. */
#include "core.h"
#include "files.h"

#include <exo/version.h>
#include <lib/format.h>

struct linux_utsname {
    char system[65], node[65], release[65], version[65], machine[65], domain[65];
};

DEFINE_CALL1(uname, to)
{
    static const struct linux_utsname names = {
        "Linux", "exov6", LINUX_RELEASE, EXO_VERSION, MACHINE_PLATFORM, "(none)",
    };

    return user_write(to, &names, sizeof names);
}

/* The name is the image's; nothing is kept that could change it. */
DEFINE_CALL2(sethostname, name, bytes)
{
    (void)name;
    (void)bytes;
    return -EPERM;
}

DEFINE_CALL2(setdomainname, name, bytes)
{
    (void)name;
    (void)bytes;
    return -EPERM;
}

DEFINE_CALL1(sysinfo, to)
{
    struct linux_sysinfo {
        int64_t uptime;
        uint64_t loads[3], total, free, shared, buffers, swap_total, swap_free;
        uint16_t processes, pad;
        uint32_t pad2;
        uint64_t high_total, high_free;
        uint32_t unit, pad3;
    } s = {.uptime = (int64_t)(time_now() / NS_PER_S), .unit = 1};
    static_assert(sizeof s == 112, "Linux ABI");
    const struct exo_view *v = exo_view();
    struct exo_message m = {0};
    int64_t processes = proc_call(&m, PROC_STATS, 0, 0, 0, 0);

    s.total = v->frames_total << EXO_PAGE_SHIFT;
    s.free = v->frames_free << EXO_PAGE_SHIFT;
    s.processes = processes < 0 ? 1 : (uint16_t)processes;
    return user_write(to, &s, sizeof s);
}

/* The kernel's log, as fs shows it to root: from its `first` byte on. How much there is, or was read. */
static int64_t log_read(uint64_t user, uint64_t bytes, uint64_t first)
{
    struct file *f;
    int64_t st = file_open("/proc/exo/log", O_RDONLY, 0, &f);

    if (st < 0)
        return st == -EACCES ? -EPERM : st;
    st = f->ops->read(f, user, bytes, &first);
    file_put(f);
    return st;
}

enum { /* syslog(2) */
       LOG_CLOSE,
       LOG_OPEN,
       LOG_READ,
       LOG_READ_ALL,
       LOG_READ_CLEAR,
       LOG_CLEAR,
       LOG_CONSOLE_OFF,
       LOG_CONSOLE_ON,
       LOG_CONSOLE_LEVEL,
       LOG_SIZE_UNREAD,
       LOG_SIZE_BUFFER,
};

/* Nothing is ever taken out of the log, and what the console shows is not ours to choose. */
DEFINE_CALL3(syslog, action, user, bytes)
{
    if (current()->entry->euid != 0)
        return -EPERM;
    switch (action) {
    case LOG_CLOSE:
    case LOG_OPEN: return 0;
    case LOG_READ_ALL:
        if ((int32_t)bytes < 0)
            return -EINVAL;
        return log_read(user, bytes, 0);
    case LOG_SIZE_BUFFER: return EXO_LOG_BYTES;
    default: return -EINVAL;
    }
}

#define REBOOT_MAGIC1   0xfee1deadu
#define REBOOT_RESTART  0x01234567u
#define REBOOT_HALT     0xcdef0123u
#define REBOOT_POWEROFF 0x4321fedcu
#define REBOOT_CAD_ON   0x89abcdefu
#define REBOOT_CAD_OFF  0x00000000u

/* init stops the machine; it is asked by the signals that the usual tools send to pid 1, so what
 * proc allows root to signal is what root may stop. */
DEFINE_CALL3(reboot, magic, magic2, command)
{
    struct exo_message m = {0};
    int32_t signo;

    switch ((uint32_t)magic2) {
    case 672274793u:
    case 85072278u:
    case 369367448u:
    case 537993216u: break;
    default: return -EINVAL;
    }
    if ((uint32_t)magic != REBOOT_MAGIC1)
        return -EINVAL;
    if (current()->entry->euid != 0)
        return -EPERM;
    switch ((uint32_t)command) {
    case REBOOT_RESTART: signo = SIGTERM; break;
    case REBOOT_HALT: signo = SIGUSR1; break;
    case REBOOT_POWEROFF: signo = SIGUSR2; break;
    case REBOOT_CAD_ON:
    case REBOOT_CAD_OFF: return 0; /* there is no such key */
    default: return -EINVAL;
    }
    return proc_call(&m, PROC_KILL, 1, (uint64_t)signo, SI_USER, 0);
}
