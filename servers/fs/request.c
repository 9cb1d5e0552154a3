/* SPDX-License-Identifier: MIT */
/* One call, from the caller's badge to the handler of its label. */
#include "servers/fs/fs.h"
#include "servers/fs/recover.h"

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

void request_serve(struct request *q, uint64_t badge, uint32_t label)
{
    q->r[0] = q->r[1] = q->r[2] = q->r[3] = 0;
    q->reply_bytes = 0;
    q->give = q->give_more[0] = 0;
    q->give_mode = EXO_SEND_COPY;
    serve_once(q, badge, label);
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
