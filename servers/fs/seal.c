/* SPDX-License-Identifier: MIT */
/*
 * Seals of a memfd: promises about its contents that nobody can take back, so that who receives one may
 * read it in place. Only a file that memfd_create made so can be sealed; others have F_SEAL_SEAL.
 *
 * That nobody writes any more is known from the derivation tree: what such a file lends for writing is
 * derived from one capability, `writer`, and a mapping goes with the capability that it was made by.
 */
#include "servers/fs/fs.h"
#include "servers/fs/after.h"
#include "servers/fs/mounted.h"
#include "servers/fs/port.h"
#include "servers/fs/recover.h"

#define SEALS_KNOWN (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)
#define SEALS_WRITE (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

int64_t seal_allows(const struct inode *inode, uint64_t size, bool write)
{
    const struct contents *file = &inode->file;
    uint32_t broken = write ? SEALS_WRITE : 0;

    if (size < file->size)
        broken |= F_SEAL_SHRINK;
    if (size > file->size)
        broken |= F_SEAL_GROW;
    return file->seals & broken ? -EPERM : 0;
}

int64_t seal_lend(struct inode *inode, uint32_t rights)
{
    struct contents *file = &inode->file;
    int64_t made;

    if (!(rights & EXO_R_WRITE) || !file->sealable)
        return port_region_loan(file->region, rights);
    if (!file->writer) {
        made = port_region_loan(file->region, EXO_R_READ | EXO_R_WRITE | EXO_R_EXEC | EXO_R_GRANT);
        if (made < 0)
            return made;
        cap_keep((exo_cap)made);
        SET(file->writer, (exo_cap)made);
    }
    return port_region_loan(file->writer, rights);
}

void seal_region_gone(struct contents *file)
{
    if (!file->writer)
        return;
    after_drop(file->writer);
    SET(file->writer, 0);
}

static int64_t seal_add(struct open_file *file, uint32_t seals)
{
    struct contents *contents = &file->inode->file;

    if ((file->flags & O_ACCMODE) == O_RDONLY || !contents->sealable ||
        (contents->seals & F_SEAL_SEAL))
        return -EPERM;
    if (seals & F_SEAL_WRITE) {
        if (contents->writer && port_is_lent(contents->writer))
            return -EBUSY;
        seal_region_gone(contents);
    }
    SET(contents->seals, contents->seals | seals);
    return 0;
}

int64_t file_seal(struct request *q)
{
    struct open_file *file = q->file;
    struct inode *inode = file->inode;
    int64_t status = 0;

    if (inode_kind(inode) != FS_REGULAR || (file->flags & O_PATH) || on_disk(inode) ||
        (q->w[0] & ~(uint64_t)SEALS_KNOWN))
        return -EINVAL;
    if (q->w[1] != 0) {
        if (inode->nlink != 0 || inode->file.size != 0)
            return -EINVAL;
        SET(inode->file.sealable, true);
    }
    if (q->w[0] != 0)
        status = seal_add(file, (uint32_t)q->w[0]);
    q->r[1] = inode->file.sealable ? inode->file.seals : F_SEAL_SEAL;
    return status;
}
