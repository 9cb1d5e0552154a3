/* SPDX-License-Identifier: MIT */
/* Split virtqueues (2.7). Tests: tests/c17/unit/test_virtio_ring.c */
#include <exo_machine/device.h>
#include <lib/string.h>
#include <libos/virtio/virtio.h>

#define DESC_NEXT     1u
#define DESC_WRITE    2u
#define DESC_INDIRECT 4u
#define NO_BELL       1u /* used ring's flags: it looks by itself */
#define INDEX         1u /* of both rings, in 16-bit words: flags, index, */
#define RING          2u /* ring */

void virtqueue_init(struct virtqueue *q, void *memory, uint16_t size, bool indirect)
{
    uint8_t *at = memory;

    *q = (struct virtqueue){.desc = memory, .size = size, .indirect = indirect};
    q->avail = (volatile uint16_t *)(void *)(at + VIRTQUEUE_AVAIL);
    q->used = (volatile uint16_t *)(void *)(at + VIRTQUEUE_USED);
    q->free_count = size;
    for (uint16_t i = 0; i < size; i++)
        q->desc[i].next = (uint16_t)(i + 1);
}

static struct virtq_desc describe(const struct virtio_part *part, bool more, uint16_t next)
{
    return (struct virtq_desc){
        .address = part->address,
        .bytes = part->bytes,
        .flags = (uint16_t)((more ? DESC_NEXT : 0) | (part->write ? DESC_WRITE : 0)),
        .next = next};
}

/* The links of the free list are those of the chain. */
static void put_chain(struct virtqueue *q, const struct virtio_part *parts, uint16_t count)
{
    uint16_t at = q->free;

    for (uint16_t i = 0; i < count; i++) {
        uint16_t next = q->desc[at].next;

        q->desc[at] = describe(&parts[i], i + 1 < count, next);
        at = next;
    }
    q->free = at;
    q->free_count = (uint16_t)(q->free_count - count);
}

static void put_table(struct virtqueue *q, const struct virtio_part *parts, uint16_t count,
                      struct virtq_desc *table, uint64_t table_address)
{
    struct virtq_desc *d = &q->desc[q->free];

    for (uint16_t i = 0; i < count; i++)
        table[i] = describe(&parts[i], i + 1 < count, (uint16_t)(i + 1));
    q->free = d->next;
    q->free_count--;
    d->address = table_address;
    d->bytes = count * (uint32_t)sizeof *table;
    d->flags = DESC_INDIRECT;
}

bool virtqueue_put(struct virtqueue *q, const struct virtio_part *parts, uint16_t count,
                   struct virtq_desc *table, uint64_t table_address, uint16_t token)
{
    uint16_t head = q->free;

    if (count == 0 || q->free_count < (q->indirect ? 1 : count))
        return false;
    if (q->indirect)
        put_table(q, parts, count, table, table_address);
    else
        put_chain(q, parts, count);
    q->tokens[head] = token;
    q->avail[RING + q->avail_index % q->size] = head;
    q->avail_index++;
    return true;
}

/* The barriers: what was put in before the index that tells of it; the index before the question whether
 * the device wants to be told (2.7.13). */
void virtqueue_kick(struct virtqueue *q)
{
    if (q->avail[INDEX] == q->avail_index)
        return;
    device_barrier();
    q->avail[INDEX] = q->avail_index;
    device_barrier();
    if (!(q->used[0] & NO_BELL))
        *q->bell = q->number;
}

static void free_chain(struct virtqueue *q, uint16_t head)
{
    uint16_t last = head, count = 1;

    while ((q->desc[last].flags & DESC_NEXT) && count < q->size) {
        last = q->desc[last].next;
        count++;
    }
    q->desc[last].next = q->free;
    q->free = head;
    q->free_count = (uint16_t)(q->free_count + count);
}

bool virtqueue_take(struct virtqueue *q, uint16_t *token)
{
    const volatile uint32_t *pair;
    uint32_t head;

    do {
        if (!q->desc || q->used[INDEX] == q->used_index)
            return false;
        device_barrier(); /* the index before what it tells of */
        pair = (const volatile uint32_t *)(const volatile void *)(q->used + RING) +
               2 * (q->used_index % q->size);
        head = pair[0];
        q->used_index++;
    } while (head >= q->size); /* no descriptor: nothing of ours */
    *token = q->tokens[head];
    free_chain(q, (uint16_t)head);
    return true;
}
