/* SPDX-License-Identifier: MIT */
/* File modes, directory entries and file system magics, as Linux's programs know them. */
#ifndef LIB_LINUX_STAT_H
#define LIB_LINUX_STAT_H

#include <stdint.h>

#define S_IFMT   0170000
#define S_IFSOCK 0140000
#define S_IFLNK  0120000
#define S_IFREG  0100000
#define S_IFBLK  0060000
#define S_IFDIR  0040000
#define S_IFCHR  0020000
#define S_IFIFO  0010000
#define S_ISUID  0004000
#define S_ISGID  0002000
#define S_ISVTX  0001000
#define S_IXGRP  0000010

#define S_ISTYPE(mode, type) (((mode)&S_IFMT) == (type))
#define S_ISREG(mode)        S_ISTYPE(mode, S_IFREG)
#define S_ISDIR(mode)        S_ISTYPE(mode, S_IFDIR)
#define S_ISCHR(mode)        S_ISTYPE(mode, S_IFCHR)
#define S_ISBLK(mode)        S_ISTYPE(mode, S_IFBLK)
#define S_ISFIFO(mode)       S_ISTYPE(mode, S_IFIFO)
#define S_ISLNK(mode)        S_ISTYPE(mode, S_IFLNK)
#define S_ISSOCK(mode)       S_ISTYPE(mode, S_IFSOCK)

/* Bits of access(2). */
#define F_OK 0
#define X_OK 1
#define W_OK 2
#define R_OK 4

/* struct linux_dirent64 of getdents64; d_type is the mode's type >> 12. */
struct linux_dirent64 {
    uint64_t d_ino;
    int64_t d_off;
    uint16_t d_reclen;
    uint8_t d_type;
    char d_name[];
};

/* statfs.f_type. */
#define TMPFS_MAGIC  0x01021994
#define EXT4_MAGIC   0x0000ef53
#define PROC_MAGIC   0x00009fa0
#define DEVPTS_MAGIC 0x00001cd1
#define SYSFS_MAGIC  0x62656572
#define PIPEFS_MAGIC 0x50495045
#define SOCKFS_MAGIC 0x534f434b

#endif
