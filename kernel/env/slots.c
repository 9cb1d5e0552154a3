/* SPDX-License-Identifier: MIT */
/*
 * Handles: the per-environment tables over the global capability table.
 *
 * A slot is free or holds one capability. Each reuse of a slot has a higher generation, so a handle
 * that was kept too long is an error. Finding a free slot reads at most a bitmap of pages and one
 * page's bitmap: constant work.
 */
#include <kernel/env/env.h>
#include <kernel/env/thread.h>
#include <kernel/ipc/endpoint.h>
#include <kernel/ipc/event.h>
#include <kernel/ipc/pair.h>
#include <kernel/irq/device.h>
#include <kernel/mem/frame.h>
#include <kernel/mem/region.h>
#include <kernel/sched/sched.h>
#include <kernel/sys.h>
#include <kernel/trap/view.h>
#include <lib/string.h>

static struct cap_table table;

#define CALL_CAPS      64u /* capabilities in one call's piece of work */
#define PAGES_A_CAP    32u /* as much work as a capability */
#define CAP_USER_FLAGS (EXO_CAP_NOFORK | EXO_CAP_LENDER | EXO_CAP_KEEP)

void slots_init(uint32_t caps)
{
    uint64_t entries = 2 * (uint64_t)caps + 1; /* room for tombstones: see cap.h */
    unsigned order = 0;

    while ((EXO_PAGE_SIZE << order) < entries * sizeof(struct cap) && order + 1 < FRAME_ORDERS)
        order++;
    void *memory = frame_kernel(order);
    if (!memory)
        kernel_panic("no memory for the capability table");
    uint64_t fit = (EXO_PAGE_SIZE << order) / sizeof(struct cap);
    cap_table_init(&table, memory, (uint32_t)(fit < entries ? fit : entries));
}

struct cap_table *cap_global(void)
{
    return &table;
}

/* ---- slots ------------------------------------------------------------------------------------- */

static struct slot *slot_at(struct env *env, uint32_t slot)
{
    struct slot *page = slot < EXO_CAP_SLOTS ? env->slots[slot / SLOTS_PER_PAGE] : 0;

    return page ? &page[slot % SLOTS_PER_PAGE] : 0;
}

static bool slot_page_make(struct env *env, uint32_t page)
{
    if (env->slots[page])
        return true;
    pfn_t f = frame_take(env->account);
    if (f == PFN_NONE)
        return false;
    env->slots[page] = hal_frame_ptr(f);
    if (page >= env->slot_pages)
        env->slot_pages = page + 1;
    if (page == 0)
        env->slot_used[0][0] = 1; /* slot 0 is "no handle" */
    return true;
}

/* A free slot. EXO_OK, EXO_ENOSLOT, or EXO_ENOMEM (no frame for more of the table). */
static int64_t slot_find(struct env *env, uint32_t *out)
{
    while (~env->slot_pages_full != 0) {
        uint32_t page = (uint32_t)__builtin_ctz(~env->slot_pages_full);

        if (page >= SLOT_PAGES)
            return EXO_ENOSLOT;
        if (!slot_page_make(env, page))
            return EXO_ENOMEM;
        for (uint32_t w = 0; w < SLOTS_PER_PAGE / 64; w++) {
            uint64_t used = env->slot_used[page][w];

            if (~used != 0) {
                *out = page * SLOTS_PER_PAGE + w * 64 + (uint32_t)__builtin_ctzll(~used);
                return EXO_OK;
            }
        }
        env->slot_pages_full |= 1u << page;
    }
    return EXO_ENOSLOT;
}

static void slot_mark(struct env *env, uint32_t slot, bool used)
{
    uint32_t page = slot / SLOTS_PER_PAGE, bit = slot % SLOTS_PER_PAGE;

    if (used) {
        env->slot_used[page][bit / 64] |= (uint64_t)1 << (bit % 64);
    } else {
        env->slot_used[page][bit / 64] &= ~((uint64_t)1 << (bit % 64));
        env->slot_pages_full &= ~(1u << page);
    }
}

/* Checks that a capability could be put at `want` (0: anywhere) and says where: *out a handle. */
static int64_t slot_prepare(struct env *env, exo_cap want, exo_cap *out)
{
    uint32_t slot = EXO_SLOT(want), generation = EXO_GENERATION(want);

    if (env->object.dead)
        return EXO_EDEAD;
    if (want == 0) {
        int64_t st = slot_find(env, &slot);

        if (st != EXO_OK)
            return st;
        *out = EXO_HANDLE(slot, slot_at(env, slot)->generation + 1);
        return EXO_OK;
    }
    if (slot == 0 || slot >= EXO_CAP_SLOTS || generation == 0 || generation > GENERATION_MAX)
        return EXO_ENOSLOT;
    if (!slot_page_make(env, slot / SLOTS_PER_PAGE))
        return EXO_ENOMEM;
    if (slot_at(env, slot)->cap != CAP_NIL)
        return EXO_EEXIST;
    *out = want;
    return EXO_OK;
}

/* Puts entry `c` where slot_prepare said, and counts the object's new capability. */
static int64_t slot_commit(struct env *env, exo_cap where, cap_id c, struct object *object)
{
    struct slot *s = slot_at(env, EXO_SLOT(where));

    s->cap = c;
    s->generation = EXO_GENERATION(where);
    slot_mark(env, EXO_SLOT(where), true);
    object_ref(object);
    object->caps++;
    kernel_view->caps++;
    env->own_caps += object == &env->object;
    if (object->type == EXO_PAIR)
        pair_held((struct pair *)object, table.entries[c].rights);
    return (int64_t)where;
}

int64_t env_cap(struct env *env, exo_cap handle, cap_id *out)
{
    const struct slot *s = slot_at(env, EXO_SLOT(handle));

    if (!s || s->cap == CAP_NIL || s->generation != EXO_GENERATION(handle))
        return EXO_ECAP;
    *out = s->cap;
    return EXO_OK;
}

int64_t env_object(struct env *env, exo_cap handle, enum exo_type type, uint32_t rights, void **out)
{
    cap_id id;
    int64_t st = env_cap(env, handle, &id);

    if (st != EXO_OK)
        return st;
    const struct cap *c = &table.entries[id];
    if (c->type != type)
        return EXO_ETYPE;
    if ((c->rights & rights) != rights)
        return EXO_ERIGHTS;
    *out = object_at(type, c->object);
    return EXO_OK;
}

int64_t env_account(struct env *env, exo_cap handle, uint32_t rights, struct account **out)
{
    if (handle == 0) {
        *out = env->account;
        return EXO_OK;
    }
    return env_object(env, handle, EXO_ACCOUNT, rights, (void **)out);
}

int64_t env_environment(struct env *env, exo_cap handle, uint32_t rights, struct env **out)
{
    int64_t st = EXO_OK;

    if (handle == 0)
        *out = env;
    else
        st = env_object(env, handle, EXO_ENV, rights, (void **)out);
    if (st == EXO_OK && (*out)->object.dead && rights != EXO_R_READ)
        return EXO_EDEAD;
    return st;
}

/* ---- making and passing ------------------------------------------------------------------------ */

int64_t env_grant_at(struct env *env, struct object *object, uint32_t rights, exo_cap want)
{
    exo_cap where;
    int64_t st = slot_prepare(env, want, &where);

    if (st != EXO_OK)
        return st;
    cap_id c = cap_make(&table, object->type, object->index, (uint16_t)rights, env->object.index,
                        EXO_SLOT(where));
    if (c == CAP_NIL)
        return EXO_EOBJECTS;
    return slot_commit(env, where, c, object);
}

int64_t env_grant_new(struct env *env, struct object *object, uint32_t rights)
{
    int64_t st = env_grant_at(env, object, rights, 0);

    object_unref(object);
    return st;
}

int64_t env_pass(cap_id source, const struct pass *how, struct env *to, exo_cap want)
{
    exo_cap where;
    struct object *object = object_at(table.entries[source].type, table.entries[source].object);
    int64_t st = slot_prepare(to, want, &where);

    if (st != EXO_OK)
        return st;
    if (how->mode == PASS_DERIVE && table.entries[source].depth >= CAP_DEPTH_MAX)
        return EXO_EINVAL;
    cap_id c = how->mode == PASS_COPY ? cap_copy(&table, source, to->object.index, EXO_SLOT(where))
                                      : cap_derive(&table, source, (uint16_t)how->rights,
                                                   how->badge, to->object.index, EXO_SLOT(where));
    if (c == CAP_NIL)
        return table.entries[source].revoking ? EXO_EBUSY : EXO_EOBJECTS;
    if (how->mode == PASS_COPY)
        table.entries[c].flags = table.entries[source].flags & EXO_CAP_NOFORK;
    env_cap_added();
    return slot_commit(to, where, c, object);
}

void cap_mark_mapped(cap_id cap)
{
    table.entries[cap].flags |= CAP_MAPPED;
}

/* ---- removing ---------------------------------------------------------------------------------- */

static void childless_unlink(cap_id c)
{
    struct env *owner = object_at(EXO_ENV, table.entries[c].owner);
    cap_id *link = &owner->childless;

    while (*link != c) /* bounded by the lenders of one environment; rarely more than one */
        link = &table.entries[*link].lend_next;
    *link = table.entries[c].lend_next;
    table.entries[c].flags &= (uint8_t)~CAP_QUEUED;
}

static void childless_tell(cap_id lender)
{
    struct cap *c = &table.entries[lender];
    struct env *owner = object_at(EXO_ENV, c->owner);

    if (c->flags & CAP_QUEUED || (owner->object.dead && !owner->service))
        return; /* a service's next life hears of it */
    c->flags |= CAP_QUEUED;
    c->lend_next = owner->childless;
    owner->childless = lender;
    event_raise_env(owner, EXO_EVENT_CHILDLESS);
}

void env_lend_missed(struct env *lender, exo_cap handle)
{
    cap_id c;

    if (env_cap(lender, handle, &c) == EXO_OK && table.entries[c].flags & EXO_CAP_LENDER &&
        !cap_has_child(&table, c))
        childless_tell(c);
}

void env_cap_remove(cap_id c)
{
    const struct cap *entry = &table.entries[c];
    struct env *owner = object_at(EXO_ENV, entry->owner);
    struct object *object = object_at(entry->type, entry->object);
    struct slot *s = slot_at(owner, entry->slot);
    uint32_t slot = entry->slot, rights = entry->rights;

    if (entry->flags & CAP_QUEUED)
        childless_unlink(c);
    if (owner->revoking == c)
        env_revoke_over(owner);
    cap_id lender = cap_delete(&table, c);
    s->cap = CAP_NIL;
    if (s->generation < GENERATION_MAX)
        slot_mark(owner, slot, false);
    object->caps--;
    kernel_view->caps--;
    if (object->type == EXO_PAIR)
        pair_dropped((struct pair *)object, rights);
    owner->own_caps -= object == &owner->object;
    if (object->type == EXO_ENV)
        env_abandoned((struct env *)object);
    if (object->type == EXO_ENDPOINT && object->caps == 0)
        endpoint_abandoned((struct endpoint *)object);
    object_unref(object);
    if (lender != CAP_NIL)
        childless_tell(lender);
}

/* What goes with a capability before it goes itself: the mappings made by it and, with the last capability
 * of a region or an extent, its frames. False: the budget is used up, and more is left. */
static bool cap_let_go(cap_id c, unsigned *budget)
{
    const struct cap *e = &table.entries[c];
    struct source *source = object_at(e->type, e->object);
    unsigned pages = *budget * PAGES_A_CAP;
    bool gone = !(e->flags & CAP_MAPPED) || space_unmap_cap(source, c, &pages);

    if (gone && (e->type == EXO_REGION || e->type == EXO_FRAME) && source->object.refs == 1)
        gone = source_empty(source, &pages);
    *budget = pages / PAGES_A_CAP;
    return gone;
}

bool env_cap_end(cap_id c, unsigned *budget)
{
    if (*budget == 0)
        return false;
    --*budget;
    if (!cap_let_go(c, budget)) {
        table.entries[c].revoking = CAP_ENDING;
        return false;
    }
    env_cap_remove(c);
    return true;
}

bool env_cap_shows_nothing(cap_id c)
{
    const struct cap *e = &table.entries[c];
    unsigned pages = 0;

    return !(e->flags & CAP_MAPPED) || space_unmap_cap(object_at(e->type, e->object), c, &pages);
}

/* Removes what came from a capability. False: the budget is used up, and more may be left. */
static bool descendants_end(cap_id c, unsigned *budget)
{
    cap_id child;

    while ((child = cap_first_child(&table, c)) != CAP_NIL) {
        if (!env_cap_end(child, budget))
            return false;
    }
    return true;
}

bool env_revoke_piece(struct env *env, unsigned *budget)
{
    if (env->revoking != CAP_NIL && !descendants_end(env->revoking, budget))
        return false;
    env_revoke_over(env);
    return true;
}

/* One revoke of an environment after the other, each to its end: see env_revoke_later. */
static bool revoke(cap_id c, unsigned *budget)
{
    struct env *owner = object_at(EXO_ENV, table.entries[c].owner);

    if (table.entries[c].revoking == 0)
        table.entries[c].revoking = CAP_REVOKING;
    if (owner->revoking != c && !env_revoke_piece(owner, budget))
        return false;
    owner->revoking = c;
    if (env_revoke_piece(owner, budget))
        return true;
    env_revoke_later(owner);
    return false;
}

/* What the dead had lent goes first, then its own. */
static bool revoke_and_remove(cap_id c, unsigned *budget)
{
    return revoke(c, budget) && env_cap_end(c, budget);
}

bool env_slots_clear(struct env *env, uint32_t *slot, unsigned budget)
{
    while (*slot < EXO_CAP_SLOTS) {
        uint32_t page = *slot / SLOTS_PER_PAGE, bit = *slot % SLOTS_PER_PAGE;
        uint64_t used = env->slots[page] ? env->slot_used[page][bit / 64] >> (bit % 64) : 0;

        if (used == 0) {
            *slot = env->slots[page] ? (*slot | 63) + 1 : (page + 1) * SLOTS_PER_PAGE;
            continue;
        }
        *slot += (uint32_t)__builtin_ctzll(used);
        struct slot *s = slot_at(env, *slot);
        if (s->cap != CAP_NIL && !revoke_and_remove(s->cap, &budget))
            return false;
        ++*slot;
    }
    return true;
}

void env_slots_free(struct env *env)
{
    for (uint32_t page = 0; page < SLOT_PAGES; page++) {
        if (env->slots[page])
            frame_unshare(hal_frame_of(env->slots[page]));
        env->slots[page] = 0;
    }
}

/* ---- snapshots --------------------------------------------------------------------------------- */

/* The next slot in use at or behind `slot`, with a capability in it, or EXO_CAP_SLOTS. */
static uint32_t slot_next(struct env *env, uint32_t slot)
{
    while (slot < EXO_CAP_SLOTS) {
        uint32_t page = slot / SLOTS_PER_PAGE, bit = slot % SLOTS_PER_PAGE;
        uint64_t used = env->slots[page] ? env->slot_used[page][bit / 64] >> (bit % 64) : 0;

        if (used == 0) {
            slot = env->slots[page] ? (slot | 63) + 1 : (page + 1) * SLOTS_PER_PAGE;
            continue;
        }
        slot += (uint32_t)__builtin_ctzll(used);
        if (slot_at(env, slot)->cap != CAP_NIL)
            break;
        slot++;
    }
    return slot;
}

/* Puts a sibling of `source` at the slot and generation that it has in its own table. */
static int64_t copy_to_slot(cap_id source, struct env *to, exo_cap where)
{
    struct object *object = object_at(table.entries[source].type, table.entries[source].object);

    if (!slot_page_make(to, EXO_SLOT(where) / SLOTS_PER_PAGE))
        return EXO_ENOMEM;
    cap_id c = cap_copy(&table, source, to->object.index, EXO_SLOT(where));
    if (c == CAP_NIL)
        return table.entries[source].revoking ? EXO_EBUSY : EXO_EOBJECTS;
    table.entries[c].flags = table.entries[source].flags & CAP_USER_FLAGS;
    env_cap_added();
    slot_commit(to, where, c, object);
    return EXO_OK;
}

int64_t env_slots_freeze(struct env *env, struct env *image, uint32_t *slot, unsigned budget)
{
    while ((*slot = slot_next(env, *slot)) < EXO_CAP_SLOTS) {
        const struct slot *s = slot_at(env, *slot);

        if (!(table.entries[s->cap].flags & EXO_CAP_KEEP)) {
            if (budget-- == 0)
                return EXO_EAGAIN;
            int64_t st = copy_to_slot(s->cap, image, EXO_HANDLE(*slot, s->generation));
            if (st != EXO_OK)
                return st;
        }
        ++*slot;
    }
    return EXO_OK;
}

void env_slots_mark(struct env *env, const struct env *image)
{
    for (uint32_t slot = 0; (slot = slot_next(env, slot)) < EXO_CAP_SLOTS; slot++) {
        uint32_t page = slot / SLOTS_PER_PAGE, bit = slot % SLOTS_PER_PAGE;
        struct cap *c = &table.entries[slot_at(env, slot)->cap];
        bool there = image->slots[page] && image->slots[page][bit].cap != CAP_NIL;

        c->flags =
            (uint8_t)((c->flags & ~(CAP_PRISTINE | CAP_CHANGED)) | (there ? CAP_PRISTINE : 0));
    }
}

/* Is it as in the snapshot, and nothing came from it? So are most. */
static inline bool untouched(cap_id c)
{
    const struct cap *e = &table.entries[c];

    return (e->flags & (EXO_CAP_KEEP | CAP_PRISTINE | CAP_QUEUED | CAP_CHANGED)) == CAP_PRISTINE &&
           e->type != EXO_ENDPOINT && e->revoking == 0 && table.entries[e->next].depth <= e->depth;
}

/* A capability that the dead life leaves: kept, or as in the snapshot, or gone. */
static bool slot_restore(struct env *env, struct env *image, uint32_t slot, unsigned *budget)
{
    cap_id c = slot_at(env, slot)->cap;
    struct cap *e = &table.entries[c];

    if (e->type == EXO_ENDPOINT && e->rights & EXO_R_RECV &&
        e->flags & (EXO_CAP_KEEP | CAP_PRISTINE))
        endpoint_inherit(object_at(EXO_ENDPOINT, e->object), env);
    if (e->flags & EXO_CAP_KEEP)
        return true;
    if (!(e->flags & CAP_PRISTINE))
        return revoke_and_remove(c, budget);
    if (!revoke(c, budget))
        return false;
    e->revoking = 0;
    if (e->flags & CAP_QUEUED)
        childless_unlink(c);
    const struct slot *was = slot_at(image, slot);
    if (was && was->cap != CAP_NIL)
        e->flags = (uint8_t)((e->flags & ~(CAP_USER_FLAGS | CAP_CHANGED)) |
                             (table.entries[was->cap].flags & CAP_USER_FLAGS));
    return true;
}

/* One that the dead life gave up, if it was not revoked since. */
static int64_t slot_bring_back(struct env *env, struct env *image, uint32_t slot)
{
    const struct slot *s = slot_at(image, slot);

    if (s->cap == CAP_NIL || table.entries[s->cap].revoking)
        return EXO_OK;
    int64_t st = copy_to_slot(s->cap, env, EXO_HANDLE(slot, s->generation));
    if (st == EXO_OK) {
        cap_id c = slot_at(env, slot)->cap;

        table.entries[c].flags |= CAP_PRISTINE;
        if (table.entries[c].type == EXO_ENDPOINT && table.entries[c].rights & EXO_R_RECV)
            endpoint_inherit(object_at(EXO_ENDPOINT, table.entries[c].object), env);
    }
    return st;
}

/* 64 slots, from `base` on: first what the life had, then what it had no more. */
static int64_t word_restore(struct env *env, struct env *image, uint32_t base, unsigned *budget)
{
    uint32_t page = base / SLOTS_PER_PAGE, word = base % SLOTS_PER_PAGE / 64;
    const struct slot *slots = &env->slots[page][base % SLOTS_PER_PAGE];

    for (uint64_t used = env->slot_used[page][word]; used != 0; used &= used - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(used);

        if (slots[i].cap != CAP_NIL && !untouched(slots[i].cap) &&
            !slot_restore(env, image, base + i, budget))
            return EXO_EAGAIN;
    }
    if (!image->slots[page])
        return EXO_OK;
    uint64_t missing = image->slot_used[page][word] & ~env->slot_used[page][word];
    for (; missing != 0; missing &= missing - 1) {
        int64_t st = slot_bring_back(env, image, base + (uint32_t)__builtin_ctzll(missing));

        if (st != EXO_OK)
            return st;
    }
    return EXO_OK;
}

int64_t env_slots_restore(struct env *env, struct env *image, uint32_t *slot, unsigned *budget)
{
    int64_t st = EXO_OK;

    while (*slot < env->slot_pages * SLOTS_PER_PAGE && st == EXO_OK) {
        if (!env->slots[*slot / SLOTS_PER_PAGE])
            *slot += SLOTS_PER_PAGE;
        else if ((st = word_restore(env, image, *slot, budget)) == EXO_OK)
            *slot += 64;
    }
    return st;
}

/* ---- calls ------------------------------------------------------------------------------------- */

/* What cap_copy and cap_derive check alike. */
static int64_t pass_check(exo_cap source, exo_cap env_cap_handle, cap_id *c, struct env **to)
{
    struct env *self = env_current();
    int64_t st = env_cap(self, source, c);

    if (st == EXO_OK)
        st = env_environment(self, env_cap_handle, EXO_R_CONTROL, to);
    if (st == EXO_OK && *to != self && !(table.entries[*c].rights & EXO_R_GRANT))
        st = EXO_ERIGHTS;
    return st;
}

int64_t sys_cap_copy(exo_cap source, exo_cap env, exo_cap want)
{
    cap_id c;
    struct env *to;
    int64_t st = pass_check(source, env, &c, &to);

    return st != EXO_OK ? st : env_pass(c, &(struct pass){.mode = PASS_COPY}, to, want);
}

int64_t sys_cap_derive(exo_cap source, uint32_t rights, uint64_t badge, exo_cap env, exo_cap want)
{
    cap_id c;
    struct env *to;
    int64_t st = pass_check(source, env, &c, &to);

    if (st != EXO_OK)
        return st;
    if (badge != 0 && !(table.entries[c].rights & EXO_R_MINT))
        return EXO_ERIGHTS;
    return env_pass(c, &(struct pass){PASS_DERIVE, rights, badge}, to, want);
}

int64_t sys_cap_delete(exo_cap cap, exo_cap env)
{
    unsigned budget = CALL_CAPS;
    struct env *owner;
    cap_id c;
    int64_t st = env_environment(env_current(), env, EXO_R_CONTROL, &owner);

    if (st == EXO_OK && (st = env_cap(owner, cap, &c)) == EXO_OK && !env_cap_end(c, &budget))
        return sched_call_again();
    return st;
}

int64_t sys_cap_revoke(exo_cap cap)
{
    unsigned budget = CALL_CAPS;
    cap_id c;
    int64_t st = env_cap(env_current(), cap, &c);

    if (st != EXO_OK)
        return st;
    if (!revoke(c, &budget))
        return EXO_EAGAIN;
    if (table.entries[c].revoking == CAP_REVOKING)
        table.entries[c].revoking = 0;
    return EXO_OK;
}

static uint64_t object_size(const struct object *o)
{
    if (o->type == EXO_FRAME || o->type == EXO_REGION)
        return ((const struct source *)o)->pages << EXO_PAGE_SHIFT;
    return o->type == EXO_IOPORT ? ((const struct ioport *)o)->count : 0;
}

int64_t sys_cap_info(exo_cap cap, struct exo_cap_info *out)
{
    cap_id id;
    int64_t st = env_cap(env_current(), cap, &id);

    if (st != EXO_OK)
        return st;
    const struct cap *c = &table.entries[id];
    const struct object *o = object_at(c->type, c->object);
    struct exo_cap_info info = {.type = c->type,
                                .rights = c->rights,
                                .badge = c->badge,
                                .size = object_size(o),
                                .holders = o->caps,
                                .flags = (c->flags & CAP_USER_FLAGS) |
                                         (cap_has_child(&table, id) ? EXO_CAP_LENT : 0)};
    return hal_copy_out((uintptr_t)out, &info, sizeof info) ? EXO_OK : EXO_EFAULT;
}

int64_t sys_cap_flags(exo_cap cap, uint32_t flags)
{
    cap_id id;
    int64_t st = env_cap(env_current(), cap, &id);

    if (st != EXO_OK)
        return st;
    if (flags & ~CAP_USER_FLAGS)
        return EXO_EINVAL;
    struct cap *c = &table.entries[id];
    if (c->type == EXO_DMA && c->flags & EXO_CAP_KEEP && !(flags & EXO_CAP_KEEP))
        return EXO_EINVAL; /* only giving it up says that the device is stopped */
    c->flags = (uint8_t)((c->flags & ~CAP_USER_FLAGS) | flags | CAP_CHANGED);
    return EXO_OK;
}

int64_t sys_cap_clone(exo_cap env, uint32_t first)
{
    struct env *self = env_current(), *to;
    unsigned budget = CALL_CAPS;
    int64_t st = env_environment(self, env, EXO_R_CONTROL, &to);

    if (st != EXO_OK)
        return st;
    for (uint32_t slot = first ? first : 1; slot < EXO_CAP_SLOTS; slot++) {
        uint32_t page = slot / SLOTS_PER_PAGE, bit = slot % SLOTS_PER_PAGE;
        uint64_t used = self->slots[page] ? self->slot_used[page][bit / 64] >> (bit % 64) : 0;

        if (used == 0) { /* nothing in the rest of this word, or page */
            slot = self->slots[page] ? slot | 63 : (page + 1) * SLOTS_PER_PAGE - 1;
            continue;
        }
        slot += (uint32_t)__builtin_ctzll(used);
        const struct slot *s = slot_at(self, slot);
        if (s->cap == CAP_NIL || table.entries[s->cap].flags & EXO_CAP_NOFORK)
            continue;
        if (budget-- == 0)
            return slot;
        st = env_pass(s->cap, &(struct pass){.mode = PASS_COPY}, to,
                      EXO_HANDLE(slot, s->generation));
        if (st < 0 && st != EXO_EEXIST)
            return st;
    }
    return EXO_OK;
}

int64_t sys_next_childless(void)
{
    struct env *self = env_current();
    cap_id c = self->childless;

    if (c == CAP_NIL)
        return EXO_ENOENT;
    childless_unlink(c);
    uint32_t slot = table.entries[c].slot;
    return (int64_t)EXO_HANDLE(slot, slot_at(self, slot)->generation);
}

int64_t sys_cap_next(uint32_t after, uint32_t flags)
{
    struct env *self = env_current();
    uint32_t slot = after < EXO_CAP_SLOTS ? after + 1 : EXO_CAP_SLOTS;

    if (flags & ~CAP_USER_FLAGS)
        return EXO_EINVAL;
    for (; (slot = slot_next(self, slot)) < EXO_CAP_SLOTS; slot++) { /* bounded by the table */
        const struct slot *s = slot_at(self, slot);

        if ((table.entries[s->cap].flags & flags) == flags)
            return (int64_t)EXO_HANDLE(slot, s->generation);
    }
    return EXO_ENOENT;
}
