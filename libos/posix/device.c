/* SPDX-License-Identifier: MIT */
/*
 * The devices that need no server: null, zero, full, random and urandom. fs has checked that the
 * caller may open the node; its endpoint stays for fstat.
 */
#include "files.h"
#include "parcel.h"

#define CHUNK 512u

static int64_t nothing_read(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    (void)f, (void)user, (void)bytes, (void)offset;
    return 0;
}

static int64_t zero_read(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    (void)f, (void)offset;
    return user_zero(user, bytes) < 0 ? -EFAULT : (int64_t)bytes;
}

/* Long reads end early for a signal, as on Linux. */
static int64_t random_read(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    uint8_t chunk[CHUNK];
    uint64_t done = 0;

    (void)f, (void)offset;
    while (done < bytes) {
        uint64_t piece = bytes - done < CHUNK ? bytes - done : CHUNK;

        random_fill(chunk, piece);
        if (user_write(user + done, chunk, piece) < 0)
            return done ? (int64_t)done : -EFAULT;
        done += piece;
        if (done % 65536 == 0 && signal_waiting())
            break;
    }
    memset(chunk, 0, sizeof chunk);
    return (int64_t)done;
}

static int64_t any_write(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    (void)f, (void)user, (void)offset;
    return (int64_t)bytes;
}

static int64_t full_write(struct file *f, uint64_t user, uint64_t bytes, uint64_t *offset)
{
    (void)f, (void)user, (void)bytes, (void)offset;
    return -ENOSPC;
}

static int64_t place_zero(struct file *f, int64_t offset, int whence)
{
    (void)f, (void)offset, (void)whence;
    return 0;
}

static int64_t device_stat(struct file *f, struct fs_stat *out)
{
    return path_ops.stat(f, out);
}

/* Mapping /dev/zero: fresh zero-filled memory, which is what a mapping of no capability is. */
static int64_t zero_region(struct file *f, uint32_t rights, exo_cap *cap, uint64_t *first_page)
{
    (void)f, (void)rights;
    *cap = 0;
    *first_page = 0;
    return 0;
}

static const struct file_ops null_ops = {.read = nothing_read,
                                         .write = any_write,
                                         .seek = place_zero,
                                         .stat = device_stat,
                                         .parcel = PARCEL_FILE};
static const struct file_ops zero_ops = {.read = zero_read,
                                         .write = any_write,
                                         .seek = place_zero,
                                         .stat = device_stat,
                                         .parcel = PARCEL_FILE,
                                         .region = zero_region};
static const struct file_ops full_ops = {.read = zero_read,
                                         .write = full_write,
                                         .seek = place_zero,
                                         .stat = device_stat,
                                         .parcel = PARCEL_FILE};
static const struct file_ops random_ops = {.read = random_read,
                                           .write = any_write,
                                           .seek = place_zero,
                                           .stat = device_stat,
                                           .parcel = PARCEL_FILE};

const struct file_ops *device_ops(uint64_t rdev, uint32_t *kind)
{
    switch (rdev) {
    case FS_DEV(1, 3): *kind = FILE_NULL; return &null_ops;
    case FS_DEV(1, 5): *kind = FILE_ZERO; return &zero_ops;
    case FS_DEV(1, 7): *kind = FILE_FULL; return &full_ops;
    case FS_DEV(1, 8):
    case FS_DEV(1, 9): *kind = FILE_RANDOM; return &random_ops;
    default: return 0;
    }
}
