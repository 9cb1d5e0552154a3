/* SPDX-License-Identifier: MIT */
/*
 * Open file descriptions: what remains one when a descriptor is inherited: the offset and the
 * status flags. They lie in a region that is mapped at POSIX_OFD_VA in every environment of a fork
 * lineage; all of them may write it, so it holds nothing but what its holders may change anyhow.
 *
 *     page 0 ..    struct ofd [OFD_SLOTS]
 *     then         struct ofd_row [PROC_MAX]: which descriptions the environment of a process holds
 *
 * A slot is free while `users` is 0; one compare-and-swap takes it. `users` counts environments.
 *
 * A process that is killed closes nothing. Its row says what it held, and the row is cleared when
 * its slot in proc's table is used again, or when descriptions run out (ofd_sweep). The row belongs
 * to an environment and is named by the slot of the process that the environment was made for, so a
 * vfork context has none until it execs. Order matters where a death may fall between two stores:
 * count up before the bit, bit away before counting down. At worst a description is never free
 * again; it is never freed under a user.
 *
 * The offset: who is alone (users == 1) just stores it. Else a claim excludes the others for the
 * time of one read or write, as Linux's f_pos_lock does; if the claimant dies, the offset has not
 * moved.
 *
 * Orders (proofs/memory/protocols/ofd.py): counting down is a release and taking a slot an acquire, so
 * the last user's stores come before the next one's; an offset passes from one to the next by the claim.
 */
#include "claim.h"
#include "files.h"

#define OFD_WORDS 255u
#define OFD_SLOTS (OFD_WORDS * 64)

struct ofd_row {
    _Atomic uint32_t pid;   /* whose it is, dead or alive; 0: nobody's */
    _Atomic uint32_t count; /* bits that are set */
    _Atomic uint64_t bits[OFD_WORDS];
};
static_assert(sizeof(struct ofd_row) == 2048, "shared: ofd_row");

#define OFD_SLOT_BYTES ((uint64_t)1 << 20)
#define OFD_PAGES      ((OFD_SLOT_BYTES + PROC_MAX * sizeof(struct ofd_row)) / EXO_PAGE_SIZE)
static_assert(OFD_SLOTS * sizeof(struct ofd) < OFD_SLOT_BYTES, "shared: ofd, and a word");

/* Of this environment; a fork's copy is told its own by ofd_row_use. */
static uint32_t own_row;

/* Shared, behind the last slot: a guess below which no slot is likely free. */
static _Atomic uint32_t *lowest_free(void)
{
    return (_Atomic uint32_t *)(POSIX_OFD_VA + OFD_SLOT_BYTES - sizeof(uint32_t));
}

static struct ofd *ofd_at(uint32_t index)
{
    return (struct ofd *)POSIX_OFD_VA + index;
}

static uint32_t ofd_index(const struct ofd *d)
{
    return (uint32_t)(d - (struct ofd *)POSIX_OFD_VA);
}

static struct ofd_row *row_at(uint32_t slot)
{
    return (struct ofd_row *)(POSIX_OFD_VA + OFD_SLOT_BYTES) + slot;
}

static void row_set(struct ofd_row *row, uint32_t index)
{
    uint64_t bit = (uint64_t)1 << index % 64;

    if ((atomic_fetch_or(&row->bits[index / 64], bit) & bit) == 0)
        row->count++;
}

static bool row_clear(struct ofd_row *row, uint32_t index)
{
    uint64_t bit = (uint64_t)1 << index % 64;

    if ((atomic_fetch_and(&row->bits[index / 64], ~bit) & bit) == 0)
        return false;
    row->count--;
    return true;
}

/* One user less. */
static void ofd_count_down(struct ofd *d)
{
    uint32_t index = ofd_index(d);

    if (atomic_fetch_sub(&d->users, 1) == 1 && index < atomic_load(lowest_free()))
        atomic_store(lowest_free(), index);
}

/* Gives up everything that a dead owner of the row held. */
static void row_release(struct ofd_row *row)
{
    for (uint32_t word = 0; word < OFD_WORDS; word++) {
        while (atomic_load(&row->bits[word]) != 0) {
            uint32_t index = word * 64 + (uint32_t)__builtin_ctzll(atomic_load(&row->bits[word]));

            if (row_clear(row, index))
                ofd_count_down(ofd_at(index));
        }
    }
    row->count = 0;
}

static bool row_owner_lives(uint32_t slot, int32_t pid)
{
    const struct proc_entry *entry = (const struct proc_entry *)PROC_TABLE_VA + slot;

    if (entry->pid == pid && entry->state != PROC_FREE && entry->state != PROC_ZOMBIE)
        return true;
    /* Acquire: all bits that the dead owner set are seen. */
    atomic_thread_fence(memory_order_acquire);
    return false;
}

/* Clears the rows of all dead processes; for when no description is free. */
static void ofd_sweep(void)
{
    for (uint32_t slot = 0; slot < PROC_MAX; slot++) {
        struct ofd_row *row = row_at(slot);
        uint32_t pid = atomic_load(&row->pid);

        if (pid != 0 && row->count != 0 && !row_owner_lives(slot, (int32_t)pid) &&
            atomic_compare_exchange_strong(&row->pid, &pid, 0))
            row_release(row);
    }
}

static struct ofd *ofd_find(void)
{
    uint32_t first = atomic_load(lowest_free());

    for (uint32_t i = 0; i < OFD_SLOTS; i++) {
        uint32_t index = (first + i) % OFD_SLOTS, free = 0;
        struct ofd *d = ofd_at(index);

        if (atomic_load_explicit(&d->users, memory_order_relaxed) == 0 &&
            atomic_compare_exchange_strong(&d->users, &free, 1)) {
            atomic_store(lowest_free(), (index + 1) % OFD_SLOTS);
            return d;
        }
    }
    return 0;
}

/** A description of one user. 0: all are in use. */
struct ofd *ofd_new(uint32_t flags)
{
    struct ofd *d = ofd_find();

    if (!d) {
        ofd_sweep();
        d = ofd_find();
        if (!d)
            return 0;
    }
    atomic_store_explicit(&d->flags, flags, memory_order_relaxed);
    atomic_store_explicit(&d->offset, 0, memory_order_relaxed);
    atomic_store_explicit(&d->offset_lock, 0, memory_order_relaxed);
    memset(d->pad, 0, sizeof d->pad);
    row_set(row_at(own_row), ofd_index(d));
    return d;
}

void ofd_put(struct ofd *d)
{
    if (row_clear(row_at(own_row), ofd_index(d)))
        ofd_count_down(d);
}

void ofd_row_take(uint32_t slot, int32_t pid)
{
    struct ofd_row *row = row_at(slot % PROC_MAX);

    /* Whoever had this slot of the table before is dead. */
    if (row->count != 0)
        row_release(row);
    atomic_store(&row->pid, (uint32_t)pid);
}

void ofd_row_use(uint32_t slot)
{
    own_row = slot % PROC_MAX;
}

void ofd_share(struct ofd *d, uint32_t slot)
{
    atomic_fetch_add(&d->users, 1);
    row_set(row_at(slot % PROC_MAX), ofd_index(d));
}

void ofd_unshare(struct ofd *d, uint32_t slot)
{
    if (row_clear(row_at(slot % PROC_MAX), ofd_index(d)))
        ofd_count_down(d);
}

/* ---- descriptions on their way (parcel.c) --------------------------------------------------------- */

/* Shared: a number that only this lineage has. */
static uint64_t *lineage(void)
{
    return (uint64_t *)(POSIX_OFD_VA + OFD_SLOT_BYTES) - 2;
}

uint64_t ofd_lineage(void)
{
    return *lineage();
}

uint32_t ofd_number(const struct ofd *d)
{
    return ofd_index(d);
}

uint32_t ofd_depart(struct ofd *d)
{
    atomic_fetch_add(&d->users, 1);
    return ofd_index(d);
}

void ofd_return(uint32_t index)
{
    if (index < OFD_SLOTS && atomic_load(&ofd_at(index)->users) > 1)
        ofd_count_down(ofd_at(index));
}

struct ofd *ofd_arrive(uint32_t index)
{
    struct ofd *d = ofd_at(index);

    if (index >= OFD_SLOTS || atomic_load(&d->users) == 0)
        return 0;
    if (atomic_load(&row_at(own_row)->bits[index / 64]) >> index % 64 & 1)
        return 0; /* a file of ours has it: parcel.c has looked for one */
    row_set(row_at(own_row), index);
    return d;
}

int64_t ofd_start(void)
{
    int64_t region = exo_region_create(0, OFD_PAGES, 1);
    int64_t result = region;

    if (region >= 0)
        result =
            exo_map(0, POSIX_OFD_VA, OFD_PAGES, (exo_cap)region, 0, EXO_MAP_READ | EXO_MAP_WRITE);
    if (result < 0)
        return -ENOMEM;
    exo_entropy(lineage());
    ofd_row_take(current()->slot, current()->pid);
    ofd_row_use(current()->slot);
    return 0;
}

uint64_t ofd_offset_take(struct ofd *d)
{
    if (atomic_load_explicit(&d->users, memory_order_relaxed) > 1)
        claim_take(&d->offset_lock, claim_own_name());
    return atomic_load(&d->offset);
}

void ofd_offset_store(struct ofd *d, uint64_t offset)
{
    /* Relaxed: the next one takes the claim, whose drop is the release. */
    atomic_store_explicit(&d->offset, offset, memory_order_relaxed);
    if ((atomic_load(&d->offset_lock) & ~CLAIM_WAITED) == claim_own_name())
        claim_drop(&d->offset_lock);
}
