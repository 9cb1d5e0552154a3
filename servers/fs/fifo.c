/* SPDX-License-Identifier: MIT */
/*
 * FIFOs and the names of AF_UNIX sockets: places where processes meet.
 *
 * fs does not move their data. Whoever opens a FIFO gets the same region, and the openers run their
 * pipe in it; fs counts the open ends, which it learns of like of every open file, and publishes
 * the counts in the region's first page. A bound socket's inode keeps the region that its listener
 * gave, and gives it to who connects.
 */
#include "servers/fs/after.h"
#include "servers/fs/fs.h"
#include "servers/fs/port.h"
#include "servers/fs/recover.h"

#include <lib/heap.h>
#include <lib/string.h>

#define ABSTRACTS_MAX  1024u
#define ABSTRACT_BYTES 108u
#define FIFOS_MAX      256u /* open ones: each takes a mapping of fs */

struct fifo {
    exo_cap region;
    struct fs_fifo *page; /* mapped; written, never believed */
    uint32_t change;
    uint32_t readers, writers, readers_opened, writers_opened;
};

KEPT static uint32_t fifos;

static bool reads(const struct open_file *file)
{
    return (file->flags & O_ACCMODE) != O_WRONLY;
}

static bool writes(const struct open_file *file)
{
    return (file->flags & O_ACCMODE) != O_RDONLY;
}

void fifo_publish(struct fifo *fifo)
{
    struct fs_fifo *page = fifo->page;

    page->readers = fifo->readers;
    page->writers = fifo->writers;
    page->readers_opened = fifo->readers_opened;
    page->writers_opened = fifo->writers_opened;
    /* A release, at least: the counts are there for who sees the change (proofs/memory/protocols/fs_words.py). */
    page->change = fifo->change;
    port_wake((const void *)&page->change);
}

static void fifo_count(struct fifo *fifo, const struct open_file *file, int ends)
{
    undo_save(fifo, sizeof(*fifo));
    fifo->readers += reads(file) ? (uint32_t)ends : 0;
    fifo->writers += writes(file) ? (uint32_t)ends : 0;
    fifo->readers_opened += reads(file) && ends > 0;
    fifo->writers_opened += writes(file) && ends > 0;
    fifo->change++;
    after_once(AFTER_FIFO, fifo);
}

static struct fifo *fifo_make(void)
{
    struct fifo *fifo = fifos < FIFOS_MAX ? heap_alloc(sizeof(*fifo)) : 0;
    int64_t region;

    if (!fifo)
        return 0;
    *fifo = (struct fifo){0};
    if ((region = port_region_make(FS_FIFO_PAGES, false)) < 0) {
        heap_free(fifo);
        return 0;
    }
    cap_keep((exo_cap)region);
    fifo->region = (exo_cap)region;
    fifo->page = port_region_map(fifo->region, 0);
    if (!fifo->page) {
        port_drop(fifo->region);
        heap_free(fifo);
        return 0;
    }
    SET(fifos, fifos + 1);
    return fifo;
}

void fifo_map(struct inode *inode)
{
    if (inode->fifo)
        port_region_remap(inode->fifo->region, 0, inode->fifo->page);
}

void fifo_drop(struct inode *inode)
{
    struct fifo *fifo = inode->fifo;

    if (!fifo)
        return;
    after_forget(fifo);
    after(AFTER_UNMAP, fifo->page, 0, 0, 0);
    after_drop(fifo->region);
    heap_free(fifo);
    SET(fifos, fifos - 1);
    SET(inode->fifo, 0);
}

/* What an opener waits for is told from this moment on: the other side may come, and go again, before the
 * opener looks at the counts for the first time. */
int64_t fifo_opened(struct open_file *file)
{
    struct inode *inode = file->inode;
    struct fifo *fifo;

    if (!inode->fifo)
        SET(inode->fifo, fifo_make());
    if (!inode->fifo)
        return -ENFILE;
    fifo = inode->fifo;
    SET(file->partners, reads(file) ? fifo->writers_opened - (fifo->writers != 0)
                                    : fifo->readers_opened - (fifo->readers != 0));
    fifo_count(fifo, file, 1);
    return 0;
}

void fifo_closed(struct open_file *file)
{
    struct fifo *fifo = file->inode->fifo;

    if (!fifo || (file->flags & O_PATH))
        return;
    fifo_count(fifo, file, -1);
    if (fifo->readers == 0 && fifo->writers == 0)
        fifo_drop(file->inode);
}

int64_t file_fifo(struct request *q)
{
    struct inode *inode = q->file->inode;
    int64_t loan;

    if (inode_kind(inode) != FS_FIFO || !inode->fifo || (q->file->flags & O_PATH))
        return -EINVAL;
    loan = port_region_loan(inode->fifo->region, EXO_R_READ | EXO_R_WRITE | EXO_R_GRANT);
    if (loan < 0)
        return loan;
    q->r[1] = q->file->partners;
    q->give = (exo_cap)loan;
    q->give_mode = EXO_SEND_MOVE;
    return 0;
}

/* ---- AF_UNIX ---- */

/* Abstract names: of sockets, in no directory, for everybody. */
struct abstract {
    struct abstract *next;
    exo_cap region;
    uint32_t bytes;
    char name[ABSTRACT_BYTES];
};

KEPT static struct abstract *abstracts;
KEPT static uint32_t abstract_count;

static bool listener_gone(exo_cap region)
{
    uint32_t gone = 1;

    return port_region_holders(region) == 1 ||
           port_region_read(region, 0, &gone, sizeof(gone)) < 0 || gone != 0;
}

/* The place in the list of a name that is in use, after those that are not any more have gone. */
static struct abstract *abstract_find(const char *name, uint32_t bytes)
{
    struct abstract **link = &abstracts, *at;

    while ((at = *link)) {
        if (listener_gone(at->region)) {
            SET(*link, at->next);
            after_drop(at->region);
            heap_free(at);
            SET(abstract_count, abstract_count - 1);
            request_pause();
        } else if (at->bytes == bytes && memcmp(at->name, name, bytes) == 0) {
            return at;
        } else {
            link = &at->next;
        }
    }
    return 0;
}

static int64_t abstract_bind(struct request *q)
{
    struct abstract *made;

    if (q->bytes == 0 || q->bytes > ABSTRACT_BYTES)
        return -EINVAL;
    if (abstract_find(q->msg, q->bytes))
        return -EADDRINUSE;
    made = abstract_count < ABSTRACTS_MAX ? heap_alloc(sizeof(*made)) : 0;
    if (!made)
        return -ENOSPC;
    *made = (struct abstract){.next = abstracts, .region = q->got, .bytes = q->bytes};
    memcpy(made->name, q->msg, q->bytes);
    q->got = 0;
    cap_keep(made->region);
    SET(abstracts, made);
    SET(abstract_count, abstract_count + 1);
    return 0;
}

static int64_t abstract_connect(struct request *q)
{
    struct abstract *found = abstract_find(q->msg, q->bytes);

    if (!found)
        return -ECONNREFUSED;
    q->give = found->region;
    q->give_mode = EXO_SEND_COPY;
    return 0;
}

int64_t fs_socket_bind(struct request *q)
{
    struct inode *base, *made;
    struct walk walk;
    int64_t status;

    if (!q->got || q->w[1] & ~07777ull)
        return -EINVAL;
    if (q->w[2] == 1)
        return abstract_bind(q);
    if ((status = request_base(q->w[0], &base)) < 0 ||
        (status = path_walk(&walk, &q->who, base, q->msg, q->bytes, WALK_PARENT)) < 0)
        return status;
    if (!walk.dir || walk.inode)
        return -EADDRINUSE;
    if (walk.slash)
        return -ENOENT;
    if ((status = name_create(&walk, &q->who, S_IFSOCK | (uint32_t)q->w[1], &made)) < 0)
        return status;
    cap_keep(q->got);
    SET(made->listener, q->got);
    q->got = 0;
    return 0;
}

int64_t fs_socket_connect(struct request *q)
{
    struct inode *inode;
    int64_t status;

    if (q->w[2] == 1)
        return abstract_connect(q);
    status = path_find(&inode, q, q->w[0], q->msg, q->bytes, WALK_FOLLOW);

    if (status < 0)
        return status;
    if (!S_ISSOCK(inode->mode))
        return -ECONNREFUSED;
    if ((status = caller_may(&q->who, inode, W_OK)) < 0)
        return status;
    if (!inode->listener)
        return -ECONNREFUSED;
    q->give = inode->listener;
    q->give_mode = EXO_SEND_COPY;
    return 0;
}
