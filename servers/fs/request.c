/* SPDX-License-Identifier: MIT */
/* One call, from the caller's badge to the handler of its label. */
#include "servers/fs/fs.h"
#include "servers/fs/mounted.h"
#include "servers/fs/recover.h"

#include <lib/answers.h>
#include <lib/string.h>

#define FILE_OPS_FIRST FS_READ

/* Calls on paths, by process badges. What is not here is -ENOSYS. */
static handler *const path_handlers[] = {
    [FS_OPEN] = fs_open,
    [FS_STAT] = fs_stat,
    [FS_ACCESS] = fs_access,
    [FS_READLINK] = fs_readlink,
    [FS_MKDIR] = fs_mkdir,
    [FS_MKNOD] = fs_mknod,
    [FS_UNLINK] = fs_unlink,
    [FS_LINK] = fs_link,
    [FS_SYMLINK] = fs_symlink,
    [FS_RENAME] = fs_rename,
    [FS_CHMOD] = fs_chmod,
    [FS_CHOWN] = fs_chown,
    [FS_UTIMES] = fs_utimes,
    [FS_TRUNCATE] = fs_truncate,
    [FS_STATFS] = fs_statfs,
    [FS_GETCWD] = fs_getcwd,
    [FS_MOUNT] = fs_mount,
    [FS_UMOUNT] = fs_umount,
    [FS_SYNC] = fs_sync,
    [FS_SOCKET_BIND] = fs_socket_bind,
    [FS_SOCKET_CONNECT] = fs_socket_connect,
    [FS_WATCH_OPEN] = fs_watch_open,
    [FS_WATCH_ADD] = fs_watch_add,
    [FS_PARCEL_BOX] = fs_parcel_box,
    [FS_PARCEL_PUT] = fs_parcel_put,
    [FS_PARCEL_TAKE] = fs_parcel_take,
    [FS_PARCEL_DROP] = fs_parcel_drop,
};

/* Calls on an open file, by its own badge. */
static handler *const file_handlers[] = {
    [FS_READ - FILE_OPS_FIRST] = file_read,
    [FS_WRITE - FILE_OPS_FIRST] = file_write,
    [FS_LEND - FILE_OPS_FIRST] = file_lend,
    [FS_FSTAT - FILE_OPS_FIRST] = file_fstat,
    [FS_FTRUNCATE - FILE_OPS_FIRST] = file_ftruncate,
    [FS_FALLOCATE - FILE_OPS_FIRST] = file_fallocate,
    [FS_READDIR - FILE_OPS_FIRST] = file_readdir,
    [FS_FSYNC - FILE_OPS_FIRST] = file_fsync,
    [FS_LOCK - FILE_OPS_FIRST] = file_lock,
    [FS_FIFO_END - FILE_OPS_FIRST] = file_fifo,
    [FS_WATCH_PAGE - FILE_OPS_FIRST] = file_watch_page,
    [FS_WATCH_REMOVE - FILE_OPS_FIRST] = file_watch_remove,
    [FS_WATCH_READ - FILE_OPS_FIRST] = file_watch_read,
    [FS_EXTENT - FILE_OPS_FIRST] = file_extent,
    [FS_SERVICES - FILE_OPS_FIRST] = file_services,
    [FS_SEAL - FILE_OPS_FIRST] = file_seal,
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int64_t find_handler(struct request *q, uint64_t badge, uint32_t label, handler **found)
{
    if (badge & FS_BADGE_FILE) {
        q->file = file_of_badge(badge);
        if (!q->file)
            return -EBADF;
        if (label < FILE_OPS_FIRST || label - FILE_OPS_FIRST >= COUNT(file_handlers))
            return -ENOSYS;
        *found = file_handlers[label - FILE_OPS_FIRST];
        return 0;
    }
    if (label >= COUNT(path_handlers) || !path_handlers[label])
        return -ENOSYS;
    *found = path_handlers[label];
    return caller_identify(&q->who, badge);
}

static void serve_once(struct request *q, uint64_t badge, uint32_t label)
{
    handler *serve = 0;
    int64_t status = find_handler(q, badge, label, &serve);

    if (status >= 0)
        status = serve(q);
    if (status < 0)
        q->reply_bytes = 0;
    q->r[0] = (uint64_t)status;
    inode_sweep();
}

/* May a call change something? Those that only look keep no answer: they are served once more. So are
 * loans, of which one that did not arrive is nobody's. */
static bool may_change(uint32_t label, const uint64_t w[4])
{
    switch (label) {
    case FS_OPEN: return w[1] & (O_CREAT | O_TRUNC | O_TMPFILE);
    case FS_MKDIR:
    case FS_MKNOD:
    case FS_UNLINK:
    case FS_LINK:
    case FS_SYMLINK:
    case FS_RENAME:
    case FS_CHMOD:
    case FS_CHOWN:
    case FS_UTIMES:
    case FS_TRUNCATE:
    case FS_MOUNT:
    case FS_UMOUNT:
    case FS_SOCKET_BIND:
    case FS_WATCH_OPEN:
    case FS_WATCH_ADD:
    case FS_PARCEL_BOX:
    case FS_PARCEL_PUT:
    case FS_PARCEL_TAKE:
    case FS_PARCEL_DROP:
    case FS_WRITE:
    case FS_FTRUNCATE:
    case FS_FALLOCATE:
    case FS_LOCK:
    case FS_SEAL:
    case FS_WATCH_REMOVE:
    case FS_WATCH_READ: return true;
    default: return false;
    }
}

/* By what a repeated call is known. Of a write with a number the bytes need not be looked at. */
static uint64_t identity(const struct request *q, uint64_t tag)
{
    if ((EXO_TAG_LABEL(tag) & ~EXO_LABEL_AGAIN) == FS_WRITE && q->w[3] != 0)
        return tag & ~EXO_TAG(0, 0xffff, 0);
    return tag;
}

static void answer_fill(struct answer *a, const struct request *q)
{
    a->tag = EXO_TAG(0, q->reply_bytes, 0);
    memcpy(a->words, q->r, sizeof(a->words));
    memcpy(a->bytes, q->reply, q->reply_bytes);
    a->send[0] = (struct exo_send){q->give, q->give_mode};
    for (unsigned i = 1; i < EXO_MSG_CAPS; i++)
        a->send[i] = (struct exo_send){q->give ? q->give_more[i - 1] : 0, q->give_mode};
}

static void answer_repeat(struct request *q, const struct answer *a)
{
    memcpy(q->r, a->words, sizeof(q->r));
    q->reply_bytes = EXO_TAG_BYTES(a->tag);
    memcpy(q->reply, a->bytes, q->reply_bytes);
    q->give = a->send[0].cap;
    q->give_mode = (uint32_t)a->send[0].mode;
    for (unsigned i = 1; i < EXO_MSG_CAPS; i++)
        q->give_more[i - 1] = a->send[i].cap;
}

void request_serve(struct request *q, volatile uint64_t *utcb_badge, uint64_t tag)
{
    uint64_t badge = *utcb_badge, asked = identity(q, tag);
    const struct answer *given = answers_find(utcb_badge, &asked, q->w, q->msg);
    uint32_t label = EXO_TAG_LABEL(asked);
    struct answer *answer = 0;

    q->r[0] = q->r[1] = q->r[2] = q->r[3] = 0;
    q->reply_bytes = 0;
    q->give = q->give_more[0] = 0;
    q->give_mode = EXO_SEND_COPY;
    if (given) {
        answer_repeat(q, given);
        return;
    }
    /* Now, since it commits what it makes again: not half a request with it. */
    if (opened_count < mounted_count)
        mounted_open_all();
    if (may_change(label, q->w))
        answer = answers_keep(badge, asked, q->w, q->msg);
    serve_once(q, badge, label);
    if (answer) {
        answer_fill(answer, q);
        *utcb_badge = EXO_NO_BADGE; /* as answers_commit has it */
    }
    request_commit();
}

int64_t request_base(uint64_t number, struct inode **base)
{
    struct open_file *file;

    if (number == 0) {
        *base = tree_root;
        return 0;
    }
    if (!(file = file_of_number(number)))
        return -EBADF;
    *base = file->inode;
    return 0;
}
