/* SPDX-License-Identifier: MIT */
/* mount and umount: what may be asked, of whom, and where. What they do is in mounted.c. */
#include "servers/fs/fs.h"
#include "servers/fs/mounted.h"

#include <lib/linux/mount.h>
#include <lib/string.h>

/* "relatime" is how all times are kept. Set-id bits and device nodes count on all volumes. */
#define FLAGS (MS_RDONLY | MS_REMOUNT | MS_SILENT | MS_RELATIME)

/* The message: source, type, target. */
struct mount_text {
    char source[MOUNTED_TEXT], type[16];
    const char *target;
    uint32_t source_bytes, target_bytes;
};

static int64_t mount_text(const struct request *q, struct mount_text *t)
{
    uint64_t type_bytes = q->w[3] >> 32;

    if (q->w[2] > q->bytes || type_bytes > q->bytes - q->w[2])
        return -EINVAL;
    if (q->w[2] >= sizeof(t->source))
        return -ENAMETOOLONG;
    if (type_bytes >= sizeof(t->type))
        return -ENODEV;
    memset(t, 0, sizeof(*t));
    memcpy(t->source, q->msg, q->w[2]);
    memcpy(t->type, q->msg + q->w[2], type_bytes);
    t->source_bytes = (uint32_t)q->w[2];
    t->target = q->msg + q->w[2] + type_bytes;
    t->target_bytes = q->bytes - (uint32_t)(q->w[2] + type_bytes);
    return 0;
}

int64_t fs_mount(struct request *q)
{
    uint32_t flags = (uint32_t)q->w[3];
    struct inode *node, *dir;
    struct mount_text t;
    int64_t status;

    if (q->who.uid != 0)
        return -EPERM;
    if (flags & ~(uint32_t)FLAGS)
        return -EINVAL;
    if ((status = mount_text(q, &t)) < 0 ||
        (status = path_find(&dir, q, q->w[0], t.target, t.target_bytes, WALK_FOLLOW)) < 0)
        return status;
    if (flags & MS_REMOUNT)
        return mounted_remount(dir, flags & MS_RDONLY);
    if (strcmp(t.type, "ext4") != 0)
        return -ENODEV;
    if ((status = path_find(&node, q, q->w[1], t.source, t.source_bytes, WALK_FOLLOW)) < 0)
        return status;
    return mounted_mount(t.source, node, dir, flags & MS_RDONLY);
}

int64_t fs_umount(struct request *q)
{
    uint32_t walk = q->w[1] & UMOUNT_NOFOLLOW ? 0 : WALK_FOLLOW;
    struct inode *root;
    int64_t status;

    if (q->who.uid != 0)
        return -EPERM;
    if (q->w[1] & ~(uint64_t)(MNT_FORCE | UMOUNT_NOFOLLOW))
        return -EINVAL;
    status = path_find(&root, q, q->w[0], q->msg, q->bytes, walk);
    return status < 0 ? status : mounted_unmount(root);
}
