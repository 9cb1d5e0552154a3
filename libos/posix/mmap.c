// SPDX-License-Identifier: MIT
/*
 * mmap, munmap, mprotect, brk: the program's mappings, in our table and in the kernel's.
 *
 * Each call checks, reserves room in the table, changes the kernel's, then ours. The kernel serves
 * faults of zero-filled, private and shared mappings by itself, so a reservation costs a line in two
 * tables and nothing else. Anonymous shared memory is a region behind a struct file without a
 * descriptor, so that it is counted and inherited as files are.
 */
#include "files.h"
#include "core.h"
#include "mmap.h"

#define IGNORED_FLAGS \
    (MAP_DENYWRITE | MAP_EXECUTABLE | MAP_NORESERVE | MAP_NONBLOCK | MAP_STACK | MAP_LOCKED)
#define KNOWN_FLAGS                                                                          \
    (MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | MAP_32BIT | MAP_POPULATE | MAP_FIXED_NOREPLACE | \
     IGNORED_FLAGS)
#define VMA_FLAGS (MAP_SHARED | MAP_PRIVATE)

/* ---- anonymous shared memory ---------------------------------------------------------------------- */

static int64_t anonymous_region(struct file *f, uint32_t rights, exo_cap *cap, uint64_t *first_page)
{
    (void)rights;
    *cap = f->caps[0];
    *first_page = 0;
    return 0;
}

static void anonymous_release(struct file *f)
{
    exo_cap_delete(f->caps[0], 0);
}

static const struct file_ops anonymous_ops = {
    .region = anonymous_region,
    .release = anonymous_release,
};

static struct file *anonymous_file(uint64_t bytes)
{
    int64_t region = exo_region_create(0, PAGES(bytes), 1);
    struct file *f = region < 0 ? 0 : file_new(&anonymous_ops, FILE_OTHER, O_RDWR);

    if (f)
        f->caps[0] = (exo_cap)region;
    else if (region >= 0)
        exo_cap_delete((exo_cap)region, 0);
    return f;
}

/* ---- placing ---------------------------------------------------------------------------------------- */

/* Below the stack and its guard gap. */
static uint64_t mmap_top(void)
{
    return image_state.mmap_top ? image_state.mmap_top : POSIX_MMAP_TOP;
}

static bool range_ok(uint64_t start, uint64_t bytes)
{
    return start >= MMAP_LOW && user_range(start, bytes);
}

static int64_t place_find(uint64_t hint, uint64_t bytes, uint64_t flags, uint64_t *start)
{
    if (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) {
        if (!IS_PAGE(hint))
            return -EINVAL;
        if (!range_ok(hint, bytes))
            return hint < MMAP_LOW ? -EPERM : -ENOMEM;
        *start = hint;
        const struct vma *v = vma_at_or_above(hint);
        bool taken = v != image_state.vmas + image_state.vma_count && v->start < hint + bytes;
        return taken && (flags & MAP_FIXED_NOREPLACE) ? -EEXIST : 0;
    }
    hint = PAGE_DOWN(hint);
    if (hint && range_ok(hint, bytes) && hint + bytes <= mmap_top()) {
        const struct vma *v = vma_at_or_above(hint);

        if (v == image_state.vmas + image_state.vma_count || v->start >= hint + bytes) {
            *start = hint;
            return 0;
        }
    }
    *start = vma_place(MMAP_LOW, flags & MAP_32BIT ? 0x80000000u : mmap_top(), bytes);
    return *start ? 0 : -ENOMEM;
}

/* RLIMIT_AS: pages that may be mapped at all. */
bool is_within_limit(uint64_t bytes)
{
    uint64_t limit = current()->rlimits[RLIMIT_AS][0];

    return limit == UINT64_MAX || (image_state.pages << EXO_PAGE_SHIFT) + bytes <= limit;
}

/* RLIMIT_DATA: what is private and can be written, without the stack. */
static bool is_within_data(uint64_t bytes)
{
    uint64_t limit = current()->rlimits[RLIMIT_DATA][0];

    if (limit == UINT64_MAX)
        return true;
    for (uint32_t i = 0; i < image_state.vma_count; i++) {
        const struct vma *v = &image_state.vmas[i];

        if ((v->rights & PROT_WRITE) && !(v->flags & (MAP_SHARED | VMA_STACK)))
            bytes += v->end - v->start;
    }
    return bytes <= limit;
}

/* ---- mapping ----------------------------------------------------------------------------------------- */

int64_t map_file(uint64_t start, uint64_t bytes, uint32_t rights, uint32_t flags, struct file *f,
                 uint64_t offset)
{
    uint32_t how = rights | (flags & MAP_SHARED ? 0 : EXO_MAP_PRIVATE) |
                   (flags & MAP_POPULATE ? EXO_MAP_EAGER : 0);
    uint32_t wanted =
        EXO_MAP_READ | (rights & EXO_MAP_EXEC) | (flags & MAP_SHARED ? rights & EXO_MAP_WRITE : 0);
    uint64_t first;
    exo_cap cap;

    if (!f->ops->region)
        return -ENODEV;
    int64_t st = f->ops->region(f, wanted, &cap, &first);
    if (st < 0)
        return st;
    return errno_of(exo_map(0, start, PAGES(bytes), cap, first + (offset >> EXO_PAGE_SHIFT), how));
}

/* Makes it so in the kernel and in the table; takes over the file's reference if it succeeds. */
static int64_t map_commit(uint64_t start, uint64_t bytes, uint32_t rights, uint32_t flags,
                          struct file *f, uint64_t offset)
{
    int64_t st = vma_reserve(3);

    if (st < 0)
        return st;
    if (f)
        st = map_file(start, bytes, rights, flags, f, offset);
    else
        st = errno_of(exo_map(0, start, PAGES(bytes), 0, 0,
                              rights | (flags & MAP_POPULATE ? EXO_MAP_EAGER : 0)));
    if (st < 0)
        return st;
    vma_remove(start, start + bytes);
    vma_insert(&(struct vma){
        .start = start,
        .end = start + bytes,
        .rights = rights,
        .flags = flags & (VMA_FLAGS | VMA_BRK | VMA_STACK),
        .file = f,
        .offset = offset,
    });
    return 0;
}

int64_t map_anonymous(uint64_t start, uint64_t end, uint32_t rights, uint32_t flags)
{
    return map_commit(start, end - start, rights, flags | MAP_PRIVATE, 0, 0);
}

int64_t map_program(uint64_t start, uint64_t end, uint32_t rights, struct file *f, uint64_t offset)
{
    int64_t st = map_commit(start, end - start, rights, MAP_PRIVATE, file_get(f), offset);

    if (st < 0)
        file_put(f);
    return st;
}

/* The file of a descriptor, as far as it may be mapped so; a new reference, or 0 for anonymous. */
static int64_t mapped_file(uint64_t fd, uint32_t rights, uint32_t flags, struct file **out)
{
    struct file *f = fd_file(fd);

    if (!f)
        return -EBADF;
    if (!file_can_read(f) || ((flags & MAP_SHARED) && (rights & PROT_WRITE) && !file_can_write(f)))
        return -EACCES;
    if (f->kind == FILE_ZERO)
        return 0;
    *out = file_get(f);
    return 0;
}

DEFINE_CALL6(mmap, hint, bytes, prot, flags, fd, offset)
{
    uint32_t type = (uint32_t)flags & MAP_TYPE, rights = (uint32_t)prot & PROT_KNOWN;
    struct file *f = 0;
    uint64_t start;
    int64_t st;

    if (bytes == 0 || !IS_PAGE(offset) || (prot & ~(uint64_t)PROT_KNOWN))
        return -EINVAL;
    if (flags & ~(uint64_t)KNOWN_FLAGS)
        return -EOPNOTSUPP; /* GROWSDOWN, HUGETLB, SYNC and what may come */
    if (type != MAP_SHARED && type != MAP_PRIVATE && type != MAP_SHARED_VALIDATE)
        return -EINVAL; /* DROPPABLE too: callers fall back */
    if (type == MAP_SHARED_VALIDATE)
        flags &= ~(uint64_t)MAP_PRIVATE;
    if (PAGE_UP(bytes) < bytes || !user_range(0, PAGE_UP(bytes)))
        return -ENOMEM;
    if (offset + bytes < offset)
        return -EOVERFLOW;
    bytes = PAGE_UP(bytes);
    if (!(flags & MAP_ANONYMOUS) && (st = mapped_file(fd, rights, (uint32_t)flags, &f)) < 0)
        return st;
    if (!f && (flags & MAP_SHARED) && !(f = anonymous_file(bytes)))
        return -ENOMEM;
    if (!f || (flags & MAP_ANONYMOUS))
        offset = 0;
    bool data = (rights & PROT_WRITE) && !(flags & MAP_SHARED);
    st = is_within_limit(bytes) && (!data || is_within_data(bytes))
             ? place_find(hint, bytes, flags, &start)
             : -ENOMEM;
    if (st == 0)
        st = map_commit(start, bytes, rights, (uint32_t)flags, f, offset);
    if (st < 0 && f)
        file_put(f);
    return st < 0 ? st : (int64_t)start;
}

int64_t map_shared(uint64_t hint, uint64_t bytes, uint32_t rights, uint64_t flags, struct file *f,
                   uint64_t offset)
{
    uint64_t start;
    int64_t st = is_within_limit(bytes) ? place_find(hint, bytes, flags, &start) : -ENOMEM;

    if (st == 0)
        st = map_commit(start, bytes, rights, MAP_SHARED, file_get(f), offset);
    else
        return st;
    if (st < 0)
        file_put(f);
    return st < 0 ? st : (int64_t)start;
}

DEFINE_CALL2(munmap, start, bytes)
{
    if (!IS_PAGE(start) || bytes == 0 || !user_range(start, bytes))
        return -EINVAL;
    bytes = PAGE_UP(bytes);
    int64_t st = vma_reserve(2);
    if (st == 0)
        st = errno_of(exo_unmap(0, start, PAGES(bytes)));
    if (st == 0)
        vma_remove(start, start + bytes);
    return st;
}

static void rights_set(struct vma *v, uint64_t rights)
{
    v->rights = (uint32_t)rights;
}

/* A shared mapping of a file that is not open for writing never becomes writable. */
static bool may_become(uint64_t start, uint64_t end, uint32_t rights)
{
    for (const struct vma *v = vma_at_or_above(start);
         v != image_state.vmas + image_state.vma_count && v->start < end; v++) {
        if ((rights & PROT_WRITE) && (v->flags & MAP_SHARED) && v->file && !file_can_write(v->file))
            return false;
    }
    return true;
}

DEFINE_CALL3(mprotect, start, bytes, prot)
{
    uint64_t end = start + PAGE_UP(bytes);
    uint32_t rights = (uint32_t)prot & PROT_KNOWN;

    if (!IS_PAGE(start) || (prot & ~(uint64_t)PROT_KNOWN))
        return -EINVAL;
    if (bytes == 0)
        return 0;
    if (!user_range(start, PAGE_UP(bytes)) || PAGE_UP(bytes) == 0 || !vma_covers(start, end))
        return -ENOMEM;
    if (!may_become(start, end, rights))
        return -EACCES;
    int64_t st = vma_reserve(2);
    if (st == 0)
        st = errno_of(exo_protect(0, start, PAGES(bytes), rights));
    if (st == 0)
        vma_each(start, end, rights_set, rights);
    return st;
}

DEFINE_CALL1(brk, wanted)
{
    struct image *i = &image_state;
    uint64_t end = PAGE_UP(wanted), now = PAGE_UP(i->brk);

    if (wanted < i->brk_start || wanted >= mmap_top())
        return (int64_t)i->brk;
    if (end > now) {
        const struct vma *v = vma_at_or_above(now);
        bool taken = v != i->vmas + i->vma_count && v->start < end;

        if (taken || !is_within_limit(end - now) || !is_within_data(end - now) ||
            map_anonymous(now, end, PROT_READ | PROT_WRITE, VMA_BRK) < 0)
            return (int64_t)i->brk;
    } else if (end < now) {
        if (vma_reserve(2) < 0 || exo_unmap(0, end, (now - end) >> EXO_PAGE_SHIFT) < 0)
            return (int64_t)i->brk;
        vma_remove(end, now);
    }
    i->brk = wanted;
    return (int64_t)wanted;
}
