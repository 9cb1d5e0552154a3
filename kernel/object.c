/* SPDX-License-Identifier: MIT */
/* Pools of kernel objects: see object.h. */
#include <hal/hal.h>
#include <kernel/env/env.h>
#include <kernel/env/thread.h>
#include <kernel/ipc/endpoint.h>
#include <kernel/ipc/event.h>
#include <kernel/ipc/pair.h>
#include <kernel/ipc/waitset.h>
#include <kernel/irq/device.h>
#include <kernel/irq/dma.h>
#include <kernel/mem/account.h>
#include <kernel/mem/frame.h>
#include <kernel/mem/poison.h>
#include <kernel/mem/region.h>
#include <kernel/object.h>
#include <kernel/trap/view.h>
#include <lib/string.h>

#define POOL_PAGES 8192u

/* One row a kind: the size of its slot and what ends it. */
struct kind {
    struct pool pool;
    void (*destroy)(void *object);
    void *page_list[POOL_PAGES];
};

static struct kind kinds[EXO_TYPES];

/* ---- pools ------------------------------------------------------------------------------------- */

/* The head of each page of a pool. Free slots of the page form a list through their first word;
 * those from `fresh` on were never used and are still zero. */
struct pool_page {
    uint16_t live, free, fresh;
    uint16_t next, prev; /* pages with room */
    uint16_t reserved[3];
};

static void *slot_at(const struct pool *pool, void *page, uint32_t slot)
{
    return (char *)page + sizeof(struct pool_page) + (size_t)slot * pool->bytes;
}

void *pool_at(const struct pool *pool, uint32_t index)
{
    return slot_at(pool, pool->pages[index >> pool->shift], index & ((1u << pool->shift) - 1));
}

static void page_link(struct pool *pool, uint32_t number)
{
    struct pool_page *page = pool->pages[number];

    page->prev = POOL_NONE;
    page->next = (uint16_t)pool->first;
    if (pool->first != POOL_NONE)
        ((struct pool_page *)pool->pages[pool->first])->prev = (uint16_t)number;
    pool->first = number;
}

static void page_unlink(struct pool *pool, const struct pool_page *page)
{
    if (page->prev != POOL_NONE)
        ((struct pool_page *)pool->pages[page->prev])->next = page->next;
    else
        pool->first = page->next;
    if (page->next != POOL_NONE)
        ((struct pool_page *)pool->pages[page->next])->prev = page->prev;
}

/* A new page, the lowest that is missing, becomes the one with room. */
static bool page_add(struct pool *pool)
{
    while (pool->vacant < pool->page_limit && pool->pages[pool->vacant])
        pool->vacant++;
    if (pool->vacant == pool->page_limit)
        return false;
    struct pool_page *page = frame_kernel(0);
    if (!page)
        return false;
    page->free = POOL_NONE;
    pool->pages[pool->vacant] = page;
    page_link(pool, pool->vacant);
    return true;
}

void *pool_take(struct pool *pool, uint32_t *index)
{
    if (pool->first == POOL_NONE && !page_add(pool))
        return 0;
    uint32_t number = pool->first, place;
    struct pool_page *page = pool->pages[number];
    void *slot;

    if (page->free != POOL_NONE) {
        place = page->free;
        slot = slot_at(pool, page, place);
        page->free = *(uint16_t *)slot;
        poison_check((uint16_t *)slot + 1, pool->bytes - sizeof(uint16_t), "a kernel object");
        memset(slot, 0, pool->bytes);
    } else {
        place = page->fresh++;
        slot = slot_at(pool, page, place);
    }
    if (page->live++ == 0)
        pool->spare = POOL_NONE;
    if (page->live == pool->per_page)
        page_unlink(pool, page);
    *index = number << pool->shift | place;
    return slot;
}

void pool_give(struct pool *pool, void *slot, uint32_t index)
{
    uint32_t number = index >> pool->shift;
    struct pool_page *page = pool->pages[number];

    if (page->live-- == pool->per_page)
        page_link(pool, number);
    if (page->live == 0 && pool->spare != POOL_NONE) {
        page_unlink(pool, page);
        pool->pages[number] = 0;
        if (number < pool->vacant)
            pool->vacant = number;
        frame_kernel_give(page);
        return;
    }
    if (page->live == 0)
        pool->spare = number;
    poison_fill(slot, pool->bytes);
    *(uint16_t *)slot = page->free;
    page->free = (uint16_t)(index & ((1u << pool->shift) - 1));
}

void pool_init(struct pool *pool, size_t bytes, void **pages, uint32_t page_limit)
{
    pool->bytes = (uint32_t)((bytes + 15) & ~(size_t)15);
    pool->per_page = (uint32_t)((EXO_PAGE_SIZE - sizeof(struct pool_page)) / pool->bytes);
    while (1u << pool->shift < pool->per_page)
        pool->shift++;
    pool->first = pool->spare = POOL_NONE;
    pool->pages = pages;
    pool->page_limit = page_limit;
}

/* ---- objects ----------------------------------------------------------------------------------- */

int64_t object_create(enum exo_type type, struct account *account, void **out)
{
    uint32_t index;

    if (account && !account_charge_object(account))
        return EXO_EOBJECTS;
    struct object *o = pool_take(&kinds[type].pool, &index);
    if (!o) {
        if (account)
            account_uncharge_object(account);
        return EXO_ENOMEM;
    }
    o->refs = 1;
    o->index = index;
    o->account = account;
    o->type = (uint8_t)type;
    kernel_view->objects++;
    *out = o;
    return EXO_OK;
}

void *object_at(enum exo_type type, uint32_t index)
{
    return pool_at(&kinds[type].pool, index);
}

void object_unref(struct object *o)
{
    if (--o->refs != 0)
        return;
    struct kind *kind = &kinds[o->type];
    struct account *account = o->account;
    uint32_t index = o->index;

    kind->destroy(o);
    o->type = EXO_NONE;
    pool_give(&kind->pool, o, index);
    kernel_view->objects--;
    if (account)
        account_uncharge_object(account);
}

static void kind_init(enum exo_type type, size_t bytes, void (*destroy)(void *))
{
    struct kind *kind = &kinds[type];

    pool_init(&kind->pool, bytes, kind->page_list, POOL_PAGES);
    kind->destroy = destroy;
}

/* Each kind's destroy function takes its own type; the adapters keep the calls well typed. */
#define ADAPTER(name, type)             \
    static void name##_adapter(void *o) \
    {                                   \
        name((struct type *)o);         \
    }
ADAPTER(account_destroy, account)
ADAPTER(source_destroy, source)
ADAPTER(env_destroy_object, env)
ADAPTER(thread_destroy_object, thread)
ADAPTER(endpoint_destroy, endpoint)
ADAPTER(notification_destroy, notification)
ADAPTER(pair_destroy, pair)
ADAPTER(irq_destroy, irq)
ADAPTER(waitset_destroy, waitset)
ADAPTER(dma_destroy, dma)
static void nothing(void *o)
{
    (void)o;
}

void object_init(void)
{
    kind_init(EXO_ACCOUNT, sizeof(struct account), account_destroy_adapter);
    kind_init(EXO_REGION, sizeof(struct region), source_destroy_adapter);
    kind_init(EXO_FRAME, sizeof(struct extent), source_destroy_adapter);
    kind_init(EXO_ENV, sizeof(struct env), env_destroy_object_adapter);
    kind_init(EXO_THREAD, sizeof(struct thread), thread_destroy_object_adapter);
    kind_init(EXO_ENDPOINT, sizeof(struct endpoint), endpoint_destroy_adapter);
    kind_init(EXO_NOTIFICATION, sizeof(struct notification), notification_destroy_adapter);
    kind_init(EXO_PAIR, sizeof(struct pair), pair_destroy_adapter);
    kind_init(EXO_IRQ, sizeof(struct irq), irq_destroy_adapter);
    kind_init(EXO_IOPORT, sizeof(struct ioport), nothing);
    kind_init(EXO_WAITSET, sizeof(struct waitset), waitset_destroy_adapter);
    kind_init(EXO_DMA, sizeof(struct dma), dma_destroy_adapter);
    kind_init(EXO_PLATFORM, sizeof(struct object), nothing);
    kind_init(EXO_SERVICE_TABLE, sizeof(struct object), nothing);
}
