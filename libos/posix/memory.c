// SPDX-License-Identifier: MIT
/*
 * Where the LibOS's heap (lib/heap.c) gets its pages: a reservation at POSIX_HEAP_VA that the kernel
 * fills with zeros as it is touched. It only grows; a reservation costs nothing.
 */
#include "core.h"

#define HEAP_BYTES ((uint64_t)256 << 20)
#define HEAP_STEP  ((uint64_t)16 << 10)

static uint64_t heap_top;

static void *heap_more_pages(size_t *bytes)
{
    uint64_t step = (*bytes + HEAP_STEP - 1) & ~(HEAP_STEP - 1);

    if (step < *bytes || step > HEAP_BYTES - heap_top)
        return 0;
    void *block = (void *)(POSIX_HEAP_VA + heap_top);
    heap_top += step;
    *bytes = step;
    return block;
}

int64_t memory_start(void)
{
    heap_source(heap_more_pages);
    return exo_map(0, POSIX_HEAP_VA, HEAP_BYTES >> EXO_PAGE_SHIFT, 0, 0,
                   EXO_MAP_READ | EXO_MAP_WRITE);
}

int64_t errno_of(int64_t native)
{
    if (native >= 0)
        return native;
    switch (native) {
    case EXO_EINVAL: return -EINVAL;
    case EXO_EFAULT: return -EFAULT;
    case EXO_EEXIST: return -EEXIST;
    case EXO_ENOENT: return -ENOMEM; /* a hole in a range */
    case EXO_ERIGHTS: return -EACCES;
    case EXO_EAGAIN: return -EAGAIN;
    case EXO_EINTR: return -EINTR;
    case EXO_ETIMEDOUT: return -ETIMEDOUT;
    case EXO_EDEAD: return -EIO;
    case EXO_ERESTARTED: return -EIO;
    case EXO_EBUSY: return -EBUSY;
    case EXO_ENOMEM:
    case EXO_ENOSLOT:
    case EXO_EOBJECTS: return -ENOMEM;
    default: return -EINVAL;
    }
}
