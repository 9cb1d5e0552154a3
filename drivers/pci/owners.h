/* SPDX-License-Identifier: MIT */
/* Which driver has which devices. */
#ifndef PCI_OWNERS_H
#define PCI_OWNERS_H

#include <proto/proc.h>
#include <stdbool.h>
#include <stdint.h>

/** Is a device the one of the driver with this badge? `id`: vendor | device << 16. */
static inline bool owners_match(uint64_t badge, uint32_t id)
{
    static const struct {
        uint64_t badge;
        uint32_t id;
    } owners[] = {
        {PROC_SERVER_VIRTIO_BLK, 0x1af4 | 0x1042u << 16}, /* virtio 1.2, 4.1.2 */
        {PROC_SERVER_VIRTIO_BLK,
         0x1af4 | 0x1001u << 16}, /* the same with the older interface too */
    };
    for (unsigned i = 0; i < sizeof owners / sizeof owners[0]; i++) {
        if (owners[i].badge == badge && owners[i].id == id)
            return true;
    }
    return false;
}

#endif
