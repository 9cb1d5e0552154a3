/* SPDX-License-Identifier: MIT */
/*
 * Accounts: who pays for frames and kernel objects.
 *
 * A child's budget is taken out of its parent's when it is made and comes back when it goes, so the
 * sum of what all accounts may use never exceeds what the machine has, and nobody can starve anybody
 * else: an environment that has used its account up gets errors, the one beside it does not.
 */
#ifndef KERNEL_MEM_ACCOUNT_H
#define KERNEL_MEM_ACCOUNT_H

#include <kernel/object.h>

struct account {
    struct object object;
    struct account *parent;            /* 0: the root */
    uint64_t frame_limit, frames_used; /* used <= limit, parts given to children included */
    uint64_t object_limit, objects_used;
};

/** The account of the kernel itself and of init: all there is. Called once. */
struct account *account_root(uint64_t frames, uint64_t objects);

/** Take from the budget; false and no change if it does not suffice. */
bool account_charge_frames(struct account *a, uint64_t frames);
void account_uncharge_frames(struct account *a, uint64_t frames);
bool account_charge_object(struct account *a);
void account_uncharge_object(struct account *a);

/** Frames remember their payer by index. A frame's charge keeps the account object alive. */
uint32_t account_index(const struct account *a);
struct account *account_at(uint32_t index);

/** The last reference is gone: the budget goes back to the parent. */
void account_destroy(struct account *a);

#endif
