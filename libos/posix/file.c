/* SPDX-License-Identifier: MIT */
/*
 * Open files of any kind: their life, and what read, write and seek have in common.
 *
 * The operations of a kind are tries. Here is the one loop that turns a try into a call that waits:
 * try; if it would block and the file is not O_NONBLOCK, sleep until `poll` could say something
 * else, and try again. Nothing is held during the sleep but a reference to the file.
 */
#include "files.h"

/* ---- the files of this address space ----------------------------------------------------------- */

/* A struct file and what only this half knows about it. */
struct file_slot {
    struct file file; /* first; free while refs is 0 */
    char name[FILE_NAME_BYTES];
    uint32_t watchers;
    struct file_slot *next_free;
};

#define CHUNK_FILES 16

struct file_chunk {
    struct file_chunk *next;
    struct file_slot slots[CHUNK_FILES];
};

static struct file_chunk *chunks;
static struct file_slot *free_slots;

static struct file_slot *slot_of(const struct file *f)
{
    return (struct file_slot *)(uintptr_t)f;
}

static bool chunk_add(void)
{
    struct file_chunk *chunk = heap_zeroed(1, sizeof *chunk);

    if (!chunk)
        return false;
    chunk->next = chunks;
    chunks = chunk;
    for (uint32_t i = CHUNK_FILES; i-- > 0;) {
        chunk->slots[i].next_free = free_slots;
        free_slots = &chunk->slots[i];
    }
    return true;
}

struct file *file_new(const struct file_ops *ops, uint32_t kind, uint32_t flags)
{
    struct file_slot *slot;
    struct ofd *ofd = ofd_new(flags);

    if (!ofd)
        return 0;
    if (!free_slots && !chunk_add()) {
        ofd_put(ofd);
        return 0;
    }
    slot = free_slots;
    free_slots = slot->next_free;
    memset(&slot->file, 0, sizeof slot->file);
    slot->name[0] = 0;
    slot->watchers = 0;
    slot->file.ops = ops;
    slot->file.kind = kind;
    slot->file.ofd = ofd;
    slot->file.refs = 1;
    return &slot->file;
}

static void file_close(struct file *f)
{
    struct file_slot *slot = slot_of(f);

    if (slot->watchers)
        epoll_forget(f);
    if (f->ops->release)
        f->ops->release(f);
    for (uint32_t i = 0; i < 4; i++)
        cap_drop(&f->caps[i]);
    ofd_put(f->ofd);
    f->refs = 0;
    slot->next_free = free_slots;
    free_slots = slot;
}

struct file *file_get(struct file *f)
{
    f->refs++;
    return f;
}

void file_put(struct file *f)
{
    if (f->refs > 1)
        f->refs--;
    else
        file_close(f);
}

void file_each(void (*visit)(struct file *f, uint64_t argument), uint64_t argument)
{
    for (struct file_chunk *chunk = chunks; chunk; chunk = chunk->next) {
        for (uint32_t i = 0; i < CHUNK_FILES; i++) {
            if (chunk->slots[i].file.refs != 0)
                visit(&chunk->slots[i].file, argument);
        }
    }
}

static void refs_forget(struct file *f, uint64_t unused)
{
    (void)unused;
    f->refs = 1; /* one that stands for the walk below, so that the slot stays in use */
}

static void refs_settle(struct file *f, uint64_t unused)
{
    (void)unused;
    if (f->refs > 1 && f->ops->forked)
        f->ops->forked(f);
    file_put(f);
}

void file_recount(struct process *only)
{
    file_each(refs_forget, 0);
    for (uint32_t fd = 0; fd < only->fd_limit; fd++) {
        if (only->fds[fd].file)
            file_get(only->fds[fd].file);
    }
    if (only->cwd)
        file_get(only->cwd);
    if (only->root)
        file_get(only->root);
    for (uint32_t i = 0; i < only->image->vma_count; i++) {
        if (only->image->vmas[i].file)
            file_get(only->image->vmas[i].file);
    }
    if (only->image->trace_file)
        file_get(only->image->trace_file);
    file_each(refs_settle, 0);
}

/* A name that does not fit says nothing: half of a path would be another file. */
void file_name_set(struct file *f, const char *name)
{
    char *to = slot_of(f)->name;
    size_t length = strnlen(name, FILE_NAME_BYTES);

    if (length < FILE_NAME_BYTES)
        memcpy(to, name, length + 1);
    else
        to[0] = 0;
}

const char *file_name(const struct file *f)
{
    return slot_of(f)->name;
}

char *file_name_room(struct file *f)
{
    return slot_of(f)->name;
}

uint32_t *file_watchers(struct file *f)
{
    return &slot_of(f)->watchers;
}

/* ---- waiting ----------------------------------------------------------------------------------- */

int64_t file_wait(struct file *f, uint32_t events, exo_time deadline)
{
    struct waiter w;

    waiter_init(&w, deadline);
    if (file_poll(f, events, &w) & (events | POLL_ERR | POLL_HUP))
        return 0;
    return waiter_sleep(&w);
}

static int64_t read_waiting(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    int64_t result = -EAGAIN;

    file_get(f);
    while (result == -EAGAIN) {
        result = file_wait(f, POLL_IN, EXO_FOREVER);
        if (result == 0)
            result = f->ops->read(f, user, bytes, offset);
    }
    file_put(f);
    return result;
}

int64_t file_read_at(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    int64_t result;

    if (!f->ops->read)
        return -EINVAL;
    if (bytes > FILE_IO_MAX)
        bytes = FILE_IO_MAX;
    result = f->ops->read(f, user, bytes, offset);
    if (result == -EAGAIN && !file_nonblocking(f))
        result = read_waiting(f, user, bytes, offset);
    return result;
}

/* Writes all, in as many tries as it takes; a failure after some of it tells how much. */
static int64_t write_rest(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset,
                          uint64_t done)
{
    int64_t result = 0;

    file_get(f);
    while (done < bytes) {
        result = f->ops->write(f, user + done, bytes - done, offset);
        if (result > 0)
            done += (uint64_t)result;
        else if (result == -EAGAIN && !file_nonblocking(f))
            result = file_wait(f, POLL_OUT, EXO_FOREVER);
        else if (result == 0)
            break;
        if (result < 0)
            break;
    }
    file_put(f);
    return done > 0 ? (int64_t)done : result;
}

int64_t file_write_at(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    int64_t result;

    if (!f->ops->write)
        return -EINVAL;
    if (bytes > FILE_IO_MAX)
        bytes = FILE_IO_MAX;
    result = f->ops->write(f, user, bytes, offset);
    if (result == (int64_t)bytes || (result <= 0 && result != -EAGAIN))
        return result;
    if (f->kind == FS_REGULAR) /* a limit, or no room: the next write tells */
        return result;
    return write_rest(f, user, bytes, offset, result > 0 ? (uint64_t)result : 0);
}

static bool file_has_offset(const struct file *f)
{
    return f->kind == FS_REGULAR || f->kind == FS_SYNTHETIC || f->kind == FILE_BLOCK;
}

int64_t file_read(struct file *f, uint64_t user, uint64_t bytes)
{
    uint64_t offset;
    int64_t result;

    if (!file_has_offset(f))
        return file_read_at(f, user, bytes, 0);
    offset = ofd_offset_take(f->ofd);
    result = file_read_at(f, user, bytes, &offset);
    ofd_offset_store(f->ofd, offset);
    return result;
}

int64_t file_write(struct file *f, uint64_t user, uint64_t bytes)
{
    uint64_t offset;
    int64_t result;

    if (!file_has_offset(f))
        return file_write_at(f, user, bytes, 0);
    offset = ofd_offset_take(f->ofd);
    result = file_write_at(f, user, bytes, &offset);
    ofd_offset_store(f->ofd, offset);
    return result;
}

int64_t file_stat(struct file *f, struct fs_stat *out)
{
    memset(out, 0, sizeof *out);
    return f->ops->stat ? f->ops->stat(f, out) : -EBADF;
}

/* ---- the calls --------------------------------------------------------------------------------- */

DEFINE_CALL3(read, fd, buffer, bytes)
{
    struct file *f = fd_file(fd);

    if (!f || !file_can_read(f))
        return -EBADF;
    return file_read(f, buffer, bytes);
}

DEFINE_CALL3(write, fd, buffer, bytes)
{
    struct file *f = fd_file(fd);

    if (!f || !file_can_write(f))
        return -EBADF;
    return file_write(f, buffer, bytes);
}

/* Can this file be read (written) at a place? 0 or the errno. */
static int64_t seekable(struct file *f, uint64_t offset, bool allowed)
{
    if (!f || !allowed)
        return -EBADF;
    if ((int64_t)offset < 0)
        return -EINVAL;
    return f->ops->seek || f->kind == FS_DIRECTORY ? 0 : -ESPIPE;
}

DEFINE_CALL4(pread64, fd, buffer, bytes, offset)
{
    struct file *f = fd_file(fd);
    int64_t result = seekable(f, offset, f && file_can_read(f));

    return result < 0 ? result : file_read_at(f, buffer, bytes, &offset);
}

DEFINE_CALL4(pwrite64, fd, buffer, bytes, offset)
{
    struct file *f = fd_file(fd);
    int64_t result = seekable(f, offset, f && file_can_write(f));

    return result < 0 ? result : file_write_at(f, buffer, bytes, &offset);
}

DEFINE_CALL3(lseek, fd, offset, whence)
{
    struct file *f = fd_file(fd);

    if (!f || (file_flags(f) & O_PATH))
        return -EBADF;
    if (!f->ops->seek)
        return -ESPIPE;
    return f->ops->seek(f, (int64_t)offset, (int32_t)whence);
}
