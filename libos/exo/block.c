/* SPDX-License-Identifier: MIT */
/* The client of a block device: see block.h. */
#include <lib/linux/errno.h>
#include <lib/string.h>
#include <libos/exo/block.h>
#include <libos/exo/ipc.h>

/* A call, made again if the driver died over it. The capabilities of the answer go to caps[]. */
static int64_t call(exo_cap to, struct exo_message *m, exo_cap *caps, uint32_t count)
{
    struct exo_utcb *utcb = exo_utcb();
    uint32_t before = utcb->recv_caps;
    int64_t tag;

    utcb->recv_caps = count;
    tag = ipc_call_again(to, m);
    utcb->recv_caps = before;
    if (tag < 0)
        return -EIO;
    for (uint32_t i = 0; i < count; i++) {
        caps[i] = i < EXO_TAG_CAPS(m->tag) ? utcb->received[i] : 0;
        if (!caps[i] && (int64_t)m->w[0] >= 0)
            return -ENFILE;
    }
    return (int64_t)m->w[0];
}

int64_t block_disk(exo_cap driver, uint64_t number, struct block_info *info, exo_cap *extent)
{
    struct exo_message m = ipc_message(BLOCK_DISK, number, 0, 0, 0);
    int64_t result = call(driver, &m, extent, 1);

    if (result >= 0)
        memcpy(info, exo_utcb()->msg, sizeof *info);
    return result;
}

int64_t block_info(exo_cap extent, struct block_info *info)
{
    struct exo_message m = ipc_message(BLOCK_INFO, 0, 0, 0, 0);
    int64_t result = call(extent, &m, 0, 0);

    if (result >= 0)
        memcpy(info, exo_utcb()->msg, sizeof *info);
    return result;
}

int64_t block_part(exo_cap extent, uint64_t first, uint64_t sectors, uint32_t rights, exo_cap *part)
{
    struct exo_message m = ipc_message(BLOCK_PART, first, sectors, rights, 0);

    return call(extent, &m, part, 1);
}

int64_t block_open(struct block *b, exo_cap extent, uint64_t va, exo_cap notification,
                   uint32_t bits)
{
    exo_cap caps[2];
    int64_t result;

    for (;;) {
        struct exo_message m = ipc_message(BLOCK_QUEUE, bits, 0, 0, 0);

        if (notification) {
            exo_utcb()->send[0] = (struct exo_send){notification, EXO_SEND_COPY};
            m.tag = EXO_TAG(BLOCK_QUEUE, 0, 1);
        }
        if ((result = call(extent, &m, caps, 2)) != -EAGAIN)
            break;
        exo_yield(0); /* requests of a client that died are under way */
    }
    if (result < 0)
        return result;
    *b = (struct block){.queue = caps[0], .region = caps[1], .page = (void *)va};
    if (exo_map(0, va, 1, b->region, 0, EXO_MAP_READ | EXO_MAP_NOFORK) == EXO_OK)
        return 0;
    block_close(b);
    return -ENOMEM;
}

void block_close(struct block *b)
{
    exo_unmap(0, (uintptr_t)b->page, 1);
    exo_cap_delete(b->queue, 0);
    exo_cap_delete(b->region, 0);
    b->queue = b->region = 0;
}

int64_t block_buffer(struct block *b, uint32_t number, exo_cap memory)
{
    struct exo_message m = ipc_message(BLOCK_BUFFER, number, 0, 0, 0);

    exo_utcb()->send[0] = (struct exo_send){memory, EXO_SEND_COPY};
    m.tag = EXO_TAG(BLOCK_BUFFER, 0, 1);
    return call(b->queue, &m, 0, 0);
}

/* Slots and tags for as many requests as there are slots. */
static uint32_t name(struct block *b, struct block_request *requests, uint32_t count)
{
    uint64_t free = ~b->busy;
    uint32_t i;

    for (i = 0; i < count && i < BLOCK_BATCH && free != 0; i++, free &= free - 1) {
        requests[i].slot = (uint16_t)__builtin_ctzll(free);
        if (++b->tag == 0)
            b->tag = 1;
        requests[i].tag = b->tag;
    }
    return i;
}

int64_t block_submit(struct block *b, struct block_request *requests, uint32_t count)
{
    uint32_t named = name(b, requests, count);
    struct exo_message m = {.tag = EXO_TAG(BLOCK_SUBMIT, named * sizeof *requests, 0)};
    int64_t taken;

    if (named == 0)
        return -EAGAIN;
    memcpy(exo_utcb()->msg, requests, named * sizeof *requests);
    if (ipc_call_again(b->queue, &m) < 0)
        return -EIO;
    taken = (int64_t)m.w[0];
    if (taken < 0)
        return taken;
    for (int64_t i = 0; i < taken && i < named; i++) {
        b->busy |= (uint64_t)1 << requests[i].slot;
        b->tags[requests[i].slot] = requests[i].tag;
    }
    return taken != 0 ? taken : -(int64_t)(uint32_t)m.w[1];
}

uint64_t block_finished(const struct block *b)
{
    uint64_t finished = 0;

    for (uint64_t left = b->busy; left != 0; left &= left - 1) {
        uint32_t slot = (uint32_t)__builtin_ctzll(left);

        /* Acquire: what the device put into memory is seen behind this. */
        if (BLOCK_DONE_TAG(atomic_load(&b->page->done[slot])) == b->tags[slot])
            finished |= (uint64_t)1 << slot;
    }
    return finished;
}

int64_t block_take(struct block *b, uint32_t slot)
{
    b->busy &= ~((uint64_t)1 << slot);
    return -(int64_t)BLOCK_DONE_ERROR(atomic_load(&b->page->done[slot]));
}

/* `completed` is read before the slots are, so a completion in between ends the sleep at once. */
void block_wait(const struct block *b)
{
    _Atomic uint32_t *pending = &exo_utcb()->pending;
    uint32_t bits = 0;

    for (;;) {
        struct exo_wait_word word = {.address = (uintptr_t)&b->page->completed,
                                     .expected = atomic_load(&b->page->completed)};

        if (b->busy == 0 || block_finished(b) != 0)
            break;
        if (exo_wait(&word, 1, EXO_FOREVER) == EXO_EINTR)
            bits |= atomic_exchange(pending, 0);
    }
    if (bits != 0)
        atomic_fetch_or(pending, bits);
}

int64_t block_do(struct block *b, struct block_request *request)
{
    for (;;) {
        int64_t taken = block_submit(b, request, 1);

        if (taken > 0)
            break;
        if (taken != -EAGAIN)
            return taken;
        block_wait(b);
        exo_yield(0); /* the disk may be full of what others asked */
    }
    while (!(block_finished(b) >> request->slot & 1))
        block_wait(b);
    return block_take(b, request->slot);
}
