/* SPDX-License-Identifier: MIT */
/* The calls on address spaces: each checks everything, then changes the space. */
#include <kernel/env/env.h>
#include <kernel/env/thread.h>
#include <kernel/mem/space.h>
#include <kernel/sys.h>

#define COUNTED_MAX 4096u /* table entries that one call of exo_space_count looks at */

/* A page-aligned, non-empty range below the kernel's view. */
static int64_t range_check(uint64_t va, uint64_t pages, uint64_t *end)
{
    if ((va & (EXO_PAGE_SIZE - 1)) != 0 || va >= EXO_VIEW_VA || pages == 0 ||
        pages > (EXO_VIEW_VA - va) >> EXO_PAGE_SHIFT)
        return EXO_EINVAL;
    *end = va + (pages << EXO_PAGE_SHIFT);
    return EXO_OK;
}

/* A call that did a piece of its work is made again, with the same arguments, when the thread next
 * runs: in between, interrupts and others get their turn. */
static int64_t in_pieces(int64_t st)
{
    if (st != EXO_EAGAIN)
        return st;
    hal_context_restart(&thread_current()->context);
    return SYS_DONE;
}

/* What a capability's rights allow a mapping made by it to have. */
static uint8_t rights_limit(uint16_t rights, bool private)
{
    uint8_t limit = 0;

    if (rights & EXO_R_READ)
        limit |= EXO_MAP_READ | (private ? EXO_MAP_WRITE : 0);
    if (rights & EXO_R_WRITE)
        limit |= EXO_MAP_WRITE;
    if (rights & EXO_R_EXEC)
        limit |= EXO_MAP_EXEC;
    return limit;
}

/* Fills in what stands behind a mapping of `source`. */
static int64_t source_check(exo_cap source, uint64_t index, uint64_t pages,
                            struct map_request *want)
{
    int64_t st = env_cap(env_current(), source, &want->cap);

    if (st != EXO_OK)
        return st;
    const struct cap *c = &cap_global()->entries[want->cap];
    if (c->revoking == CAP_ENDING)
        return EXO_ECAP;
    if (c->type != EXO_REGION && c->type != EXO_FRAME)
        return EXO_ETYPE;
    want->rights_max = rights_limit(c->rights, want->flags & EXO_MAP_PRIVATE);
    if ((want->rights_max & want->rights) != want->rights)
        return EXO_ERIGHTS;
    want->source = object_at(c->type, c->object);
    want->index = index;
    if (index >= want->source->pages || pages > want->source->pages - index ||
        (want->flags & EXO_MAP_PRIVATE && source_is_device(want->source))) /* it is not copied */
        return EXO_EINVAL;
    return EXO_OK;
}

int64_t sys_map(exo_cap env, uint64_t va, uint64_t pages, exo_cap source, uint64_t index,
                uint32_t flags)
{
    struct env *to;
    struct map_request want = {.start = va,
                               .rights = flags & EXO_MAP_RIGHTS,
                               .rights_max = EXO_MAP_RIGHTS,
                               .flags = flags & (EXO_MAP_PRIVATE | EXO_MAP_NOFORK)};
    int64_t st;

    if ((st = env_environment(env_current(), env, EXO_R_CONTROL, &to)) != EXO_OK ||
        (st = range_check(va, pages, &want.end)) != EXO_OK)
        return st;
    if (flags & ~(EXO_MAP_RIGHTS | EXO_MAP_PRIVATE | EXO_MAP_EAGER | EXO_MAP_KEEP | EXO_MAP_NOFORK))
        return EXO_EINVAL;
    if (source != 0 && (st = source_check(source, index, pages, &want)) != EXO_OK)
        return st;
    if ((st = space_map(&to->space, &want, !(flags & EXO_MAP_KEEP))) != EXO_OK)
        return in_pieces(st);
    if (flags & EXO_MAP_EAGER)
        space_enter_all(&to->space, want.start, want.end);
    return EXO_OK;
}

int64_t sys_unmap(exo_cap env, uint64_t va, uint64_t pages)
{
    struct env *to;
    uint64_t end;
    int64_t st;

    if ((st = env_environment(env_current(), env, EXO_R_CONTROL, &to)) != EXO_OK ||
        (st = range_check(va, pages, &end)) != EXO_OK)
        return st;
    return in_pieces(space_unmap(&to->space, va, end));
}

int64_t sys_protect(exo_cap env, uint64_t va, uint64_t pages, uint32_t rights)
{
    struct env *to;
    uint64_t end;
    int64_t st;

    if ((st = env_environment(env_current(), env, EXO_R_CONTROL, &to)) != EXO_OK ||
        (st = range_check(va, pages, &end)) != EXO_OK)
        return st;
    if (rights & ~EXO_MAP_RIGHTS)
        return EXO_EINVAL;
    return space_protect(&to->space, va, end, rights);
}

int64_t sys_discard(exo_cap env, uint64_t va, uint64_t pages)
{
    struct env *to;
    uint64_t end;
    int64_t st;

    if ((st = env_environment(env_current(), env, EXO_R_CONTROL, &to)) != EXO_OK ||
        (st = range_check(va, pages, &end)) != EXO_OK)
        return st;
    return in_pieces(space_discard(&to->space, va, end));
}

int64_t sys_space_count(exo_cap env, uint64_t va, uint64_t pages, uint64_t *out)
{
    uint64_t end, count[4];
    struct env *of;
    int64_t st;

    if ((st = env_environment(env_current(), env, EXO_R_READ, &of)) != EXO_OK ||
        (st = range_check(va, pages, &end)) != EXO_OK)
        return st;
    if (of->object.dead)
        return EXO_EDEAD;
    if (!hal_copy_in(count, (uintptr_t)out, sizeof count))
        return EXO_EFAULT;
    va = space_count(&of->space, va, end, count, COUNTED_MAX);
    if (!hal_copy_out((uintptr_t)out, count, sizeof count))
        return EXO_EFAULT;
    return va == end ? 0 : (int64_t)va;
}

/* The capability behind a mapping on the child's side: the copy at the same slot of its table. One
 * that belongs to a third environment (proc's, say) stands behind both. */
cap_id space_cap_in(struct space *to_space, const struct vma *v)
{
    struct env *to = (struct env *)((char *)to_space - offsetof(struct env, space));
    struct env *from = (struct env *)((char *)v->space - offsetof(struct env, space));
    const struct cap *c = &cap_global()->entries[v->cap];
    cap_id mine;

    if (c->owner != from->object.index)
        return c->revoking == CAP_ENDING ? CAP_NIL : v->cap;
    const struct slot *s = &from->slots[c->slot / SLOTS_PER_PAGE][c->slot % SLOTS_PER_PAGE];
    if (env_cap(to, EXO_HANDLE(c->slot, s->generation), &mine) != EXO_OK)
        return CAP_NIL;
    const struct cap *m = &cap_global()->entries[mine];
    return m->type == c->type && m->object == c->object && m->revoking != CAP_ENDING ? mine
                                                                                     : CAP_NIL;
}

int64_t sys_service_preserve(uint64_t va, uint64_t pages, uint32_t keep)
{
    uint64_t end;
    int64_t st = range_check(va, pages, &end);

    return st != EXO_OK ? st : space_preserve(&env_current()->space, va, end, keep != 0);
}

int64_t sys_space_clone(exo_cap env, uint64_t va, uint64_t pages)
{
    struct env *self = env_current(), *to;
    uint64_t end;
    int64_t st;

    if ((st = env_environment(self, env, EXO_R_CONTROL, &to)) != EXO_OK ||
        (st = range_check(va, pages, &end)) != EXO_OK)
        return st;
    if (to == self)
        return EXO_EINVAL;
    return space_clone(&to->space, &self->space, va, end, EXO_MAP_NOFORK, space_cap_in);
}
