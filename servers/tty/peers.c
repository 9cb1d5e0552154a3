/* SPDX-License-Identifier: MIT */
/*
 * What tty asks of other servers: proc to signal and to remember sessions, fs for the nodes in
 * /dev/pts. Each call uses the UTCB's message, so what came in it must have been copied before.
 */
#include "servers/tty/terminal.h"
#include <exo.h>
#include <lib/format.h>
#include <lib/linux/errno.h>
#include <lib/linux/fcntl.h>
#include <lib/string.h>
#include <libos/exo/ipc.h>
#include <proto/fs.h>

KEPT exo_cap peer_notification;

/* The result, a failed call being an error of input and output. */
static int64_t call(exo_cap server, struct exo_message *m)
{
    return ipc_call_again(server, m) < 0 ? -EIO : (int64_t)m->w[0];
}

int64_t peer_signal_group(int32_t pgid, int32_t signo, uint32_t flags)
{
    struct exo_message m = {EXO_TAG(PROC_SIGNAL_GROUP, 0, 0),
                            {(uint64_t)(int64_t)pgid, (uint64_t)signo, flags, 0}};

    return call(EXO_SRV_PROC, &m);
}

int64_t peer_set_tty(int32_t sid, int32_t minor, int32_t foreground, uint32_t slot, bool tell)
{
    struct exo_message m = {EXO_TAG(PROC_SET_TTY, 0, tell ? 1 : 0),
                            {(uint64_t)sid, (uint64_t)(int64_t)minor, (uint64_t)foreground, slot}};

    if (tell)
        exo_utcb()->send[0] = (struct exo_send){peer_notification, EXO_SEND_COPY};
    return call(EXO_SRV_PROC, &m);
}

/* ---- nodes ---------------------------------------------------------------------------------------- */

static int64_t fs_call(enum fs_op op, const char *path, uint64_t w1, uint64_t w2)
{
    size_t length = strlen(path);
    struct exo_message m = {EXO_TAG(op, length, 0), {0, w1, w2, 0}};

    memcpy(exo_utcb()->msg, path, length);
    return call(EXO_SRV_FS, &m);
}

static void node_path(char *to, size_t size, uint32_t number)
{
    format_text(to, size, "/dev/pts/%u", number);
}

#define PTS_MODE 020620u /* a character device; its group may write messages */
#define TTY_GID  5u      /* Debian's group tty */

int64_t peer_node_make(uint32_t number, uint32_t uid)
{
    char path[32];
    int64_t result;

    node_path(path, sizeof path, number);
    result = fs_call(FS_MKNOD, path, PTS_MODE, FS_DEV(136, number));
    if (result == -ENOENT && fs_call(FS_MKDIR, "/dev/pts", 0755, 0) == 0)
        result = fs_call(FS_MKNOD, path, PTS_MODE, FS_DEV(136, number));
    if (result == -EEXIST) /* left by an earlier life of ours */
        result = 0;
    if (result == 0)
        fs_call(FS_CHOWN, path, uid | (uint64_t)TTY_GID << 32, 0);
    return result;
}

void peer_node_remove(uint32_t number)
{
    char path[32];

    node_path(path, sizeof path, number);
    fs_call(FS_UNLINK, path, 0, 0);
}

static int64_t may_open_path(const char *path, const struct caller *c, uint32_t access)
{
    struct fs_stat stat;
    uint32_t mode;

    if (fs_call(FS_STAT, path, AT_SYMLINK_NOFOLLOW, 0) < 0)
        return -EACCES;
    memcpy(&stat, exo_utcb()->msg, sizeof stat);
    mode = stat.mode;
    if (c->uid == stat.uid)
        mode >>= 6;
    else if (caller_in_group(c, stat.gid))
        mode >>= 3;
    return (mode & access) == access ? 0 : -EACCES;
}

/* The LibOS opened the node through fs and then asks us; but it could ask us at once. */
int64_t peer_may_open(const struct terminal *t, const struct caller *c, uint32_t access)
{
    char path[32];

    if (c->uid == 0)
        return 0;
    if (t->minor == TTY_CONSOLE) {
        if (may_open_path("/dev/console", c, access) == 0)
            return 0;
        return may_open_path("/dev/ttyS0", c, access);
    }
    node_path(path, sizeof path, t->minor - TTY_PTS);
    return may_open_path(path, c, access);
}
