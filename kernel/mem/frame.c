/* SPDX-License-Identifier: MIT */
/* The frame table and the buddy system: see frame.h. */
#include <kernel/mem/account.h>
#include <kernel/mem/frame.h>
#include <kernel/mem/poison.h>
#include <kernel/object.h>
#include <kernel/trap/view.h>
#include <lib/string.h>

enum frame_state { FRAME_NONE, FRAME_FREE, FRAME_QUICK, FRAME_INNER, FRAME_KERNEL, FRAME_SHARED };

/*
 * One record a frame. Of a free block only the first frame's record is linked; the others are
 * FRAME_INNER. Invariant: a frame is on exactly one list (FREE: its order's, QUICK: the stack), or
 * KERNEL, or SHARED with shares >= 1.
 */
struct frame {
    union {
        struct {
            uint32_t next, prev; /* FREE, QUICK */
        };
        struct {
            uint32_t shares;  /* SHARED */
            uint32_t account; /* index of who pays, or PFN_NONE */
        };
    };
    uint8_t state;
    uint8_t order;    /* FREE: of the block */
    uint8_t poisoned; /* debug builds: its content is that of poison.h */
    uint8_t reserved;
};

#define QUICK_MAX 256u

static struct frame *frames;
static const struct hal_boot *machine;
static pfn_t ram[HAL_RANGES][2]; /* from, to */
static unsigned ram_count;
static pfn_t frame_count;             /* records; the table covers frame 0 .. frame_count-1 */
static pfn_t free_head[FRAME_ORDERS]; /* PFN_NONE: empty */
static pfn_t quick_head = PFN_NONE;
static uint64_t total;

static void block_link(pfn_t f, unsigned order)
{
    frames[f].state = FRAME_FREE;
    frames[f].order = (uint8_t)order;
    frames[f].prev = PFN_NONE;
    frames[f].next = free_head[order];
    if (free_head[order] != PFN_NONE)
        frames[free_head[order]].prev = f;
    free_head[order] = f;
    kernel_view->free_blocks[order]++;
}

static void block_unlink(pfn_t f)
{
    struct frame *r = &frames[f];

    if (r->prev != PFN_NONE)
        frames[r->prev].next = r->next;
    else
        free_head[r->order] = r->next;
    if (r->next != PFN_NONE)
        frames[r->next].prev = r->prev;
    kernel_view->free_blocks[r->order]--;
    r->state = FRAME_INNER;
}

/* Frees a block, merging it with its buddy as long as that is free and whole. */
static void block_free(pfn_t f, unsigned order)
{
    while (order + 1 < FRAME_ORDERS) {
        pfn_t buddy = f ^ ((pfn_t)1 << order);

        if (buddy >= frame_count || frames[buddy].state != FRAME_FREE ||
            frames[buddy].order != order)
            break;
        block_unlink(buddy);
        frames[f].state = FRAME_INNER;
        f &= ~((pfn_t)1 << order);
        order++;
    }
    block_link(f, order);
}

static pfn_t block_take(unsigned order)
{
    unsigned from = order;

    while (from < FRAME_ORDERS && free_head[from] == PFN_NONE)
        from++;
    if (from == FRAME_ORDERS)
        return PFN_NONE;
    pfn_t f = free_head[from];
    block_unlink(f);
    while (from > order) { /* give the upper half back */
        from--;
        block_link(f + ((pfn_t)1 << from), from);
    }
    return f;
}

/* The stack of single frames gives its content back, so that blocks can form. */
static void quick_drain(void)
{
    while (quick_head != PFN_NONE) {
        pfn_t f = quick_head;

        quick_head = frames[f].next;
        block_free(f, 0);
    }
    kernel_view->free_singles = 0;
}

/* Frames that were never used are not poisoned: filling all RAM at the start would take seconds. */
static void poison(pfn_t f)
{
#ifdef EXO_DEBUG
    poison_fill(hal_frame_ptr(f), EXO_PAGE_SIZE);
    frames[f].poisoned = 1;
#else
    (void)f;
#endif
}

static void unpoison(pfn_t f)
{
#ifdef EXO_DEBUG
    if (frames[f].poisoned)
        poison_check(hal_frame_ptr(f), EXO_PAGE_SIZE, "a frame");
    frames[f].poisoned = 0;
#else
    (void)f;
#endif
}

static pfn_t take_one(void)
{
    pfn_t f = quick_head;

    if (f != PFN_NONE) {
        quick_head = frames[f].next;
        kernel_view->free_singles--;
    } else if ((f = block_take(0)) == PFN_NONE) {
        return PFN_NONE;
    }
    kernel_view->frames_free--;
    unpoison(f);
    return f;
}

static void give_one(pfn_t f)
{
    poison(f);
    kernel_view->frames_free++;
    if (kernel_view->free_singles < QUICK_MAX) {
        frames[f].state = FRAME_QUICK;
        frames[f].next = quick_head;
        quick_head = f;
        kernel_view->free_singles++;
    } else {
        block_free(f, 0);
    }
}

static void claim(pfn_t f, struct account *account)
{
    frames[f].state = FRAME_SHARED;
    frames[f].shares = 1;
    frames[f].account = account ? account_index(account) : PFN_NONE;
}

pfn_t frame_take_raw(struct account *account)
{
    if (account && !account_charge_frames(account, 1))
        return PFN_NONE;
    pfn_t f = take_one();
    if (f == PFN_NONE) {
        if (account)
            account_uncharge_frames(account, 1);
        return PFN_NONE;
    }
    claim(f, account);
    return f;
}

pfn_t frame_take(struct account *account)
{
    pfn_t f = frame_take_raw(account);

    if (f != PFN_NONE)
        hal_page_zero(hal_frame_ptr(f));
    return f;
}

static pfn_t take_block(unsigned order)
{
    pfn_t f = block_take(order);

    if (f == PFN_NONE) {
        quick_drain();
        f = block_take(order);
    }
    if (f == PFN_NONE)
        return PFN_NONE;
    kernel_view->frames_free -= (uint64_t)1 << order;
    return f;
}

/* Frees [from, to), cut into the largest aligned blocks. */
static void range_free(pfn_t from, pfn_t to)
{
    kernel_view->frames_free += to - from;
    while (from < to) {
        unsigned order = 0;

        while (order + 1 < FRAME_ORDERS && (from & ((pfn_t)2 << order) - 1) == 0 &&
               from + ((pfn_t)2 << order) <= to)
            order++;
        block_link(from, order);
        from += (pfn_t)1 << order;
    }
}

pfn_t frame_take_run(struct account *account, uint32_t pages)
{
    unsigned order = 0;

    while (order < FRAME_ORDERS && (uint32_t)1 << order < pages)
        order++;
    if (order == FRAME_ORDERS || (account && !account_charge_frames(account, pages)))
        return PFN_NONE;
    pfn_t f = take_block(order);
    if (f == PFN_NONE) {
        if (account)
            account_uncharge_frames(account, pages);
        return PFN_NONE;
    }
    range_free(f + pages, f + ((pfn_t)1 << order));
    for (pfn_t i = 0; i < pages; i++) {
        unpoison(f + i);
        hal_page_zero(hal_frame_ptr(f + i));
        claim(f + i, account);
    }
    return f;
}

pfn_t frame_take_block(struct account *account, unsigned order)
{
    return frame_take_run(account, (uint32_t)1 << order);
}

void *frame_kernel(unsigned order)
{
    pfn_t f = order < FRAME_ORDERS ? take_block(order) : PFN_NONE;

    if (f == PFN_NONE)
        return 0;
    for (pfn_t i = 0; i < (pfn_t)1 << order; i++) {
        unpoison(f + i);
        frames[f + i].state = FRAME_KERNEL;
        hal_page_zero(hal_frame_ptr(f + i));
    }
    return hal_frame_ptr(f);
}

void frame_kernel_give(void *page)
{
    give_one(hal_frame_of(page));
}

void frame_share(pfn_t frame)
{
    if (frame_is_ram(frame))
        frames[frame].shares++;
}

void frame_unshare(pfn_t frame)
{
    if (!frame_is_ram(frame) || --frames[frame].shares != 0)
        return;
    if (frames[frame].account != PFN_NONE)
        account_uncharge_frames(account_at(frames[frame].account), 1);
    give_one(frame);
}

void frame_adopt(pfn_t frame, struct account *account)
{
    uint32_t payer = frames[frame].account;

    if (payer == account_index(account) || payer == PFN_NONE || !account_charge_frames(account, 1))
        return;
    frames[frame].account = account_index(account);
    account_uncharge_frames(account_at(payer), 1);
}

static void uncharge(uint32_t payer, uint64_t paid)
{
    if (paid != 0 && payer != PFN_NONE)
        account_uncharge_frames(account_at(payer), paid);
}

/* One uncharge for a run of frames that the same account pays, as they mostly are; the counts are changed
 * at the end, all at once. */
void frame_unshare_all(const pfn_t *list, unsigned count)
{
    uint32_t payer = PFN_NONE, singles = kernel_view->free_singles;
    uint64_t paid = 0, freed = 0;

    for (unsigned i = 0; i < count; i++) {
        pfn_t f = list[i];

        if (--frames[f].shares != 0)
            continue;
        if (frames[f].account != payer) {
            uncharge(payer, paid);
            payer = frames[f].account;
            paid = 0;
        }
        paid++;
        freed++;
        poison(f);
        if (singles < QUICK_MAX) {
            frames[f].state = FRAME_QUICK;
            frames[f].next = quick_head;
            quick_head = f;
            singles++;
        } else {
            block_free(f, 0);
        }
    }
    kernel_view->free_singles = singles;
    kernel_view->frames_free += freed;
    uncharge(payer, paid);
}

uint32_t frame_shares(pfn_t frame)
{
    return frame_is_ram(frame) ? frames[frame].shares : UINT32_MAX;
}

bool frame_is_ram(pfn_t frame)
{
    return frame < frame_count && frames[frame].state == FRAME_SHARED;
}

/* The records do not tell: those inside of a block that was never cut say FRAME_NONE. */
bool frame_are_device(pfn_t first, uint64_t count)
{
    uint64_t end = first + count, pa = (uint64_t)first << EXO_PAGE_SHIFT;

    for (unsigned i = 0; i < ram_count; i++) {
        if (ram[i][0] < end && first < ram[i][1])
            return false;
    }
    for (unsigned i = 0; i < machine->kept_count; i++) {
        const struct hal_range *kept = &machine->kept[i];

        if (end << EXO_PAGE_SHIFT > kept->base && pa < kept->base + kept->bytes)
            return false;
    }
    return true;
}

uint64_t frame_free_count(void)
{
    return kernel_view->frames_free;
}

uint64_t frame_total_count(void)
{
    return total;
}

/* ---- boot -------------------------------------------------------------------------------------- */

/* Frees a RAM range except for what overlaps `taken` ranges (sorted tests, few of them). */
static void range_free_around(pfn_t from, pfn_t to, const pfn_t taken[][2], unsigned count)
{
    while (from < to) {
        pfn_t end = to;
        bool inside = false;

        for (unsigned i = 0; i < count; i++) {
            if (taken[i][0] <= from && from < taken[i][1]) {
                from = taken[i][1];
                inside = true;
            } else if (from < taken[i][0] && taken[i][0] < end) {
                end = taken[i][0];
            }
        }
        if (!inside) {
            range_free(from, end);
            from = end;
        }
    }
}

/* A place for the frame table: the end of a RAM range that does not overlap the archive. */
static pfn_t table_place(const struct hal_boot *boot, pfn_t pages, const pfn_t archive[2])
{
    for (unsigned i = boot->ram_count; i-- > 0;) {
        pfn_t from = (pfn_t)(boot->ram[i].base >> EXO_PAGE_SHIFT);
        pfn_t to = from + (pfn_t)(boot->ram[i].bytes >> EXO_PAGE_SHIFT);

        if (to > archive[0] && from < archive[1]) { /* the larger side of the archive */
            if (archive[0] > from && archive[0] - from >= pages)
                return from;
            from = archive[1];
        }
        if (to > from && to - from >= pages)
            return to - pages;
    }
    kernel_panic("no RAM for the frame table");
}

void frame_init(const struct hal_boot *boot)
{
    pfn_t archive[2] = {
        (pfn_t)(boot->archive.base >> EXO_PAGE_SHIFT),
        (pfn_t)((boot->archive.base + boot->archive.bytes + EXO_PAGE_SIZE - 1) >> EXO_PAGE_SHIFT)};

    for (unsigned i = 0; i < boot->ram_count; i++) {
        uint64_t end = (boot->ram[i].base + boot->ram[i].bytes) >> EXO_PAGE_SHIFT;

        total += boot->ram[i].bytes >> EXO_PAGE_SHIFT;
        if (end > frame_count)
            frame_count = (pfn_t)end;
    }
    pfn_t pages = (pfn_t)(((uint64_t)frame_count * sizeof(struct frame) + EXO_PAGE_SIZE - 1) >>
                          EXO_PAGE_SHIFT);
    pfn_t place = table_place(boot, pages, archive);
    frames = hal_frame_ptr(place);
    machine = boot;
    for (pfn_t i = 0; i < pages; i++)
        hal_page_zero(hal_frame_ptr(place + i));
    for (unsigned i = 0; i < FRAME_ORDERS; i++)
        free_head[i] = PFN_NONE;

    pfn_t taken[2][2] = {{archive[0], archive[1]}, {place, place + pages}};
    for (unsigned i = 0; i < boot->ram_count; i++) {
        pfn_t from = (pfn_t)(boot->ram[i].base >> EXO_PAGE_SHIFT);
        pfn_t to = from + (pfn_t)(boot->ram[i].bytes >> EXO_PAGE_SHIFT);

        ram[ram_count][0] = from;
        ram[ram_count++][1] = to;
        range_free_around(from, to, taken, 2);
    }
    for (pfn_t f = archive[0]; f < archive[1]; f++)
        claim(f, 0);
}
