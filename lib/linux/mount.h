/* SPDX-License-Identifier: MIT */
/* Linux's flags of mount(2) and umount2(2). */
#ifndef LIB_LINUX_MOUNT_H
#define LIB_LINUX_MOUNT_H

#define MS_RDONLY   0x1u
#define MS_REMOUNT  0x20u
#define MS_SILENT   0x8000u
#define MS_RELATIME 0x200000u

#define MS_MAGIC      0xc0ed0000u /* in the upper half, before Linux 2.4: ignored */
#define MS_MAGIC_MASK 0xffff0000u

#define MNT_FORCE       0x1u
#define UMOUNT_NOFOLLOW 0x8u

#endif
