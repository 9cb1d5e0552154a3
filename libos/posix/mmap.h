/* SPDX-License-Identifier: MIT */
/* Linux's constants of mmap and its kin, for mmap.c, remap.c and load.c. */
#ifndef POSIX_MMAP_H
#define POSIX_MMAP_H

#define PROT_READ      1u
#define PROT_WRITE     2u
#define PROT_EXEC      4u
#define PROT_KNOWN     (PROT_READ | PROT_WRITE | PROT_EXEC)
#define PROT_GROWSDOWN 0x01000000u

#define MAP_SHARED          0x01u
#define MAP_PRIVATE         0x02u
#define MAP_SHARED_VALIDATE 0x03u
#define MAP_DROPPABLE       0x08u
#define MAP_TYPE            0x0fu
#define MAP_FIXED           0x10u
#define MAP_ANONYMOUS       0x20u
#define MAP_32BIT           0x40u
#define MAP_GROWSDOWN       0x100u
#define MAP_DENYWRITE       0x800u
#define MAP_EXECUTABLE      0x1000u
#define MAP_LOCKED          0x2000u
#define MAP_NORESERVE       0x4000u
#define MAP_POPULATE        0x8000u
#define MAP_NONBLOCK        0x10000u
#define MAP_STACK           0x20000u
#define MAP_HUGETLB         0x40000u
#define MAP_SYNC            0x80000u
#define MAP_FIXED_NOREPLACE 0x100000u

#define MMAP_LOW 0x10000u /* nothing is mapped below: null pointers fault */

static_assert(PROT_READ == EXO_MAP_READ && PROT_WRITE == EXO_MAP_WRITE && PROT_EXEC == EXO_MAP_EXEC,
              "the same bits");

/** RLIMIT_AS: may so many bytes more be mapped? */
bool is_within_limit(uint64_t bytes);

#endif
