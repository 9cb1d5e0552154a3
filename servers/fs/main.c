/* SPDX-License-Identifier: MIT */
/*
 * The file server: starting, and its loop.
 *
 * One message after another: a call is served and answered by the same step that waits for the
 * next. Events come the same way. Nothing here waits for anybody but proc, which never calls fs.
 */
#include "servers/fs/fs.h"
#include "servers/fs/mounted.h"
#include "servers/fs/port.h"
#include "servers/fs/recover.h"

#include <exo.h>
#include <lib/answers.h>
#include <lib/string.h>
#include <libos/exo/kept.h>
#include <libos/exo/log.h>
#include <libos/exo/options.h>
#include <libos/exo/start.h>
#include <rs.h>

#define CLOSE_BATCH 32u

/* Answers q; the message that comes next is in *m. */
static int64_t reply_and_wait(struct exo_message *m, const struct request *q)
{
    struct exo_utcb *utcb = exo_utcb();
    int64_t tag;
    unsigned i;

    uint32_t caps = 0;

    if (q->give)
        utcb->send[caps++] = (struct exo_send){q->give, q->give_mode};
    for (i = 0; caps != 0 && i < EXO_MSG_CAPS - 1 && q->give_more[i]; i++)
        utcb->send[caps++] = (struct exo_send){q->give_more[i], q->give_mode};
    m->tag = EXO_TAG(0, q->reply_bytes, caps);
    for (i = 0; i < 4; i++)
        m->w[i] = q->r[i];
    tag = exo_reply_wait(EXO_SRV_ENDPOINT, m);
    /* Moved away, or the receiver had no room: then it is still here, and goes now. */
    if (q->give && q->give_mode == EXO_SEND_MOVE)
        port_drop(q->give);
    for (i = 1; i < caps && q->give_mode == EXO_SEND_MOVE; i++)
        port_drop(q->give_more[i - 1]);
    return tag;
}

static void serve_message(struct exo_message *m, struct request *q)
{
    struct exo_utcb *utcb = exo_utcb();
    uint64_t tag = m->tag;
    unsigned i;

    *q = (struct request){
        .msg = (const char *)utcb->msg,
        .bytes = EXO_TAG_BYTES(tag),
        .reply = (char *)utcb->msg,
        .got = EXO_TAG_CAPS(tag) ? utcb->received[0] : 0,
    };
    for (i = 1; i < EXO_TAG_CAPS(tag); i++)
        q->got_more[i - 1] = utcb->received[i];
    for (i = 0; i < 4; i++)
        q->w[i] = m->w[i];
    request_serve(q, &utcb->badge, tag);
    if (q->got)
        port_drop(q->got);
    for (i = 1; i < EXO_TAG_CAPS(tag); i++) {
        if (q->got_more[i - 1])
            port_drop(q->got_more[i - 1]);
    }
    port_request_done();
}

/* The kernel tells the last loss first, but files are to be closed in the order in which they were
 * given up: those who watch them see it. With more than a batch at once (a process ended) the order
 * is kept within each batch only. */
static void serve_events(uint32_t bits)
{
    exo_cap batch[CLOSE_BATCH];
    uint32_t count;
    int64_t handle;

    if (bits & EXO_EVENT_TIMER)
        disk_tick();
    if (!(bits & EXO_EVENT_CHILDLESS))
        return;
    do {
        for (count = 0; count < CLOSE_BATCH && (handle = exo_next_childless()) > 0; count++)
            batch[count] = (exo_cap)handle;
        for (uint32_t i = count; i-- > 0;)
            file_childless(batch[i]);
    } while (count == CLOSE_BATCH);
}

_Noreturn static void serve(void)
{
    struct exo_message m = {.tag = EXO_NO_REPLY};
    struct request q;
    int64_t tag;

    exo_utcb()->recv_caps = EXO_MSG_CAPS;
    tag = exo_reply_wait(EXO_SRV_ENDPOINT, &m);
    for (;;) {
        answers_begin();
        if (tag < 0) {
            /* The answer could not be sent as it was (a capability that is gone): say so. */
            log_line("reply failed: %s", exo_error_text(tag));
            m = (struct exo_message){.tag = EXO_TAG(0, 0, 0), .w = {(uint64_t)-EIO}};
            tag = exo_reply_wait(EXO_SRV_ENDPOINT, &m);
            if (tag < 0) {
                m.tag = EXO_NO_REPLY;
                tag = exo_reply_wait(EXO_SRV_ENDPOINT, &m);
            }
        } else if (EXO_TAG_LABEL(m.tag) == EXO_LABEL_EVENT) {
            serve_events((uint32_t)m.w[0]);
            m.tag = EXO_NO_REPLY;
            tag = exo_reply_wait(EXO_SRV_ENDPOINT, &m);
        } else {
            serve_message(&m, &q);
            tag = reply_and_wait(&m, &q);
        }
    }
}

static void files_seed(uint64_t secret[2])
{
    uint64_t seed[6];

    for (size_t i = 0; i < sizeof(seed) / sizeof(seed[0]); i++)
        exo_entropy(&seed[i]);
    files_init((const uint8_t *)seed);
    memcpy(secret, &seed[4], 2 * sizeof(seed[0]));
}

/* The root directory and the machinery below it. */
static int64_t make_tree(uint64_t frames, const uint64_t secret[2])
{
    tree_init(frames / 8, secret);
    tree_root = inode_make(S_IFDIR | 0755, 0, 0, VOLUME_ROOT);
    if (!tree_root)
        return -ENOMEM;
    tree_root->nlink++;
    tree_root->mount_root = true;
    tree_root->dir.up = tree_root;
    return 0;
}

/* A word NAME=TEXT of the kernel's command line, copied; 0: it is not there, or too long. */
static char *option_copy(const char *name)
{
    static char text[128];
    size_t length;
    const char *word = option_text(port_command_line(), name, &length);

    if (!word || length >= sizeof(text))
        return 0;
    memcpy(text, word, length);
    text[length] = 0;
    return text;
}

/* root=/dev/vda: the root directory is a disk's; mount=/dev/vda1:/mnt: what lies over /mnt is. */
static void mount_disks(void)
{
    const char *root = option_copy("root");
    int64_t status = root ? mounted_root(root) : 0;
    struct inode *node, *dir;
    char *text, *path;

    if (status < 0)
        log_line("%s is not the root: error %lld", root, (long long)-status);
    if (!(text = option_copy("mount")))
        return;
    if (!(path = strchr(text, ':'))) {
        log_line("mount=%s: mount=SOURCE:PATH is meant", text);
        return;
    }
    *path++ = 0;
    if ((status = mounted_find(text, &node)) >= 0 && (status = mounted_find(path, &dir)) >= 0)
        status = mounted_mount(text, node, dir, false);
    if (status < 0)
        log_line("%s is not mounted on %s: error %lld", text, path, (long long)-status);
}

/* The first life: files from the archive. */
static int64_t begin(uint64_t frames, const uint64_t secret[2], uint8_t *archive,
                     uint64_t archive_bytes)
{
    int64_t entries;

    undo_begin();
    if (make_tree(frames, secret) < 0)
        return -ENOMEM;
    heap_file_limit = port_own_pages() / 2 * PAGE; /* the other half is for names and inodes */
    entries = archive_read(archive, archive_bytes);
    if (entries < 0)
        log_line("the boot archive is damaged; using what could be read");
    if (volumes_make() < 0)
        return -ENOMEM;
    disks_find();
    mount_disks();
    request_commit();
    log_line("%lld entries in the boot archive", (long long)entries);
    return 0;
}

KEPT static bool begun; /* what is kept is whole: the next life goes on with it */

int main(void)
{
    uint64_t frames = exo_view()->frames_total, archive_bytes, secret[2];
    uint8_t *archive;

    files_seed(secret);
    inode_limit = frames / 2 + 4096;
    if (port_start(&archive, &archive_bytes, begun) < 0) {
        log_line("cannot start: no memory, or a capability is missing");
        return 1;
    }
    archive_base = archive;
    if (begun) {
        recover(rs_life()->served, exo_utcb()->badge);
        kept_served();
    } else if (begin(frames, secret, archive, archive_bytes) < 0) {
        log_line("no memory for the root file system");
        return 1;
    }
    begun = true;
    disk_tick_recover();
    serve();
}
