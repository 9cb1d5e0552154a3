/* SPDX-License-Identifier: MIT */
/*
 * Open files, and the calls on them.
 *
 * An open file is a capability: an endpoint minted with the file's id as its badge, which fs lends
 * to the one who opened it. Whoever holds it, or a copy that a fork made, may use the file. When
 * the last holder is gone the kernel says so (file_childless), however it went. Minting costs a
 * kernel call, so a closed file keeps its endpoint for the next one that is opened.
 *
 * A file also has a number, for use as the base of paths. Its low bits are the id, the others are
 * random: nobody guesses the number of a directory that he was not given.
 */
#include "servers/fs/fs.h"
#include "servers/fs/mounted.h"
#include "servers/fs/pool.h"
#include "servers/fs/port.h"
#include "servers/fs/recover.h"

#include <lib/answers.h>
#include <lib/chacha.h>
#include <lib/heap.h>
#include <lib/string.h>

#define FILE_ID_MASK ((1u << FILE_ID_BITS) - 1)
#define OPEN_FLAGS                                                                          \
    ((uint64_t)(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | \
                O_SYNC | O_ASYNC | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME |     \
                O_CLOEXEC | O_PATH | O_TMPFILE) |                                           \
     FS_O_EXEC)
#define IS_TMPFILE(flags) (((flags)&O_TMPFILE) == O_TMPFILE)

KEPT static struct open_file *files[FILES_MAX + 1]; /* by id, from 1 on */
KEPT static uint32_t files_made, files_open;
KEPT static struct open_file *files_free;
POOL(file_pool, struct open_file, 32);
static uint16_t id_of_slot[EXO_CAP_SLOTS]; /* which file's endpoint is at a slot of ours */
static struct random numbers;              /* seeded anew in each life */

void files_init(const uint8_t seed[RANDOM_SEED_BYTES])
{
    random_seed(&numbers, seed);
}

void files_random(void *to, size_t bytes)
{
    random_bytes(&numbers, to, bytes);
}

/* ---- making and finding ---- */

/* A file that is not open, with its endpoint. */
static int64_t file_fresh(struct open_file **made)
{
    struct open_file *file = files_free;
    int64_t handle;

    if (file) {
        SET(files_free, file->next_free);
        *made = file;
        return 0;
    }
    if (files_made == FILES_MAX)
        return -ENFILE;
    if (!(file = pool_take(file_pool)))
        return -ENOMEM;
    if ((handle = port_file_handle(files_made + 1)) < 0) {
        pool_give(file_pool, file);
        return handle;
    }
    cap_keep_lender((exo_cap)handle);
    SET(files_made, files_made + 1);
    *file = (struct open_file){.id = files_made, .handle = (exo_cap)handle};
    SET(files[file->id], file);
    id_of_slot[port_slot(file->handle) % EXO_CAP_SLOTS] = (uint16_t)file->id;
    *made = file;
    return 0;
}

int64_t file_make(struct open_file **made, struct inode *inode, uint32_t flags,
                  const struct caller *who)
{
    struct open_file *file;
    uint64_t random;
    int64_t status;

    if (who->uid != 0 && files_open >= FILES_MAX - FILES_ROOT)
        return -ENFILE;
    if ((status = file_fresh(&file)) < 0)
        return status;
    random_bytes(&numbers, &random, sizeof(random));
    /* What else a file holds that is not open means nothing. */
    unlogged(file, sizeof(*file));
    SET(file->number, (random << FILE_ID_BITS) | file->id);
    file->inode = inode;
    file->flags = flags;
    file->root = who->uid == 0;
    file->who = *who;
    file->via = 0;
    file->notifier = 0;
    file->cursor = 0;
    file->text = 0;
    file->text_bytes = 0;
    inode_hold(inode);
    SET(files_open, files_open + 1);
    *made = file;
    return 0;
}

static bool flags_write(uint64_t flags)
{
    return (flags & O_ACCMODE) != O_RDONLY;
}

void file_close(struct open_file *file)
{
    struct inode *inode = file->inode;

    if (file->notifier)
        notify_closed(file->notifier);
    else if (!(file->flags & O_PATH))
        notify_file(inode, file->via, flags_write(file->flags) ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
    if (inode->locks)
        lock_release_file(file);
    if (inode_kind(inode) == FS_FIFO)
        fifo_closed(file);
    heap_free(file->text);
    SET(file->text, 0);
    SET(file->number, 0);
    SET(file->inode, 0);
    SET(file->next_free, files_free);
    SET(files_free, file);
    SET(files_open, files_open - 1);
    if (file->via)
        tree_name_release(file->via);
    inode_release(inode);
}

void file_childless(exo_cap handle)
{
    uint32_t id = id_of_slot[port_slot(handle) % EXO_CAP_SLOTS];
    struct open_file *file = files[id];

    if (file && file->number && file->handle == handle)
        file_close(file);
    request_commit();
}

/* In a new life: maps what the last one had mapped of open files, and knows their endpoints again. */
void files_map(void)
{
    for (uint32_t id = 1; id <= files_made; id++) {
        const struct open_file *file = files[id];

        id_of_slot[port_slot(file->handle) % EXO_CAP_SLOTS] = (uint16_t)id;
        if (!file->number)
            continue;
        if (file->notifier)
            notify_map(file->notifier);
        else if (inode_kind(file->inode) == FS_FIFO)
            fifo_map(file->inode);
    }
}

/* An answer that gives it has not arrived yet. */
static bool awaited(const struct open_file *file)
{
    for (uint32_t i = 0; i < ANSWERS; i++) {
        const struct answer *a = answers_waiting(i);

        if (a && a->send[0].mode == EXO_SEND_LEND && a->send[0].cap == file->handle)
            return true;
    }
    return false;
}

/* Files that nobody holds: the last life was told so and could not close them any more, or could not
 * give them to who opened them. */
void files_recover(void)
{
    for (uint32_t id = 1; id <= files_made; id++) {
        struct open_file *file = files[id];

        if (!file->number || port_is_lent(file->handle) || awaited(file))
            continue;
        file_close(file);
        request_commit();
    }
}

bool files_are_open(enum volume volume, bool written)
{
    for (uint32_t id = 1; id <= files_made; id++) {
        const struct open_file *file = files[id];

        if (file->number && file->inode->volume == volume && (!written || flags_write(file->flags)))
            return true;
    }
    return false;
}

/* Rare: a name that somebody has open is renamed over, or exchanged. */
void files_swap_names(struct entry *a, struct entry *b)
{
    uint32_t id, of_b = b ? b->users : 0;

    for (id = 1; id <= files_made; id++) {
        struct open_file *file = files[id];

        if (!file->number || !file->via)
            continue;
        if (file->via == a)
            SET(file->via, b);
        else if (file->via == b)
            SET(file->via, a);
    }
    if (b)
        SET(b->users, a->users);
    SET(a->users, of_b);
}

struct open_file *file_of_number(uint64_t number)
{
    uint32_t id = (uint32_t)number & FILE_ID_MASK;

    if (id == 0 || id > files_made || files[id]->number != number)
        return 0;
    return files[id];
}

struct open_file *file_of_badge(uint64_t badge)
{
    uint64_t id = badge & ~FS_BADGE_FILE;

    if (id == 0 || id > files_made || !files[id]->number)
        return 0;
    return files[id];
}

const struct open_file *file_next(const struct open_file *file)
{
    for (uint32_t id = file ? file->id + 1 : 1; id <= files_made; id++) {
        if (files[id]->number)
            return files[id];
    }
    return 0;
}

/* ---- opening ---- */

/* May an inode that exists be opened so? */
static int64_t open_checks(const struct caller *who, const struct inode *inode, uint64_t flags)
{
    static const uint8_t wanted[] = {R_OK, W_OK, R_OK | W_OK};
    enum fs_kind kind = inode_kind(inode);
    int64_t status;

    if ((flags & O_DIRECTORY) && kind != FS_DIRECTORY)
        return -ENOTDIR;
    if (flags & O_PATH)
        return 0;
    if (kind == FS_SYMBOLIC)
        return -ELOOP;
    if (kind == FS_DIRECTORY && (flags_write(flags) || (flags & (O_CREAT | O_TRUNC))))
        return -EISDIR;
    if (flags & FS_O_EXEC)
        return kind == FS_REGULAR ? caller_may(who, inode, X_OK) : -EACCES;
    status = caller_may(who, inode, wanted[flags & O_ACCMODE] | (flags & O_TRUNC ? W_OK : 0));
    if (status < 0)
        return status;
    if (kind == FS_SOCKET)
        return -ENXIO;
    if ((flags & O_NOATIME) && caller_owns(who, inode) < 0)
        return -EPERM;
    if (inode->transient)
        return proc_may_open(inode, who);
    return 0;
}

/* O_TMPFILE: an inode without a name in a directory. */
static int64_t open_tmpfile(struct request *q, struct walk *walk, uint32_t mode)
{
    struct inode *dir = walk->inode, *inode;
    int64_t status;

    if (!dir)
        return -ENOENT;
    if (!S_ISDIR(dir->mode))
        return -ENOTDIR;
    if (!flags_write(q->w[1]))
        return -EINVAL;
    if (dir->transient || dir->volume == VOLUME_PROC || dir->volume == VOLUME_SYS)
        return -EOPNOTSUPP;
    if ((status = caller_may(&q->who, dir, W_OK | X_OK)) < 0)
        return status;
    inode = inode_make(S_IFREG | mode, q->who.uid, dir->mode & S_ISGID ? dir->gid : q->who.gid,
                       (enum volume)dir->volume);
    if (!inode)
        return -ENOSPC;
    walk->inode = inode;
    return 0;
}

/* Finds or makes what is to be opened. */
static int64_t open_walk(struct request *q, struct walk *walk, uint32_t *created)
{
    uint64_t flags = q->w[1];
    uint32_t mode = (uint32_t)q->w[2], walk_flags = WALK_FOLLOW;
    struct inode *base;
    int64_t status;

    if ((flags & O_NOFOLLOW) || (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
        walk_flags = 0;
    if (q->w[0] != 0)
        walk_flags |= WALK_EMPTY;
    if ((status = request_base(q->w[0], &base)) < 0)
        return status;
    if ((status = path_walk(walk, &q->who, base, q->msg, q->bytes, walk_flags)) < 0)
        return status;
    if (IS_TMPFILE(flags)) {
        *created = 1;
        return open_tmpfile(q, walk, mode);
    }
    if (!walk->inode) {
        if (!(flags & O_CREAT))
            return -ENOENT;
        if (walk->slash)
            return -EISDIR;
        *created = 1;
        return name_create(walk, &q->who, S_IFREG | mode, &walk->inode);
    }
    if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
        return -EEXIST;
    if ((status = open_checks(&q->who, walk->inode, flags)) < 0)
        return status;
    if ((flags & O_TRUNC) && inode_kind(walk->inode) == FS_REGULAR) {
        if ((status = data_resize(walk->inode, 0)) < 0)
            return status;
        inode_written(walk->inode, q->who.uid == 0);
    }
    return 0;
}

static int64_t open_flags_ok(const struct request *q)
{
    uint64_t flags = q->w[1];

    if (flags & ~OPEN_FLAGS || (flags & O_ACCMODE) == O_ACCMODE || q->w[2] & ~07777ull)
        return -EINVAL;
    if (IS_TMPFILE(flags) ? flags & O_CREAT : (flags & O_TMPFILE & ~(uint64_t)O_DIRECTORY))
        return -EINVAL;
    if ((flags & O_CREAT) && (flags & O_DIRECTORY))
        return -EINVAL;
    if ((flags & FS_O_EXEC) && (flags_write(flags) || (flags & (O_CREAT | O_TRUNC))))
        return -EINVAL;
    return 0;
}

void file_reply(struct request *q, const struct open_file *file, bool created)
{
    struct fs_open_reply *reply = (struct fs_open_reply *)(void *)q->reply;

    reply->number = file->number;
    reply->kind = inode_kind(file->inode);
    reply->created = created;
    inode_stat(file->inode, &reply->stat);
    q->reply_bytes = sizeof(*reply);
    q->give = file->handle;
    q->give_mode = EXO_SEND_LEND;
}

/* The name counts for what inotify tells of the file. A directory has but one, which it knows. */
static void file_set_name(struct open_file *file, const struct request *q, const struct walk *walk)
{
    struct entry *via = walk->entry;

    if (q->bytes == 0 && q->w[0] != 0)
        via = file_of_number(q->w[0])->via;
    if (!via || S_ISDIR(file->inode->mode) || IS_TMPFILE(file->flags))
        return;
    SET(file->via, via);
    tree_name_hold(via);
}

static void open_tell(const struct open_file *file, bool created)
{
    if (file->flags & O_PATH)
        return;
    notify_file(file->inode, file->via, IN_OPEN);
    if ((file->flags & O_TRUNC) && !created && inode_kind(file->inode) == FS_REGULAR)
        notify_file(file->inode, file->via, IN_MODIFY);
}

int64_t fs_open(struct request *q)
{
    uint32_t created = 0;
    struct open_file *file;
    struct walk walk;
    int64_t status;

    if (q->w[1] & O_PATH) /* nothing but the name counts */
        q->w[1] &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    if ((status = open_flags_ok(q)) < 0 || (status = open_walk(q, &walk, &created)) < 0)
        return status;
    status = file_make(&file, walk.inode, (uint32_t)q->w[1], &q->who);
    if (status >= 0)
        file_set_name(file, q, &walk);
    if (status >= 0 && inode_kind(walk.inode) == FS_FIFO && !(q->w[1] & O_PATH) &&
        (status = fifo_opened(file)) < 0)
        file_close(file);
    if (status < 0) {
        inode_unused(walk.inode);
        return status;
    }
    if (notify_watches)
        open_tell(file, created);
    file_reply(q, file, created);
    return 0;
}

/* ---- reading and writing ---- */

static bool may_read(const struct open_file *file)
{
    return !(file->flags & O_PATH) && (file->flags & O_ACCMODE) != O_WRONLY;
}

static bool may_write(const struct open_file *file)
{
    return !(file->flags & O_PATH) && flags_write(file->flags);
}

/* Synthetic files are made when they are read from the start, and kept for the rest. */
static int64_t read_text(struct open_file *file, uint64_t offset, char *to, uint64_t bytes)
{
    static char scratch[65536];
    int64_t made;

    if (offset == 0) {
        made = proc_text(file->inode, &file->who, scratch, sizeof(scratch));
        if (made < 0)
            return made;
        heap_free(file->text);
        SET(file->text, 0);
        SET(file->text_bytes, made);
        if (file->text_bytes > bytes) {
            SET(file->text, heap_alloc(file->text_bytes));
            if (!file->text)
                return -ENOMEM;
            memcpy(file->text, scratch, file->text_bytes);
        } else {
            bytes = file->text_bytes;
        }
        memcpy(to, scratch, bytes);
        return (int64_t)bytes;
    }
    if (offset >= file->text_bytes)
        return 0;
    if (!file->text) { /* was read in one piece, and now a part again */
        made = proc_text(file->inode, &file->who, scratch, sizeof(scratch));
        if (made < 0 || (uint64_t)made <= offset)
            return made < 0 ? made : 0;
        if (bytes > (uint64_t)made - offset)
            bytes = (uint64_t)made - offset;
        memcpy(to, scratch + offset, bytes);
        return (int64_t)bytes;
    }
    if (bytes > file->text_bytes - offset)
        bytes = file->text_bytes - offset;
    memcpy(to, file->text + offset, bytes);
    return (int64_t)bytes;
}

int64_t file_read(struct request *q)
{
    struct open_file *file = q->file;
    uint64_t bytes = q->w[1] < FS_IO_BYTES ? q->w[1] : FS_IO_BYTES;
    int64_t status;

    if (!may_read(file))
        return -EBADF;
    switch (inode_kind(file->inode)) {
    case FS_REGULAR:
        if (!(file->flags & O_NOATIME))
            inode_accessed(file->inode);
        status = data_read(file->inode, q->w[0], q->reply, bytes);
        q->r[1] = file->inode->file.size;
        break;
    case FS_SYNTHETIC: status = read_text(file, q->w[0], q->reply, bytes); break;
    case FS_DIRECTORY: return -EISDIR;
    case FS_DEVICE:
    case FS_FIFO:
    case FS_SOCKET:
    case FS_SYMBOLIC:
    default: return -EINVAL;
    }
    if (status > 0) {
        q->reply_bytes = (uint32_t)status;
        notify_file(file->inode, file->via, IN_ACCESS);
    }
    return status;
}

int64_t file_write(struct request *q)
{
    struct open_file *file = q->file;
    struct inode *inode = file->inode;
    uint64_t offset = q->w[0];
    int64_t status;

    if (!may_write(file))
        return -EBADF;
    if (q->bytes > FS_IO_BYTES)
        return -EINVAL;
    if (inode_kind(inode) == FS_SYNTHETIC)
        return proc_write(inode, q->msg, q->bytes); /* the offset stays 0 */
    if (inode_kind(inode) != FS_REGULAR)
        return -EINVAL;
    if (offset == UINT64_MAX)
        offset = inode->file.size;
    status = data_write(inode, offset, q->msg, q->bytes);
    if (status > 0) {
        inode_written(inode, file->root);
        notify_file(inode, file->via, IN_MODIFY);
    }
    if (status >= 0) {
        q->r[1] = offset + (uint64_t)status;
        q->r[2] = inode->file.size;
    }
    return status;
}

int64_t file_lend(struct request *q)
{
    struct open_file *file = q->file;
    struct inode *inode = file->inode;
    uint32_t rights = EXO_R_GRANT;
    bool reads_watched;
    int64_t status;

    if (inode_kind(inode) != FS_REGULAR)
        return -ENODEV;
    if (q->w[0] & ~(uint64_t)EXO_MAP_RIGHTS)
        return -EINVAL;
    if (!may_read(file) || ((q->w[0] & EXO_MAP_WRITE) && !may_write(file)))
        return -EACCES;
    rights |= EXO_R_READ;
    if (q->w[0] & EXO_MAP_WRITE)
        rights |= EXO_R_WRITE;
    if (q->w[0] & EXO_MAP_EXEC)
        rights |= EXO_R_EXEC;
    reads_watched = notify_watches && (inode->file.reads_watched || notify_reads(inode, file->via));
    if (reads_watched != inode->file.reads_watched)
        SET(inode->file.reads_watched, reads_watched);
    if ((q->w[0] & EXO_MAP_WRITE) && (status = seal_allows(inode, inode->file.size, true)) < 0)
        return status;
    if ((status = data_lend(inode, q->w[0] & EXO_MAP_WRITE)) < 0)
        return status;
    if ((status = seal_lend(inode, rights)) < 0)
        return status;
    if (!(file->flags & O_NOATIME))
        inode_accessed(inode);
    if (q->w[0] & EXO_MAP_WRITE)
        inode_written(inode, file->root);
    q->give = (exo_cap)status;
    q->give_mode = EXO_SEND_MOVE;
    q->r[1] = inode->file.size;
    return 0;
}

int64_t file_fstat(struct request *q)
{
    inode_stat(q->file->inode, (struct fs_stat *)(void *)q->reply);
    q->reply_bytes = sizeof(struct fs_stat);
    return 0;
}

int64_t file_ftruncate(struct request *q)
{
    struct inode *inode = q->file->inode;
    int64_t status;

    if (!may_write(q->file) || inode_kind(inode) != FS_REGULAR)
        return -EINVAL;
    if ((status = data_resize(inode, q->w[0])) < 0)
        return status;
    inode_written(inode, q->file->root);
    notify_file(inode, q->file->via, IN_MODIFY);
    return 0;
}

int64_t file_fallocate(struct request *q)
{
    uint64_t mode = q->w[0], offset = q->w[1], bytes = q->w[2];
    struct inode *inode = q->file->inode;
    int64_t status;

    if (!may_write(q->file))
        return -EBADF;
    if (inode_kind(inode) != FS_REGULAR)
        return -ENODEV;
    if (bytes == 0 || bytes > FILE_BYTES || offset > FILE_BYTES)
        return -EINVAL;
    if (!(mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) && bytes > FS_FALLOCATE_BYTES)
        return -EINVAL;
    switch (mode) {
    case 0: status = data_allocate(inode, offset, bytes, false); break;
    case FALLOC_FL_KEEP_SIZE: status = data_allocate(inode, offset, bytes, true); break;
    case FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE:
    case FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE:
        status = seal_allows(inode, inode->file.size, true);
        if (status == 0)
            status = data_punch(inode, offset, bytes);
        break;
    default: return -EOPNOTSUPP;
    }
    if (status >= 0) {
        inode_written(inode, q->file->root);
        notify_file(inode, q->file->via, IN_MODIFY);
    }
    return status;
}

int64_t file_fsync(struct request *q)
{
    enum fs_kind kind = inode_kind(q->file->inode);

    if (q->file->flags & O_PATH)
        return -EBADF;
    if (kind != FS_REGULAR && kind != FS_DIRECTORY)
        return -EINVAL;
    struct inode *inode = q->file->inode;

    return on_disk(inode) ? disk_sync(disk_of(inode), inode) : 0;
}

int64_t file_services(struct request *q)
{
    const struct open_file *file = q->file;
    int64_t status;

    if (inode_kind(file->inode) != FS_SYNTHETIC || (file->flags & O_PATH))
        return -EBADF;
    status = proc_capability(file->inode, may_write(file));
    if (status < 0)
        return status;
    q->give = (exo_cap)status;
    q->give_mode = EXO_SEND_MOVE;
    return 0;
}

int64_t file_extent(struct request *q)
{
    const struct open_file *file = q->file;
    int64_t status;

    if (!S_ISBLK(file->inode->mode) || (file->flags & O_PATH))
        return -EBADF;
    status = port_extent(file->inode->rdev, may_write(file));
    if (status < 0)
        return status;
    q->give = (exo_cap)status;
    q->give_mode = EXO_SEND_MOVE;
    return 0;
}
