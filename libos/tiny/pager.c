/* SPDX-License-Identifier: MIT */
/*
 * A pager in user space: what a page holds is computed when it is touched, and the page is given
 * back when others are wanted more. Replacement is first in, first out; a program that knows better
 * changes these lines and nothing else.
 */
#include <libos/tiny/tiny.h>

static struct tiny_pager *pagers;

void tiny_pager_add(struct tiny_pager *pager)
{
    tiny_mask();
    pager->next = pagers;
    pagers = pager;
    tiny_unmask();
}

static struct tiny_pager *find(uintptr_t address)
{
    struct tiny_pager *p = pagers;

    while (p != NULL && address - p->va >= p->pages * EXO_PAGE_SIZE)
        p = p->next;
    return p;
}

static void make_room(struct tiny_pager *p)
{
    if (p->count < TINY_RESIDENT)
        return;
    exo_unmap(0, p->resident[p->oldest], 1);
    p->oldest = (p->oldest + 1) % TINY_RESIDENT;
    p->count--;
}

bool tiny_pager_fault(uintptr_t address)
{
    struct tiny_pager *p = find(address);
    uintptr_t page = address & ~(EXO_PAGE_SIZE - 1);

    if (p == NULL)
        return false;
    make_room(p);
    if (exo_map(0, page, 1, 0, 0, EXO_MAP_READ | EXO_MAP_WRITE) != EXO_OK)
        return false;
    p->resident[(p->oldest + p->count) % TINY_RESIDENT] = page;
    p->count++;
    p->faults++;
    p->fill((void *)page, (page - p->va) / EXO_PAGE_SIZE);
    return true;
}
