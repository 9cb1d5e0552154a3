/* SPDX-License-Identifier: MIT */
/* Mappings and page faults: see space.h. The calls on them are in space_calls.c. */
#include <kernel/mem/frame.h>
#include <kernel/mem/space.h>
#include <kernel/object.h>
#include <lib/string.h>

#define LEAF_BYTES   ((uint64_t)HAL_LEAF_PAGES << EXO_PAGE_SHIFT)
#define FAULT_AROUND 16u /* pages of a source entered at one fault, the faulting one included */

/* ---- page-table frames ------------------------------------------------------------------------- */

static struct space *space_of(struct hal_table_source *source)
{
    return (struct space *)((char *)source - offsetof(struct space, tables));
}

static pfn_t table_take(struct hal_table_source *source)
{
    struct space *s = space_of(source);
    pfn_t f = frame_take(s->account);

    s->table_frames += f != PFN_NONE;
    return f;
}

static void table_give(struct hal_table_source *source, pfn_t frame)
{
    space_of(source)->table_frames--;
    frame_unshare(frame);
}

/* ---- VMA records ------------------------------------------------------------------------------- */

#define VMA_PAGES 8192u
static void *vma_pages[VMA_PAGES];
static struct pool vma_pool;

void space_start(void)
{
    pool_init(&vma_pool, sizeof(struct vma), vma_pages, VMA_PAGES);
}

static void source_attach(struct vma *v)
{
    if (!v->source)
        return;
    object_ref(&v->source->object);
    v->source_next = v->source->mappings;
    v->source_link = &v->source->mappings;
    if (v->source_next)
        v->source_next->source_link = &v->source_next;
    v->source->mappings = v;
}

static void source_detach(struct vma *v)
{
    if (!v->source)
        return;
    *v->source_link = v->source_next;
    if (v->source_next)
        v->source_next->source_link = v->source_link;
    object_unref(&v->source->object);
}

/* The number of mappings that end at or before `va`: the index of the first that may contain it. */
static uint32_t vma_after(const struct space *s, uint64_t va)
{
    uint32_t low = 0, high = s->count;

    while (low < high) {
        uint32_t middle = (low + high) / 2;

        if (s->vmas[middle]->end <= va)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct vma *vma_at(const struct space *s, uint64_t va)
{
    uint32_t i = vma_after(s, va);

    return i < s->count && s->vmas[i]->start <= va ? s->vmas[i] : 0;
}

/* Room for one more pointer in the array. EXO_OK, EXO_EOBJECTS (the limit), EXO_ENOMEM. */
static int64_t vma_room(struct space *s)
{
    if (((uint64_t)s->count + 1) * sizeof(struct vma *) > EXO_PAGE_SIZE << s->order) {
        if (s->order == SPACE_VMA_ORDER_MAX)
            return EXO_EOBJECTS;
        pfn_t f = frame_take_block(s->account, s->order + 1);
        if (f == PFN_NONE)
            return EXO_ENOMEM;
        struct vma **larger = hal_frame_ptr(f);
        memcpy(larger, s->vmas, s->count * sizeof(struct vma *));
        for (pfn_t i = 0; i < (pfn_t)1 << s->order; i++)
            frame_unshare(hal_frame_of(s->vmas) + i);
        s->vmas = larger;
        s->order++;
    }
    return EXO_OK;
}

static void array_insert(struct space *s, uint32_t i, struct vma *v)
{
    memmove(&s->vmas[i + 1], &s->vmas[i], (s->count - i) * sizeof(struct vma *));
    s->vmas[i] = v;
    s->count++;
}

static void array_remove(struct space *s, uint32_t i)
{
    s->count--;
    memmove(&s->vmas[i], &s->vmas[i + 1], (s->count - i) * sizeof(struct vma *));
}

static void vma_free(struct space *s, uint32_t i)
{
    struct vma *v = s->vmas[i];

    array_remove(s, i);
    source_detach(v);
    pool_give(&vma_pool, v, v->pool_index);
}

/* A new mapping at place `i` of the array. EXO_OK, EXO_EOBJECTS, EXO_ENOMEM. */
static int64_t vma_new(struct space *s, uint32_t i, const struct map_request *want)
{
    uint32_t index;
    int64_t st = vma_room(s);

    if (st != EXO_OK)
        return st;
    struct vma *v = pool_take(&vma_pool, &index);
    if (!v)
        return EXO_EOBJECTS;
    *v = (struct vma){.start = want->start,
                      .end = want->end,
                      .index = want->index,
                      .source = want->source,
                      .space = s,
                      .cap = want->cap,
                      .rights = want->rights,
                      .rights_max = want->rights_max,
                      .flags = want->flags,
                      .pool_index = index};
    array_insert(s, i, v);
    source_attach(v);
    return EXO_OK;
}

/* Cuts mapping i at `va` (inside it) into two. */
static int64_t vma_split(struct space *s, uint32_t i, uint64_t va)
{
    struct vma *v = s->vmas[i];
    struct map_request upper = {.start = va,
                                .end = v->end,
                                .source = v->source,
                                .index = v->index + ((va - v->start) >> EXO_PAGE_SHIFT),
                                .cap = v->cap,
                                .rights = v->rights,
                                .rights_max = v->rights_max,
                                .flags = v->flags};

    int64_t st = vma_new(s, i + 1, &upper);
    if (st == EXO_OK)
        v->end = va;
    return st;
}

/* Makes mapping boundaries at both ends of a range. */
static int64_t split_around(struct space *s, uint64_t start, uint64_t end)
{
    uint32_t i = vma_after(s, start);
    int64_t st = EXO_OK;

    if (i < s->count && s->vmas[i]->start < start)
        st = vma_split(s, i, start);
    i = vma_after(s, end);
    if (st == EXO_OK && i < s->count && s->vmas[i]->start < end)
        st = vma_split(s, i, end);
    return st;
}

/* Joins mapping i to i - 1 if together they are one. */
static void vma_join(struct space *s, uint32_t i)
{
    if (i == 0 || i >= s->count)
        return;
    struct vma *a = s->vmas[i - 1], *b = s->vmas[i];
    if (a->end != b->start || a->source != b->source || a->cap != b->cap ||
        a->rights != b->rights || a->rights_max != b->rights_max || a->flags != b->flags ||
        (a->source && a->index + ((a->end - a->start) >> EXO_PAGE_SHIFT) != b->index))
        return;
    a->end = b->end;
    vma_free(s, i);
}

/* ---- pages ------------------------------------------------------------------------------------- */

/* If the eight entries from here on are empty and all in the range: goes to the last of them. */
static inline bool skip8(uint64_t *va, uint64_t end, hal_pte_t **e)
{
    if (*va & 7 * EXO_PAGE_SIZE || end - *va < 8 * EXO_PAGE_SIZE || !hal_pte_none8(*e))
        return false;
    *va += 7 * EXO_PAGE_SIZE;
    *e += 7;
    return true;
}

/* A borrowed entry knows alone that it was written through: its region keeps that. */
static void keep_dirt(const struct vma *v, uint64_t va, hal_pte_t e)
{
    if (v && v->source && hal_pte_dirty(e) && !(hal_pte_soft(e) & HAL_SOFT_OWNED))
        source_note_dirty(v->source, v->index + ((va - v->start) >> EXO_PAGE_SHIFT));
}

/* Frames whose entries are gone, but which a processor may still reach: they are given back only after
 * the flush. Under the kernel lock, and empty whenever nobody is in a function that uses it. */
#define GONE_MAX 2048u
static pfn_t gone[GONE_MAX];
static unsigned gone_count;

/* Forgets the translations of what was cleared (of `va`, or all), then gives the frames back. */
static void gone_flush(struct space *s, uint64_t va)
{
    hal_space_flush(&s->hal, va);
    if (gone_count == 1) /* a fault's */
        frame_unshare(gone[0]);
    else
        frame_unshare_all(gone, gone_count);
    gone_count = 0;
}

/* Clears a present entry; the caller flushes. The old one. */
static hal_pte_t entry_clear(struct space *s, hal_pte_t *e)
{
    hal_pte_t old = hal_pte_swap(e, 0);

    if (hal_pte_soft(old) & HAL_SOFT_OWNED) {
        if (gone_count == GONE_MAX)
            gone_flush(s, HAL_FLUSH_ALL);
        gone[gone_count++] = hal_pte_frame(old);
        s->owned--;
    }
    return old;
}

/* Clears every entry of a range; returns where it stopped when *budget entries were present, and takes
 * off the budget what it cleared. */
static uint64_t pages_clear(struct space *s, uint64_t start, uint64_t end, unsigned *budget)
{
    bool one = end - start == EXO_PAGE_SIZE;
    unsigned left = *budget;
    uint64_t va = start;

    while ((va = hal_space_next(&s->hal, va, end)) < end) {
        hal_pte_t *e = hal_space_entry(&s->hal, va, 0);
        uint64_t leaf_end = (va | (LEAF_BYTES - 1)) + 1;

        if (leaf_end > end)
            leaf_end = end;
        for (; va < leaf_end; va += EXO_PAGE_SIZE, e++) {
            if (skip8(&va, leaf_end, &e) || !hal_pte_present(*e))
                continue;
            if (left == 0)
                goto out;
            left--;
            hal_pte_t old = entry_clear(s, e);
            if (hal_pte_dirty(old) && !(hal_pte_soft(old) & HAL_SOFT_OWNED))
                keep_dirt(vma_at(s, va), va, old);
        }
    }
out:
    if (left != *budget)
        gone_flush(s, one ? start : HAL_FLUSH_ALL);
    *budget = left;
    return va < end ? va : end;
}

static bool is_device(const struct vma *v)
{
    return v->source && source_is_device(v->source);
}

/* Gives every present entry of a range the rights of its mapping, as far as sharing allows. */
static void pages_protect(struct space *s, const struct vma *v)
{
    uint64_t va = v->start;

    while ((va = hal_space_next(&s->hal, va, v->end)) < v->end) {
        hal_pte_t *e = hal_space_entry(&s->hal, va, 0);
        uint64_t leaf_end = (va | (LEAF_BYTES - 1)) + 1;

        if (leaf_end > v->end)
            leaf_end = v->end;
        for (; va < leaf_end; va += EXO_PAGE_SIZE, e++) {
            if (skip8(&va, leaf_end, &e) || !hal_pte_present(*e))
                continue;
            uint32_t soft = hal_pte_soft(*e), rights = v->rights;

            if ((soft & HAL_SOFT_COW) || (!(soft & HAL_SOFT_OWNED) && v->flags & EXO_MAP_PRIVATE))
                rights &= ~EXO_MAP_WRITE;
            keep_dirt(v, va,
                      hal_pte_swap(e, hal_pte_make(hal_pte_frame(*e), rights, soft, is_device(v))));
        }
    }
    hal_space_flush(&s->hal, v->end - v->start == EXO_PAGE_SIZE ? v->start : HAL_FLUSH_ALL);
}

uint64_t space_count(struct space *s, uint64_t start, uint64_t end, uint64_t count[4],
                     unsigned budget)
{
    uint64_t va = start;

    while ((va = hal_space_next(&s->hal, va, end)) < end) {
        const hal_pte_t *e = hal_space_entry(&s->hal, va, 0);
        uint64_t leaf_end = (va | (LEAF_BYTES - 1)) + 1;

        for (; va < leaf_end && va < end; va += EXO_PAGE_SIZE, e++) {
            bool owned = hal_pte_soft(*e) & HAL_SOFT_OWNED, dirty = hal_pte_dirty(*e);

            if (budget-- == 0)
                return va;
            if (!hal_pte_present(*e))
                continue;
            count[0]++;
            count[1] += owned;
            count[2] += dirty;
            count[3] += owned && dirty;
        }
    }
    return end;
}

/* hal_space_entry by way of the leaf tables that were used last, which are remembered: tables stay
 * where they are as long as the space lives. */
static hal_pte_t *space_entry(struct space *s, uint64_t va, struct hal_table_source *source)
{
    uint64_t leaf = va / LEAF_BYTES;
    struct leaf_hint *hint = &s->hints[leaf % SPACE_HINTS];

    if (hint->leaf != leaf || !hint->entries) {
        hal_pte_t *e = hal_space_entry(&s->hal, va, source);

        if (!e)
            return 0;
        hint->leaf = leaf;
        hint->entries = e - (va >> EXO_PAGE_SHIFT) % HAL_LEAF_PAGES;
    }
    return &hint->entries[(va >> EXO_PAGE_SHIFT) % HAL_LEAF_PAGES];
}

/* ---- faults ------------------------------------------------------------------------------------ */

static void own(struct space *s, hal_pte_t *e, pfn_t f, const struct vma *v)
{
    *e = hal_pte_make(f, v->rights, HAL_SOFT_OWNED, false); /* it was 0 */
    s->owned++;
}

/* A private copy of a frame that the entry, if it is there, may not write. */
static enum space_fault copy_page(struct space *s, hal_pte_t *e, pfn_t from, const struct vma *v,
                                  uint64_t va)
{
    pfn_t f = frame_take_raw(s->account);

    if (f == PFN_NONE)
        return SPACE_NO_MEMORY;
    hal_page_copy(hal_frame_ptr(f), hal_frame_ptr(from));
    if (hal_pte_present(*e)) {
        entry_clear(s, e);
        gone_flush(s, va & ~(EXO_PAGE_SIZE - 1)); /* everybody reads the copy from now on */
    }
    own(s, e, f, v);
    return SPACE_SERVED;
}

/* Enters what the source has around the fault, within one leaf table: a program that touches one
 * page of a file is likely to touch the next. Never writable for a private mapping. */
static void fault_around(const struct vma *v, uint64_t va, hal_pte_t *e, uint32_t rights)
{
    uint64_t first = va & ~((uint64_t)FAULT_AROUND * EXO_PAGE_SIZE - 1);
    uint64_t last = first + FAULT_AROUND * EXO_PAGE_SIZE;

    first = first < v->start ? v->start : first;
    last = last > v->end ? v->end : last;
    e -= (va - first) >> EXO_PAGE_SHIFT;
    for (uint64_t at = first; at < last; at += EXO_PAGE_SIZE, e++) {
        if (hal_pte_present(*e))
            continue;
        pfn_t f = source_present(v->source, v->index + ((at - v->start) >> EXO_PAGE_SHIFT));
        if (f != PFN_NONE)
            *e = hal_pte_make(f, rights, 0, false);
    }
}

static enum space_fault enter_page(struct space *s, const struct vma *v, uint64_t va,
                                   uint32_t access, hal_pte_t *e)
{
    if (!v->source) {
        pfn_t f = frame_take(s->account);

        if (f == PFN_NONE)
            return SPACE_NO_MEMORY;
        own(s, e, f, v);
        return SPACE_SERVED;
    }
    uint64_t index = v->index + ((va - v->start) >> EXO_PAGE_SHIFT);
    pfn_t f = source_frame(v->source, index);
    if (f == PFN_NONE)
        return SPACE_ABSENT;
    if (v->flags & EXO_MAP_PRIVATE && access == EXO_MAP_WRITE)
        return copy_page(s, e, f, v, va);
    uint32_t rights = v->flags & EXO_MAP_PRIVATE ? v->rights & ~EXO_MAP_WRITE : v->rights;
    bool device = v->source->object.type == EXO_FRAME && ((struct extent *)v->source)->device;
    *e = hal_pte_make(f, rights, 0, device);
    if (!device)
        fault_around(v, va, e, rights);
    return SPACE_SERVED;
}

/* The page is there, but the entry does not allow the access that the mapping does. */
static enum space_fault upgrade_page(struct space *s, const struct vma *v, uint64_t va,
                                     uint32_t access, hal_pte_t *e)
{
    pfn_t f = hal_pte_frame(*e);
    uint32_t soft = hal_pte_soft(*e), rights = v->rights;
    bool owned = soft & HAL_SOFT_OWNED, borrowed_private = !owned && v->flags & EXO_MAP_PRIVATE;

    if (access == EXO_MAP_WRITE) {
        if (owned ? frame_shares(f) > 1 : borrowed_private)
            return copy_page(s, e, f, v, va);
        if (owned)
            frame_adopt(f, s->account); /* he who paid may have gone */
        soft &= ~HAL_SOFT_COW;
    }
    if (soft & HAL_SOFT_COW || borrowed_private)
        rights &= ~EXO_MAP_WRITE;
    keep_dirt(v, va, hal_pte_swap(e, hal_pte_make(f, rights, soft, is_device(v))));
    hal_space_flush_here(&s->hal, va & ~(EXO_PAGE_SIZE - 1)); /* it only allows more */
    return SPACE_SERVED;
}

/* A fault that the mapping declares an answer to. Kept out of space_fault, so that faults which are
 * the environment's own cost no more than finding that out. */
static __attribute__((noinline)) enum space_fault serve(struct space *s, const struct vma *v,
                                                        uint64_t va, uint32_t access)
{
    hal_pte_t *e = space_entry(s, va, &s->tables);

    if (!e)
        return SPACE_NO_MEMORY;
    if (!hal_pte_present(*e))
        return enter_page(s, v, va, access, e);
    if ((hal_pte_rights(*e) & access) == access) { /* a stale translation: it tries again */
        hal_space_flush_here(&s->hal, va & ~(EXO_PAGE_SIZE - 1));
        return SPACE_SERVED;
    }
    return upgrade_page(s, v, va, access, e);
}

enum space_fault space_fault(struct space *s, uint64_t va, uint32_t access)
{
    const struct vma *v = vma_at(s, va);

    if (!v || (v->rights & access) != access)
        return SPACE_UNDECLARED;
    return serve(s, v, va, access);
}

uint64_t space_physical(struct space *s, uint64_t va)
{
    hal_pte_t *e = hal_space_entry(&s->hal, va, 0);

    if (!e || !hal_pte_present(*e)) {
        if (space_fault(s, va, EXO_MAP_READ) != SPACE_SERVED)
            return 0;
        e = hal_space_entry(&s->hal, va, 0);
    }
    return (uint64_t)hal_pte_frame(*e) << EXO_PAGE_SHIFT | (va & (EXO_PAGE_SIZE - 1));
}

#define PLACE_ID_SHIFT 47 /* above every user address */
static_assert(EXO_USER_TOP <= (uint64_t)1 << PLACE_ID_SHIFT, "a place has room for an address");

static uint64_t place_private(const struct space *s, uint64_t va)
{
    return PLACE_PRIVATE | (uint64_t)s->id << PLACE_ID_SHIFT | va;
}

/* The mapping tells which kind a word is, but mostly its entry is there and tells as well: a private
 * mapping's page is owned, or else borrowed and not writable. */
uint64_t space_place(struct space *s, uint64_t va)
{
    const hal_pte_t *e = va < EXO_VIEW_VA ? space_entry(s, va, 0) : 0;

    if (e && hal_pte_rights(*e) & EXO_MAP_READ) {
        if (hal_pte_soft(*e) & HAL_SOFT_OWNED)
            return place_private(s, va);
        if (hal_pte_rights(*e) & EXO_MAP_WRITE)
            return (uint64_t)hal_pte_frame(*e) << EXO_PAGE_SHIFT | (va & (EXO_PAGE_SIZE - 1));
    }
    const struct vma *v = vma_at(s, va);
    if (!v || !(v->rights & EXO_MAP_READ))
        return 0;
    return !v->source || v->flags & EXO_MAP_PRIVATE ? place_private(s, va) : space_physical(s, va);
}

/* ---- mapping ----------------------------------------------------------------------------------- */

#define PIECE_PAGES 2048u /* present pages in one piece of kernel work */

/* The pages of mapping i up to `stop` are cleared: what is left of it begins there. */
static void vma_cut(struct space *s, uint32_t i, uint64_t stop)
{
    struct vma *v = s->vmas[i];

    if (v->end <= stop) {
        vma_free(s, i);
    } else if (v->start < stop) {
        v->index += (stop - v->start) >> EXO_PAGE_SHIFT;
        v->start = stop;
    }
}

int64_t space_unmap(struct space *s, uint64_t start, uint64_t end)
{
    unsigned budget = PIECE_PAGES;
    int64_t st = split_around(s, start, end);

    if (st != EXO_OK)
        return st;
    uint32_t i = vma_after(s, start);
    if (i >= s->count || s->vmas[i]->start >= end)
        return EXO_OK;
    uint64_t stop = pages_clear(s, s->vmas[i]->start, end, &budget);
    while (i < s->count && s->vmas[i]->end <= stop)
        vma_free(s, i);
    if (i < s->count)
        vma_cut(s, i, stop); /* it may have stopped inside */
    return stop < end ? EXO_EAGAIN : EXO_OK;
}

int64_t space_map(struct space *s, const struct map_request *want, bool replace)
{
    uint32_t i = vma_after(s, want->start);

    if (i < s->count && s->vmas[i]->start < want->end) {
        if (!replace)
            return EXO_EEXIST;
        int64_t cut = space_unmap(s, want->start, want->end);
        if (cut != EXO_OK)
            return cut;
        i = vma_after(s, want->start);
    }
    int64_t st = vma_new(s, i, want);
    if (st != EXO_OK)
        return st;
    if (want->cap != CAP_NIL)
        cap_mark_mapped(want->cap);
    vma_join(s, i + 1);
    vma_join(s, i);
    return EXO_OK;
}

int64_t space_protect(struct space *s, uint64_t start, uint64_t end, uint32_t rights)
{
    uint64_t at = start;
    uint32_t i = vma_after(s, start);

    /* Check: no hole, nothing beyond what the authority allows. */
    for (uint32_t j = i; at < end; j++) {
        if (j >= s->count || s->vmas[j]->start > at)
            return EXO_ENOENT;
        if ((s->vmas[j]->rights_max & rights) != rights)
            return EXO_ERIGHTS;
        at = s->vmas[j]->end;
    }
    int64_t st = split_around(s, start, end);
    if (st != EXO_OK)
        return st;
    i = vma_after(s, start);
    uint32_t j = i;
    for (; j < s->count && s->vmas[j]->start < end; j++) {
        if (s->vmas[j]->rights != rights) {
            s->vmas[j]->rights = (uint8_t)rights;
            pages_protect(s, s->vmas[j]);
        }
    }
    for (; j > i; j--) /* from the back, so that indices in front stay */
        vma_join(s, j);
    vma_join(s, i);
    return EXO_OK;
}

int64_t space_discard(struct space *s, uint64_t start, uint64_t end)
{
    unsigned budget = PIECE_PAGES;

    return pages_clear(s, start, end, &budget) < end ? EXO_EAGAIN : EXO_OK;
}

/* The first ones; pages beyond that come in at the first touch, as without EAGER. */
#define ENTER_PAGES 4096u

void space_enter_all(struct space *s, uint64_t start, uint64_t end)
{
    struct vma *v = vma_at(s, start);

    if (end - start > ENTER_PAGES << EXO_PAGE_SHIFT)
        end = start + (ENTER_PAGES << EXO_PAGE_SHIFT);
    for (uint64_t va = start; v && va < end; va += EXO_PAGE_SIZE * FAULT_AROUND) {
        hal_pte_t *e = hal_space_entry(&s->hal, va, &s->tables);

        if (!e)
            return;
        if (!hal_pte_present(*e))
            space_fault(s, va, v->rights & EXO_MAP_READ ? EXO_MAP_READ : v->rights);
    }
}

/* The next owned page at or after `va` and below `end`, or `end`. */
static uint64_t next_owned(struct space *s, uint64_t va, uint64_t end)
{
    while ((va = hal_space_next(&s->hal, va, end)) < end) {
        hal_pte_t *e = hal_space_entry(&s->hal, va, 0);

        if (hal_pte_present(*e) && hal_pte_soft(*e) & HAL_SOFT_OWNED)
            break;
        va += EXO_PAGE_SIZE;
    }
    return va < end ? va : end;
}

uint64_t space_take(struct space *s, uint64_t *va, uint64_t budget)
{
    for (uint32_t i = vma_after(s, *va); i < s->count; i++) {
        struct vma *v = s->vmas[i];
        uint64_t start = *va > v->start ? *va : v->start, pages = 0;

        if (v->source || !(v->rights & EXO_MAP_WRITE) ||
            (start = next_owned(s, start, v->end)) == v->end)
            continue;
        while (pages < budget) {
            uint64_t at = start + (pages << EXO_PAGE_SHIFT);

            if (at >= v->end || next_owned(s, at, at + EXO_PAGE_SIZE) != at)
                break;
            entry_clear(s, hal_space_entry(&s->hal, at, 0));
            pages++;
        }
        gone_flush(s, HAL_FLUSH_ALL);
        *va = start;
        return pages;
    }
    return 0;
}

/* ---- taking pages back ------------------------------------------------------------------------- */

static hal_pte_t *borrowed_entry(struct vma *v, uint64_t index, uint64_t *va)
{
    if (index < v->index || index - v->index >= (v->end - v->start) >> EXO_PAGE_SHIFT)
        return 0;
    *va = v->start + ((index - v->index) << EXO_PAGE_SHIFT);
    hal_pte_t *e = hal_space_entry(&v->space->hal, *va, 0);
    return e && hal_pte_present(*e) && !(hal_pte_soft(*e) & HAL_SOFT_OWNED) ? e : 0;
}

/* One page of the space has a stale translation: one flush serves for several of them. */
static void stale(struct space *s, uint64_t va)
{
    s->stale = s->stale == STALE_NONE ? va : HAL_FLUSH_ALL;
}

void space_flush_source(struct source *source)
{
    for (struct vma *v = source->mappings; v; v = v->source_next) {
        if (v->space->stale != STALE_NONE) {
            hal_space_flush(&v->space->hal, v->space->stale);
            v->space->stale = STALE_NONE;
        }
    }
}

void space_unmap_source(struct source *source, uint64_t index)
{
    uint64_t va;

    for (struct vma *v = source->mappings; v; v = v->source_next) {
        hal_pte_t *e = borrowed_entry(v, index, &va);

        if (e) {
            hal_pte_swap(e, 0);
            stale(v->space, va);
        }
    }
}

static uint32_t notes_of(hal_pte_t e)
{
    return (hal_pte_dirty(e) ? NOTED_DIRTY : 0) | (hal_pte_referenced(e) ? NOTED_REFERENCED : 0);
}

uint32_t space_harvest_source(struct source *source, uint64_t index, uint32_t wanted)
{
    uint64_t va;
    uint32_t noted = 0;

    for (struct vma *v = source->mappings; v; v = v->source_next) {
        hal_pte_t *e = borrowed_entry(v, index, &va);

        if (!e || !(notes_of(*e) & wanted))
            continue;
        hal_pte_t value = *e; /* nothing but these notes can change meanwhile */
        if (wanted & NOTED_DIRTY)
            value = hal_pte_clean(value);
        if (wanted & NOTED_REFERENCED)
            value = hal_pte_unreferenced(value);
        noted |= notes_of(hal_pte_swap(e, value));
        stale(v->space, va);
    }
    return noted;
}

bool space_unmap_cap(struct source *source, cap_id cap, unsigned *budget)
{
    for (struct vma *v = source->mappings, *next; v; v = next) {
        struct space *s = v->space;

        next = v->source_next;
        if (v->cap != cap)
            continue;
        uint64_t end = v->end, stop = pages_clear(s, v->start, end, budget);
        vma_cut(s, vma_after(s, v->start), stop);
        if (stop < end)
            return false;
    }
    return true;
}

/* ---- cloning ----------------------------------------------------------------------------------- */

/* Copies the entries of one mapping; both sides lose the right to write private frames. Returns
 * where it stopped. */
static uint64_t clone_pages(struct space *to, struct space *from, uint64_t va, uint64_t end,
                            unsigned *budget)
{
    while ((va = hal_space_next(&from->hal, va, end)) < end) {
        hal_pte_t *source = hal_space_entry(&from->hal, va, 0);
        hal_pte_t *target = hal_space_entry(&to->hal, va, &to->tables);
        uint64_t leaf_end = (va | (LEAF_BYTES - 1)) + 1;

        if (!target)
            return va;
        if (leaf_end > end)
            leaf_end = end;
        for (; va < leaf_end; va += EXO_PAGE_SIZE, source++, target++) {
            hal_pte_t *at = source;

            if (skip8(&va, leaf_end, &source)) {
                target += source - at;
                continue;
            }
            if (!hal_pte_present(*source))
                continue;
            if (*budget == 0)
                return va;
            --*budget;
            if (hal_pte_soft(*source) & HAL_SOFT_OWNED) {
                pfn_t f = hal_pte_frame(*source);

                frame_share(f);
                to->owned++;
                hal_pte_swap(source, hal_pte_make(f, hal_pte_rights(*source) & ~EXO_MAP_WRITE,
                                                  HAL_SOFT_OWNED | HAL_SOFT_COW, false));
            }
            *target = *source;
        }
    }
    return end;
}

#define CLONE_PAGES 2048u /* present pages, and mappings, of one call */

/* Clones what lies of one mapping in [start, end). EXO_OK, an address to go on with, or an error. */
static int64_t clone_mapping(struct space *to, struct space *from, const struct vma *v,
                             uint64_t start, uint64_t end, cap_id cap, unsigned *budget)
{
    uint64_t first = start > v->start ? start : v->start, last = end < v->end ? end : v->end;
    struct map_request want = {.start = first,
                               .end = last,
                               .source = v->source,
                               .index = v->index + ((first - v->start) >> EXO_PAGE_SHIFT),
                               .cap = cap,
                               .rights = v->rights,
                               .rights_max = v->rights_max,
                               .flags = v->flags};

    if (*budget == 0)
        return (int64_t)first;
    --*budget;
    int64_t st = space_map(to, &want, false);
    if (st != EXO_OK)
        return st;
    uint64_t stop = clone_pages(to, from, first, last, budget);
    if (stop == last)
        return EXO_OK;
    if (*budget > 0)
        return EXO_ENOMEM;
    st = space_unmap(to, stop, last); /* the next piece maps it again, and they join */
    return st == EXO_OK ? (int64_t)stop : st;
}

int64_t space_clone(struct space *to, struct space *from, uint64_t start, uint64_t end,
                    uint32_t leave_out, cap_id (*cap_in)(struct space *to, const struct vma *v))
{
    unsigned budget = CLONE_PAGES;
    int64_t st = EXO_OK;

    for (uint32_t i = vma_after(from, start);
         st == EXO_OK && i < from->count && from->vmas[i]->start < end; i++) {
        const struct vma *v = from->vmas[i];
        cap_id cap = CAP_NIL;

        if (!(v->flags & leave_out) && (!v->source || (cap = cap_in(to, v)) != CAP_NIL))
            st = clone_mapping(to, from, v, start, end, cap, &budget);
    }
    hal_space_flush(&from->hal, HAL_FLUSH_ALL); /* also after an error: entries lost their W */
    return st;
}

/* ---- preserving and restoring ------------------------------------------------------------------- */

int64_t space_preserve(struct space *s, uint64_t start, uint64_t end, bool keep)
{
    uint64_t at = start;

    for (uint32_t j = vma_after(s, start); at < end; j++) {
        if (j >= s->count || s->vmas[j]->start > at)
            return EXO_ENOENT;
        at = s->vmas[j]->end;
    }
    int64_t st = split_around(s, start, end);
    if (st != EXO_OK)
        return st;
    uint32_t i = vma_after(s, start), j = i;
    for (; j < s->count && s->vmas[j]->start < end; j++)
        s->vmas[j]->flags =
            (uint8_t)((s->vmas[j]->flags & ~EXO_MAP_PRESERVE) | (keep ? EXO_MAP_PRESERVE : 0));
    for (; j > i; j--)
        vma_join(s, j);
    vma_join(s, i);
    return EXO_OK;
}

/* One entry of a life that has ended: what it owns goes, and what the snapshot owns comes. True if there
 * was something to do. */
static bool entry_restore(struct space *s, hal_pte_t *e, const hal_pte_t *was)
{
    bool mine = hal_pte_present(*e) && hal_pte_soft(*e) & HAL_SOFT_OWNED;
    bool wanted = was && hal_pte_present(*was) && hal_pte_soft(*was) & HAL_SOFT_OWNED;

    if (!mine && !wanted)
        return false;
    if (mine && wanted && hal_pte_frame(*e) == hal_pte_frame(*was))
        return false;
    if (hal_pte_present(*e))
        entry_clear(s, e);
    if (wanted) {
        frame_share(hal_pte_frame(*was));
        s->owned++;
        *e = *was;
    }
    return true;
}

static uint64_t table_restore(struct space *s, hal_pte_t *e, const hal_pte_t *was, uint64_t va,
                              uint64_t end, unsigned *budget)
{
    unsigned left = *budget;

    for (; va < end && left > 0; va += EXO_PAGE_SIZE, e++, was++)
        left -= entry_restore(s, e, was);
    *budget = left;
    return va;
}

/* The same where the snapshot owns nothing, as after loading: what the life wrote goes. */
static uint64_t table_clear(struct space *s, hal_pte_t *e, uint64_t va, uint64_t end,
                            unsigned *budget)
{
    unsigned left = *budget < GONE_MAX - gone_count ? *budget : GONE_MAX - gone_count;
    unsigned before = left;

    for (; va < end && left > 0; va += EXO_PAGE_SIZE, e++) {
        if (*e == 0) {
            skip8(&va, end, &e);
        } else if (hal_pte_soft(*e) & HAL_SOFT_OWNED) {
            gone[gone_count++] = hal_pte_frame(hal_pte_swap(e, 0));
            left--;
        }
    }
    s->owned -= before - left;
    *budget -= before - left;
    return va;
}

/* The next address of [va, end) where either has a leaf table. */
static uint64_t next_table(struct space *s, struct space *image, uint64_t va, uint64_t end)
{
    uint64_t mine = hal_space_next(&s->hal, va, end);
    uint64_t theirs = image->owned ? hal_space_next(&image->hal, va, end) : end;

    return mine < theirs ? mine : theirs;
}

/* Restores the pages of [va, end), which lie in one mapping that both have. Where it stopped. */
static uint64_t pages_restore(struct space *s, struct space *image, uint64_t va, uint64_t end,
                              unsigned *budget)
{
    while ((va = next_table(s, image, va, end)) < end && *budget > 0) {
        uint64_t leaf_end = (va | (LEAF_BYTES - 1)) + 1;
        const hal_pte_t *was = image->owned ? hal_space_entry(&image->hal, va, 0) : 0;
        hal_pte_t *e = space_entry(s, va, was ? &s->tables : 0);

        if (!e)
            break; /* no memory for a table */
        if (leaf_end > end)
            leaf_end = end;
        va = was ? table_restore(s, e, was, va, leaf_end, budget)
                 : table_clear(s, e, va, leaf_end, budget);
        *budget -= *budget > 0; /* for looking through it */
    }
    return va < end ? va : end;
}

/* Does mapping `v` show at its addresses what `w` of the snapshot shows there? */
static bool agrees(const struct vma *v, const struct vma *w)
{
    return v->source == w->source && v->rights == w->rights && v->rights_max == w->rights_max &&
           v->flags == w->flags &&
           (!v->source ||
            v->index - (v->start >> EXO_PAGE_SHIFT) == w->index - (w->start >> EXO_PAGE_SHIFT));
}

/* Can pages of the mapping be private? */
static bool may_own(const struct vma *v)
{
    return !v->source || v->flags & EXO_MAP_PRIVATE;
}

/* Maps what the snapshot has in [start, end) and the life had not. A source whose capability was revoked
 * is left out. */
static int64_t map_again(struct space *s, const struct vma *w, uint64_t start, uint64_t end,
                         cap_id (*cap_in)(struct space *to, const struct vma *v))
{
    struct map_request want = {.start = start,
                               .end = end,
                               .source = w->source,
                               .index = w->index + ((start - w->start) >> EXO_PAGE_SHIFT),
                               .cap = w->source ? cap_in(s, w) : CAP_NIL,
                               .rights = w->rights,
                               .rights_max = w->rights_max,
                               .flags = w->flags};

    return w->source && want.cap == CAP_NIL ? EXO_ENOENT : space_map(s, &want, false);
}

/* One step: from *at to the next boundary of either space's mappings. False at the end of both. */
static bool restore_step(struct space *s, struct space *image, uint64_t *at, unsigned *budget,
                         cap_id (*cap_in)(struct space *to, const struct vma *v), int64_t *result)
{
    uint32_t i = vma_after(s, *at), j = vma_after(image, *at);
    const struct vma *v = i < s->count ? s->vmas[i] : 0, *w = j < image->count ? image->vmas[j] : 0;
    uint64_t vs = !v ? UINT64_MAX : v->start > *at ? v->start : *at;
    uint64_t ws = !w ? UINT64_MAX : w->start > *at ? w->start : *at;
    uint64_t start = vs < ws ? vs : ws, end;

    if (!v && !w)
        return false;
    if (v && vs <= ws && v->flags & EXO_MAP_PRESERVE) {
        *at = v->end;
        return true;
    }
    if (vs == ws && agrees(v, w)) {
        end = v->end < w->end ? v->end : w->end;
    } else if (vs <= ws) { /* the life's alone */
        end = ws > vs ? ws : w->end;
        end = v->end < end ? v->end : end;
        end = pages_clear(s, start, end, budget);
        *budget -= *budget > 0; /* for the mapping */
        *result = end > start ? space_unmap(s, start, end) : EXO_OK;
        *at = end > start ? start : *at;
        return true;
    } else { /* the snapshot's alone */
        end = w->end < vs ? w->end : vs;
        *result = map_again(s, w, start, end, cap_in);
        if (*result != EXO_OK) {
            *at = end;
            *result = *result == EXO_ENOENT ? EXO_OK : *result;
            return true;
        }
    }
    *at = may_own(w) ? pages_restore(s, image, start, end, budget) : end;
    if (*at<end && * budget> 0)
        *result = EXO_ENOMEM;
    return true;
}

int64_t space_restore(struct space *s, struct space *image, uint64_t *at, unsigned *budget,
                      cap_id (*cap_in)(struct space *to, const struct vma *v))
{
    int64_t st = EXO_OK;
    bool more = true;

    while (st == EXO_OK && *budget > 0 && more)
        more = restore_step(s, image, at, budget, cap_in, &st);
    gone_flush(s, HAL_FLUSH_ALL);
    return st != EXO_OK ? st : more ? EXO_EAGAIN : EXO_OK;
}

/* ---- beginning and end ------------------------------------------------------------------------- */

bool space_init(struct space *s, struct account *account, uint32_t id)
{
    *s = (struct space){
        .tables = {table_take, table_give}, .account = account, .id = id, .stale = STALE_NONE};
    pfn_t array = frame_take(account);
    if (array == PFN_NONE)
        return false;
    s->vmas = hal_frame_ptr(array);
    if (hal_space_init(&s->hal, &s->tables))
        return true;
    frame_unshare(array);
    return false;
}

bool space_teardown(struct space *s, unsigned budget)
{
    while (s->count > 0) { /* the last mapping, from its front: what is cleared is cut off */
        const struct vma *v = s->vmas[s->count - 1];
        uint64_t end = v->end, stop = pages_clear(s, v->start, end, &budget);

        vma_cut(s, s->count - 1, stop);
        if (stop < end || budget == 0)
            return false;
        budget--; /* for the mapping */
    }
    if (s->vmas) {
        for (pfn_t i = 0; i < (pfn_t)1 << s->order; i++)
            frame_unshare(hal_frame_of(s->vmas) + i);
        s->vmas = 0;
    }
    return hal_space_free(&s->hal, &s->tables, budget);
}
