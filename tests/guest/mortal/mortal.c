// SPDX-License-Identifier: MIT
/*
 * A disk driver that dies: the same objects as drivers/virtio_blk, but some of the functions by which its
 * files call each other go through here (the linker's --wrap), and at chosen steps of its lives it takes
 * a fault instead, before the call or behind it. The counter outlives it. It dies five times, which is
 * what a service may in a minute.
 */
#include <drivers/virtio_blk/blk.h>
#include <libos/virtio/virtio.h>

KEPT static uint64_t steps;

static void step(void)
{
    static const uint64_t deaths[] = {40, 333, 1000, 1777, 2500};

    steps++;
    for (unsigned i = 0; i < sizeof deaths / sizeof deaths[0]; i++) {
        if (steps == deaths[i])
            __builtin_trap();
    }
}

int64_t __real_disk_submit(uint32_t disk, uint32_t request);
int64_t __wrap_disk_submit(uint32_t disk, uint32_t request);
int64_t __wrap_disk_submit(uint32_t disk, uint32_t request)
{
    step();
    int64_t result = __real_disk_submit(disk, request);
    step();
    return result;
}

void __real_disk_kick(uint32_t disk);
void __wrap_disk_kick(uint32_t disk);
void __wrap_disk_kick(uint32_t disk)
{
    step();
    __real_disk_kick(disk);
    step();
}

void __real_request_done(uint32_t disk, uint32_t request, uint32_t error);
void __wrap_request_done(uint32_t disk, uint32_t request, uint32_t error);
void __wrap_request_done(uint32_t disk, uint32_t request, uint32_t error)
{
    step();
    __real_request_done(disk, request, error);
    step();
}

void __real_queues_tell(void);
void __wrap_queues_tell(void);
void __wrap_queues_tell(void)
{
    step();
    __real_queues_tell();
    step();
}

bool __real_virtqueue_take(struct virtqueue *q, uint16_t *token);
bool __wrap_virtqueue_take(struct virtqueue *q, uint16_t *token);
bool __wrap_virtqueue_take(struct virtqueue *q, uint16_t *token)
{
    bool taken = __real_virtqueue_take(q, token);

    step();
    return taken;
}
