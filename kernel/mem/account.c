/* SPDX-License-Identifier: MIT */
/* Budgets: see account.h. */
#include <kernel/env/env.h>
#include <kernel/mem/account.h>
#include <kernel/sys.h>

struct account *account_root(uint64_t frames, uint64_t objects)
{
    void *a = 0;

    if (object_create(EXO_ACCOUNT, 0, &a) != EXO_OK)
        kernel_panic("no memory for the root account");
    struct account *root = a;
    root->frame_limit = frames;
    root->object_limit = objects;
    return root;
}

/* An account lives while something is charged to it: the first charge takes a reference for all,
 * the last one that goes drops it. */
static bool idle(const struct account *a)
{
    return a->frames_used == 0 && a->objects_used == 0;
}

bool account_charge_frames(struct account *a, uint64_t frames)
{
    if (a->frame_limit - a->frames_used < frames)
        return false;
    if (idle(a))
        object_ref(&a->object);
    a->frames_used += frames;
    return true;
}

void account_uncharge_frames(struct account *a, uint64_t frames)
{
    a->frames_used -= frames;
    if (idle(a))
        object_unref(&a->object);
}

bool account_charge_object(struct account *a)
{
    if (a->object_limit == a->objects_used)
        return false;
    if (idle(a))
        object_ref(&a->object);
    a->objects_used++;
    return true;
}

void account_uncharge_object(struct account *a)
{
    a->objects_used--;
    if (idle(a))
        object_unref(&a->object);
}

uint32_t account_index(const struct account *a)
{
    return a->object.index;
}

struct account *account_at(uint32_t index)
{
    return object_at(EXO_ACCOUNT, index);
}

void account_destroy(struct account *a)
{
    struct account *parent = a->parent;

    if (!parent)
        return;
    parent->frames_used -= a->frame_limit;
    parent->objects_used -= a->object_limit; /* this object's own charge goes after that */
}

/* ---- calls ------------------------------------------------------------------------------------- */

int64_t sys_account_create(exo_cap parent_cap, uint64_t frames, uint64_t objects)
{
    struct account *parent;
    struct env *self = env_current();
    void *made;
    int64_t st;

    /* Check. */
    if ((st = env_account(self, parent_cap, EXO_R_CHARGE, &parent)) != EXO_OK)
        return st;
    if (frames > parent->frame_limit - parent->frames_used)
        return EXO_ENOMEM;
    if (objects >= parent->object_limit - parent->objects_used)
        return EXO_EOBJECTS;
    if ((st = object_create(EXO_ACCOUNT, parent, &made)) != EXO_OK)
        return st;
    struct account *a = made;
    a->parent = parent;
    a->frame_limit = frames;
    a->object_limit = objects;
    /* The object itself is one charge of the parent, so it is not idle: no reference to take. */
    parent->frames_used += frames;
    parent->objects_used += objects;
    return env_grant_new(self, &a->object, EXO_R_ALL);
}

int64_t sys_account_info(exo_cap cap, uint64_t *out)
{
    struct account *a;
    int64_t st;

    if ((st = env_account(env_current(), cap, EXO_R_READ, &a)) != EXO_OK)
        return st;
    uint64_t words[4] = {a->frame_limit, a->frames_used, a->object_limit, a->objects_used};
    return hal_copy_out((uintptr_t)out, words, sizeof words) ? EXO_OK : EXO_EFAULT;
}
