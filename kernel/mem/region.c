/* SPDX-License-Identifier: MIT */
/* Regions and extents: see region.h. */
#include <kernel/env/env.h>
#include <kernel/mem/account.h>
#include <kernel/mem/frame.h>
#include <kernel/mem/region.h>
#include <kernel/mem/space.h>
#include <kernel/sys.h>
#include <stdatomic.h>
#include <lib/string.h>

/* An entry of the tree: 0 (nothing) or frame << 1 | 1. A node is a frame of 512 entries. A page's
 * entry may have DIRTY as well: see source_note_dirty. */
#define NODE_BITS          9u
#define NODE_ENTRIES       512u
#define ENTRY(frame)       ((uint64_t)(frame) << 1 | 1)
#define ENTRY_FRAME(entry) ((pfn_t)((entry) >> 1))
#define DIRTY              ((uint64_t)1 << 63)

static uint64_t *node(uint64_t entry)
{
    return hal_frame_ptr(ENTRY_FRAME(entry));
}

/* How many pages a tree of this height covers. */
static uint64_t span(uint32_t height)
{
    return (uint64_t)1 << (NODE_BITS * height);
}

static struct account *payer(const struct region *r)
{
    return r->source.object.account;
}

/* Puts a node above the root, so that the tree covers 512 times as much. */
static bool grow(struct region *r)
{
    if (r->root != 0) {
        pfn_t top = frame_take(payer(r));

        if (top == PFN_NONE)
            return false;
        ((uint64_t *)hal_frame_ptr(top))[0] = r->root;
        r->root = ENTRY(top);
    }
    r->height++;
    return true;
}

/* The place of page `index`; with `create` the nodes above it are made. 0: not there, no memory. */
static uint64_t *place(struct region *r, uint64_t index, bool create)
{
    while (index >= span(r->height)) {
        if (!create || !grow(r))
            return 0;
    }
    uint64_t *entry = &r->root;
    for (uint32_t h = r->height; h > 0; h--) {
        if (*entry == 0) {
            pfn_t made = create ? frame_take(payer(r)) : PFN_NONE;

            if (made == PFN_NONE)
                return 0;
            *entry = ENTRY(made);
        }
        entry = &node(*entry)[index >> (NODE_BITS * (h - 1)) & (NODE_ENTRIES - 1)];
    }
    return entry;
}

pfn_t region_frame(const struct region *r, uint64_t index)
{
    if (index >= span(r->height))
        return PFN_NONE;
    uint64_t entry = r->root;
    for (uint32_t h = r->height; h > 0 && entry != 0; h--)
        entry = node(entry)[index >> (NODE_BITS * (h - 1)) & (NODE_ENTRIES - 1)];
    return entry == 0 ? PFN_NONE : ENTRY_FRAME(entry);
}

pfn_t region_fill(struct region *r, uint64_t index)
{
    uint64_t *at = place(r, index, true);

    if (!at)
        return PFN_NONE;
    if (*at == 0) {
        pfn_t f = frame_take(payer(r));

        if (f == PFN_NONE)
            return PFN_NONE;
        *at = ENTRY(f);
        r->present++;
    }
    return ENTRY_FRAME(*at);
}

pfn_t source_present(const struct source *s, uint64_t index)
{
    if (index >= s->pages)
        return PFN_NONE;
    if (s->object.type == EXO_FRAME)
        return ((const struct extent *)s)->first + (pfn_t)index;
    return region_frame((const struct region *)s, index);
}

pfn_t source_frame(struct source *s, uint64_t index)
{
    struct region *r = (struct region *)s;

    if (s->object.type == EXO_REGION && r->flags & REGION_ZERO_FILL && index < r->fill_end)
        return region_fill(r, index);
    return source_present(s, index);
}

void source_note_dirty(struct source *s, uint64_t index)
{
    uint64_t *at = s->object.type == EXO_REGION ? place((struct region *)s, index, false) : 0;

    if (at && *at != 0)
        *at |= DIRTY;
}

int64_t extent_create(struct account *account, pfn_t first, uint64_t pages, bool device,
                      struct extent **out)
{
    void *made;
    int64_t st = object_create(EXO_FRAME, account, &made);

    if (st != EXO_OK)
        return st;
    struct extent *e = made;
    e->source.pages = pages;
    e->first = first;
    e->device = device;
    *out = e;
    return EXO_OK;
}

/* From the end, so that what is left is an extent. */
static bool extent_empty(struct extent *e, unsigned *budget)
{
    for (; !e->device && e->source.pages > 0; e->source.pages--) {
        if (*budget == 0)
            return false;
        --*budget;
        frame_unshare(e->first + (pfn_t)(e->source.pages - 1));
    }
    return true;
}

/* Frees what an entry of a height holds, and the entry. Depth is at most REGION_HEIGHT_MAX. A later
 * piece finds the nodes on the way to where this one stopped, and their entries before that empty. */
static bool release(struct region *r, uint64_t *entry, uint32_t height, unsigned *budget)
{
    if (*entry == 0)
        return true;
    if (height > 0) {
        uint64_t *entries = node(*entry);

        for (unsigned i = 0; i < NODE_ENTRIES; i++) {
            if (!release(r, &entries[i], height - 1, budget))
                return false;
        }
    }
    if (*budget == 0)
        return false;
    --*budget;
    r->present -= height == 0;
    frame_unshare(ENTRY_FRAME(*entry));
    *entry = 0;
    return true;
}

bool source_empty(struct source *s, unsigned *budget)
{
    struct region *r = (struct region *)s;

    return s->object.type == EXO_FRAME ? extent_empty((struct extent *)s, budget)
                                       : release(r, &r->root, r->height, budget);
}

/* What is left here at most: env_cap_end has emptied what goes with its last capability. */
void source_destroy(struct source *s)
{
    unsigned all = UINT32_MAX;

    source_empty(s, &all);
}

/* ---- calls ------------------------------------------------------------------------------------- */

static int64_t region_of(exo_cap cap, uint32_t rights, struct region **out)
{
    return env_object(env_current(), cap, EXO_REGION, rights, (void **)out);
}

static bool range_ok(uint64_t first, uint64_t count, uint64_t limit)
{
    return count != 0 && first < limit && count <= limit - first;
}

int64_t sys_frame_alloc(exo_cap account_cap, uint64_t pages)
{
    struct account *account;
    struct extent *e;
    int64_t st;

    if ((st = env_account(env_current(), account_cap, EXO_R_CHARGE, &account)) != EXO_OK)
        return st;
    if (pages == 0 || pages > 1024)
        return EXO_EINVAL;
    pfn_t first = frame_take_run(account, (uint32_t)pages);
    if (first == PFN_NONE)
        return EXO_ENOMEM;
    if ((st = extent_create(account, first, pages, false, &e)) != EXO_OK) {
        for (pfn_t i = 0; i < (pfn_t)pages; i++)
            frame_unshare(first + i);
        return st;
    }
    return env_grant_new(env_current(), &e->source.object, EXO_R_ALL);
}

int64_t sys_region_create(exo_cap account_cap, uint64_t pages, uint32_t flags)
{
    struct account *account;
    void *made;
    int64_t st;

    if ((st = env_account(env_current(), account_cap, EXO_R_CHARGE, &account)) != EXO_OK)
        return st;
    if (pages == 0 || pages > span(REGION_HEIGHT_MAX) || (flags & ~REGION_ZERO_FILL) != 0)
        return EXO_EINVAL;
    if ((st = object_create(EXO_REGION, account, &made)) != EXO_OK)
        return st;
    struct region *r = made;
    r->source.pages = pages;
    r->fill_end = pages;
    r->flags = flags;
    return env_grant_new(env_current(), &r->source.object, EXO_R_ALL);
}

int64_t sys_region_insert(exo_cap region, uint64_t index, exo_cap frame, uint64_t offset,
                          uint64_t pages)
{
    struct region *r;
    struct extent *e;
    int64_t st;

    if ((st = region_of(region, EXO_R_WRITE, &r)) != EXO_OK)
        return st;
    if ((st = env_object(env_current(), frame, EXO_FRAME, EXO_R_READ | EXO_R_WRITE, (void **)&e)) !=
        EXO_OK) /* the region's holders may do both */
        return st;
    if (pages > 512 || e->device || !range_ok(index, pages, r->source.pages) ||
        !range_ok(offset, pages, e->source.pages))
        return EXO_EINVAL;
    for (uint64_t i = 0; i < pages; i++) { /* all nodes first, so that the commit cannot fail */
        uint64_t *at = place(r, index + i, true);

        if (!at)
            return EXO_ENOMEM;
        if (*at != 0)
            return EXO_EEXIST;
    }
    for (uint64_t i = 0; i < pages; i++) {
        pfn_t f = e->first + (pfn_t)(offset + i);

        frame_share(f);
        *place(r, index + i, false) = ENTRY(f);
        r->present++;
    }
    return EXO_OK;
}

/* The next present page at or after `index` and below `end`; skips absent subtrees. */
static uint64_t next_present(const struct region *r, uint64_t index, uint64_t end)
{
    while (index < end && index < span(r->height)) {
        uint64_t entry = r->root;
        uint32_t h = r->height;

        while (h > 0 && entry != 0) {
            h--;
            entry = node(entry)[index >> (NODE_BITS * h) & (NODE_ENTRIES - 1)];
        }
        if (entry != 0)
            return index;
        index = (index | (span(h) - 1)) + 1;
    }
    return end;
}

#define PUNCH_PAGES 512u

int64_t sys_region_punch(exo_cap region, uint64_t index, uint64_t pages)
{
    static pfn_t gone[PUNCH_PAGES]; /* under the kernel lock */
    struct region *r;
    int64_t st;
    unsigned count = 0;

    if ((st = region_of(region, EXO_R_WRITE, &r)) != EXO_OK)
        return st;
    if (!range_ok(index, pages, r->source.pages))
        return EXO_EINVAL;
    uint64_t end = index + pages;
    for (index = next_present(r, index, end); index < end && count < PUNCH_PAGES;
         index = next_present(r, index, end)) {
        uint64_t *at = place(r, index, false);

        gone[count++] = ENTRY_FRAME(*at);
        space_unmap_source(&r->source, index);
        *at = 0;
        r->present--;
        index++;
    }
    space_flush_source(&r->source);
    while (count > 0)
        frame_unshare(gone[--count]);
    return index < end ? EXO_EAGAIN : EXO_OK;
}

int64_t sys_region_limit(exo_cap region, uint64_t pages)
{
    struct region *r;
    int64_t st = region_of(region, EXO_R_CONTROL, &r);

    if (st != EXO_OK)
        return st;
    if (pages > r->source.pages || !(r->flags & REGION_ZERO_FILL))
        return EXO_EINVAL;
    r->fill_end = pages;
    return EXO_OK;
}

#define COPY_MAX 65536u

static int64_t copy_check(const struct region *r, uint64_t offset, uint64_t bytes)
{
    uint64_t limit = r->source.pages << EXO_PAGE_SHIFT;

    return bytes <= COPY_MAX && offset <= limit && bytes <= limit - offset ? EXO_OK : EXO_EINVAL;
}

int64_t sys_region_write(exo_cap region, uint64_t offset, const void *from, uint64_t bytes)
{
    struct region *r;
    uint64_t va = (uintptr_t)from, done = 0;
    int64_t st;

    if ((st = region_of(region, EXO_R_WRITE, &r)) != EXO_OK ||
        (st = copy_check(r, offset, bytes)) != EXO_OK)
        return st;
    /* Release: what the caller wrote before, here or by an earlier call, comes first for whoever has the
     * region mapped (proofs/memory/protocols/fs_state.py). */
    atomic_thread_fence(memory_order_release);
    while (done < bytes) {
        uint64_t at = offset + done, within = at & (EXO_PAGE_SIZE - 1);
        uint64_t part = EXO_PAGE_SIZE - within;
        pfn_t f = region_fill(r, at >> EXO_PAGE_SHIFT);

        if (f == PFN_NONE)
            return done ? (int64_t)done : EXO_ENOMEM;
        if (part > bytes - done)
            part = bytes - done;
        if (!hal_copy_in((char *)hal_frame_ptr(f) + within, va + done, part))
            return EXO_EFAULT;
        done += part;
    }
    return (int64_t)done;
}

int64_t sys_region_read(exo_cap region, uint64_t offset, void *to, uint64_t bytes)
{
    static const uint8_t zeros[EXO_PAGE_SIZE];
    struct region *r;
    uint64_t va = (uintptr_t)to, done = 0;
    int64_t st;

    if ((st = region_of(region, EXO_R_READ, &r)) != EXO_OK ||
        (st = copy_check(r, offset, bytes)) != EXO_OK)
        return st;
    while (done < bytes) {
        uint64_t at = offset + done, within = at & (EXO_PAGE_SIZE - 1);
        uint64_t part = EXO_PAGE_SIZE - within;
        pfn_t f = region_frame(r, at >> EXO_PAGE_SHIFT);
        const char *page = f == PFN_NONE ? (const char *)zeros : hal_frame_ptr(f);

        if (part > bytes - done)
            part = bytes - done;
        if (!hal_copy_out(va + done, page + within, part))
            return EXO_EFAULT;
        done += part;
    }
    return (int64_t)done;
}

#define HARVEST_PAGES 512u

/* Of each kind that is asked for, one bit a page. */
struct harvest {
    uint64_t to[2]; /* the addresses: dirty, referenced; 0: not asked for */
    uint64_t bytes; /* of each */
    uint64_t words[2][HARVEST_PAGES / 64];
};

static bool harvest_out(const struct harvest *h)
{
    return (!h->to[0] || hal_copy_out(h->to[0], h->words[0], h->bytes)) &&
           (!h->to[1] || hal_copy_out(h->to[1], h->words[1], h->bytes));
}

/* What mappings that are gone noted, and what those that are do. What is dirty and not asked for may be
 * known only here now: it stays noted. */
static uint32_t harvest_page(struct region *r, uint64_t index, uint64_t *at, uint32_t wanted)
{
    uint32_t noted =
        space_harvest_source(&r->source, index, wanted) | (*at & DIRTY ? NOTED_DIRTY : 0);

    *at &= ~DIRTY;
    if (noted & ~wanted & NOTED_DIRTY)
        *at |= DIRTY;
    return noted & wanted;
}

int64_t sys_region_harvest(exo_cap region, uint64_t index, uint64_t pages, uint64_t *dirty,
                           uint64_t *referenced)
{
    struct harvest h = {.to = {(uintptr_t)dirty, (uintptr_t)referenced},
                        .bytes = (pages + 63) / 64 * 8};
    uint32_t wanted = (dirty ? NOTED_DIRTY : 0) | (referenced ? NOTED_REFERENCED : 0);
    struct region *r;
    int64_t st, count = 0;

    if ((st = region_of(region, EXO_R_CONTROL, &r)) != EXO_OK)
        return st;
    if (pages > HARVEST_PAGES || !range_ok(index, pages, r->source.pages) || !wanted)
        return EXO_EINVAL;
    if (!harvest_out(&h)) /* before anything is forgotten */
        return EXO_EFAULT;
    for (uint64_t i = 0; i < pages; i++) {
        uint64_t *at = place(r, index + i, false);
        uint32_t noted = at && *at != 0 ? harvest_page(r, index + i, at, wanted) : 0;

        for (unsigned kind = 0; kind < 2; kind++) {
            h.words[kind][i / 64] |= (uint64_t)(noted >> kind & 1) << i % 64;
            count += noted >> kind & 1;
        }
    }
    space_flush_source(&r->source);
    return harvest_out(&h) ? count : EXO_EFAULT;
}
