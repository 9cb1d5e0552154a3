/* SPDX-License-Identifier: MIT */
/* The example of rs.h: a driver that owns a memory and a device capability, and finds both in its next
 * life. It fails twice; then it ends well, if it found them, with what it had stored. */
#include <exo.h>
#include <exo/boot.h>
#include <rs.h>
#include <stdbool.h>

#define WHERE 0x200000000000u
#define LIVES 3u

/* In a page that is kept: the word at its begin counts lives, the next names the capability. */
static volatile uint64_t *const page = (volatile uint64_t *)WHERE;

static bool own(exo_cap device)
{
    int64_t made = exo_region_create(EXO_CAP_ACCOUNT, 1, 1);
    exo_cap memory = (exo_cap)made;

    if (made < 0 || exo_map(0, WHERE, 1, memory, 0, EXO_MAP_READ | EXO_MAP_WRITE) != EXO_OK ||
        rs_preserve(WHERE, 1) != EXO_OK)
        return false;
    page[1] = memory;
    return rs_keep(memory) == EXO_OK && rs_keep(device) == EXO_OK;
}

static bool is(exo_cap cap, uint32_t type)
{
    struct exo_cap_info info;

    return exo_cap_info(cap, &info) == EXO_OK && info.type == type && (info.flags & EXO_CAP_KEEP);
}

int main(void)
{
    exo_cap device = EXO_WELL_KNOWN(EXO_SRV_DEVICE);

    if (rs_life()->number == 1 && !own(device))
        return 2;
    if (!is(page[1], EXO_REGION) || !is(device, EXO_IRQ))
        return 3;
    if (++page[0] < LIVES)
        __builtin_trap();
    return page[0] == LIVES ? 0 : 4;
}
