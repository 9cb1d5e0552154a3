// SPDX-License-Identifier: MIT
/* Calls on mappings that exist: mremap, madvise, msync, mincore, mlock. */
#include "core.h"
#include "files.h"
#include "mmap.h"

#define MREMAP_MAYMOVE   1u
#define MREMAP_FIXED     2u
#define MREMAP_DONTUNMAP 4u

/* Gives the range back, in both tables. */
static int64_t range_unmap(uint64_t start, uint64_t end)
{
    int64_t st = vma_reserve(2);

    if (st == 0 && start < end)
        st = errno_of(exo_unmap(0, start, (end - start) >> EXO_PAGE_SHIFT));
    if (st == 0 && start < end)
        vma_remove(start, end);
    return st;
}

/* Maps [start, end) as `like` is, from `offset` of its file on. */
static int64_t map_like(const struct vma *like, uint64_t start, uint64_t end, uint64_t offset)
{
    struct vma v = {.start = start,
                    .end = end,
                    .rights = like->rights,
                    .flags = like->flags,
                    .file = like->file,
                    .offset = offset};
    int64_t st = vma_reserve(3);

    if (st < 0)
        return st;
    if (v.file)
        st = map_file(start, end - start, v.rights, v.flags, v.file, offset);
    else
        st = errno_of(exo_map(0, start, (end - start) >> EXO_PAGE_SHIFT, 0, 0, v.rights));
    if (st < 0)
        return st;
    vma_remove(start, end);
    if (v.file)
        file_get(v.file);
    vma_insert(&v);
    return 0;
}

/* Moves a mapping by mapping anew and, if it is private, copying what it holds. */
static int64_t range_move(const struct vma *from, uint64_t old, uint64_t old_bytes, uint64_t to,
                          uint64_t new_bytes)
{
    struct vma like = *from;
    uint64_t bytes = old_bytes < new_bytes ? old_bytes : new_bytes;
    uint64_t offset = like.file ? like.offset + (old - like.start) : 0;

    if (like.file)
        file_get(like.file);
    int64_t st = map_like(&like, to, to + new_bytes, offset);
    if (st == 0 && !(like.flags & MAP_SHARED) && (like.rights & PROT_READ)) {
        exo_protect(0, to, bytes >> EXO_PAGE_SHIFT, PROT_READ | PROT_WRITE);
        st = user_copy((void *)to, (const void *)old, bytes);
        exo_protect(0, to, bytes >> EXO_PAGE_SHIFT, like.rights);
        if (st < 0)
            range_unmap(to, to + new_bytes);
    }
    if (st == 0)
        st = range_unmap(old, old + old_bytes);
    if (like.file)
        file_put(like.file);
    return st;
}

static bool is_free(uint64_t start, uint64_t end)
{
    const struct vma *v = vma_at_or_above(start);

    return v == image_state.vmas + image_state.vma_count || v->start >= end;
}

DEFINE_CALL5(mremap, old, old_bytes, new_bytes, flags, wanted)
{
    old_bytes = PAGE_UP(old_bytes);
    new_bytes = PAGE_UP(new_bytes);
    if (!IS_PAGE(old) || new_bytes == 0 || (flags & ~(uint64_t)(MREMAP_MAYMOVE | MREMAP_FIXED)) ||
        ((flags & MREMAP_FIXED) && !(flags & MREMAP_MAYMOVE)) || !user_range(old, old_bytes) ||
        !user_range(0, new_bytes))
        return -EINVAL;
    const struct vma *v = vma_find(old);
    if (!v || v->end < old + old_bytes)
        return -EFAULT;
    if (old_bytes == 0)
        return -EINVAL; /* a second view of a shared mapping: not offered */
    if (flags & MREMAP_FIXED) {
        if (!IS_PAGE(wanted) || wanted < MMAP_LOW || !user_range(wanted, new_bytes) ||
            (wanted < old + old_bytes && old < wanted + new_bytes))
            return -EINVAL;
        int64_t st = range_move(v, old, old_bytes, wanted, new_bytes);
        return st < 0 ? st : (int64_t)wanted;
    }
    if (new_bytes <= old_bytes) {
        int64_t st = range_unmap(old + new_bytes, old + old_bytes);
        return st < 0 ? st : (int64_t)old;
    }
    if (!is_within_limit(new_bytes - old_bytes))
        return -ENOMEM;
    uint64_t end = old + old_bytes;
    if (end == v->end && user_range(old, new_bytes) && is_free(end, old + new_bytes)) {
        struct vma like = *v;
        int64_t st =
            map_like(&like, end, old + new_bytes, like.file ? like.offset + (end - like.start) : 0);

        return st < 0 ? st : (int64_t)old;
    }
    if (!(flags & MREMAP_MAYMOVE))
        return -ENOMEM;
    uint64_t to = vma_place(MMAP_LOW, image_state.mmap_top, new_bytes);
    if (!to)
        return -ENOMEM;
    int64_t st = range_move(v, old, old_bytes, to, new_bytes);
    return st < 0 ? st : (int64_t)to;
}

enum {
    MADV_NORMAL,
    MADV_RANDOM,
    MADV_SEQUENTIAL,
    MADV_WILLNEED,
    MADV_DONTNEED,
    MADV_FREE = 8,
    MADV_DONTFORK = 10,
    MADV_DOFORK = 11,
    MADV_HUGEPAGE = 14,
    MADV_NOHUGEPAGE = 15,
    MADV_DONTDUMP = 16,
    MADV_DODUMP = 17,
    MADV_COLD = 20,
    MADV_PAGEOUT = 21
};

DEFINE_CALL3(madvise, start, bytes, advice)
{
    bytes = PAGE_UP(bytes);
    if (!IS_PAGE(start) || !user_range(start, bytes))
        return -EINVAL;
    switch (advice) {
    case MADV_NORMAL:
    case MADV_RANDOM:
    case MADV_SEQUENTIAL:
    case MADV_WILLNEED:
    case MADV_FREE: /* the pages may be kept */
    case MADV_DOFORK:
    case MADV_HUGEPAGE:
    case MADV_NOHUGEPAGE:
    case MADV_DONTDUMP:
    case MADV_DODUMP:
    case MADV_COLD:
    case MADV_PAGEOUT: return bytes == 0 || vma_covers(start, start + bytes) ? 0 : -ENOMEM;
    case MADV_DONTNEED:
        if (bytes == 0)
            return 0;
        if (!vma_covers(start, start + bytes))
            return -ENOMEM;
        return errno_of(exo_discard(0, start, bytes >> EXO_PAGE_SHIFT));
    default: return -EINVAL;
    }
}

#define MS_ASYNC      1u
#define MS_INVALIDATE 2u
#define MS_SYNC       4u

/* What was stored is in the files' own pages: fs finds it there. Meanwhile another thread may change the
 * table, so each step looks for its place anew. */
static int64_t sync_mapped(uint64_t start, uint64_t end)
{
    int64_t st = 0;

    while (st >= 0 && start < end) {
        const struct vma *v = vma_find(start);

        if (!v)
            return -ENOMEM;
        start = v->end;
        if (v->file && (v->flags & MAP_SHARED) && v->file->kind == FS_REGULAR) {
            struct file *f = file_get(v->file);

            st = file_sync(f);
            file_put(f);
        }
    }
    return st;
}

DEFINE_CALL3(msync, start, bytes, flags)
{
    bytes = PAGE_UP(bytes);
    if (!IS_PAGE(start) || !user_range(start, bytes) ||
        (flags & ~(uint64_t)(MS_ASYNC | MS_INVALIDATE | MS_SYNC)) ||
        (flags & (MS_ASYNC | MS_SYNC)) == (MS_ASYNC | MS_SYNC))
        return -EINVAL;
    if (bytes != 0 && !vma_covers(start, start + bytes))
        return -ENOMEM;
    return flags & MS_SYNC ? sync_mapped(start, start + bytes) : 0;
}

/* Nothing is ever paged out: what is mapped counts as resident. */
DEFINE_CALL3(mincore, start, bytes, vector)
{
    bytes = PAGE_UP(bytes);
    if (!IS_PAGE(start))
        return -EINVAL;
    if (!user_range(start, bytes) || !vma_covers(start, start + bytes))
        return -ENOMEM;
    for (uint64_t i = 0; i < bytes >> EXO_PAGE_SHIFT; i++) {
        const uint8_t resident = 1;

        if (user_write(vector + i, &resident, 1) < 0)
            return -EFAULT;
    }
    return 0;
}

static int64_t lock_range(uint64_t start, uint64_t bytes)
{
    uint64_t end = PAGE_UP(start + bytes);

    start = PAGE_DOWN(start);
    return user_range(start, end - start) && vma_covers(start, end) ? 0 : -ENOMEM;
}

/* Memory that was touched stays in memory, so locking has nothing more to do. */
DEFINE_CALL2(mlock, start, bytes)
{
    return lock_range(start, bytes);
}

DEFINE_CALL3(mlock2, start, bytes, flags)
{
    return flags & ~(uint64_t)1 ? -EINVAL : lock_range(start, bytes);
}

DEFINE_CALL2(munlock, start, bytes)
{
    return lock_range(start, bytes);
}

DEFINE_CALL1(mlockall, flags)
{
    return flags == 0 || (flags & ~(uint64_t)7) ? -EINVAL : 0;
}

DEFINE_CALL0(munlockall)
{
    return 0;
}
