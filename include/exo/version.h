/* SPDX-License-Identifier: MIT */
/* What this system calls itself, in the kernel's log, in uname and in /proc. */
#ifndef EXO_VERSION_H
#define EXO_VERSION_H

#define EXO_VERSION   "ExoV6 0.6.0"
#define LINUX_RELEASE "6.1.0-exov6" /* the Linux whose interface libos/posix has */

#endif
