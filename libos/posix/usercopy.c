// SPDX-License-Identifier: MIT
/*
 * Program memory, touched only here: the range is checked (the LibOS's own addresses are not a
 * program's to name), and a fault of the copy itself ends in -EFAULT (arch/MACHINE/usercopy.S).
 */
#include "core.h"

static void *at(uint64_t va)
{
    return (void *)va;
}

int64_t user_read(void *to, uint64_t from, uint64_t bytes)
{
    return user_range(from, bytes) ? user_copy(to, at(from), bytes) : -EFAULT;
}

int64_t user_write(uint64_t to, const void *from, uint64_t bytes)
{
    return user_range(to, bytes) ? user_copy(at(to), from, bytes) : -EFAULT;
}

int64_t user_zero(uint64_t to, uint64_t bytes)
{
    return user_range(to, bytes) ? user_fill_zero(at(to), bytes) : -EFAULT;
}

int64_t user_string(char *to, uint64_t from, uint64_t limit)
{
    uint64_t room = from < USER_TOP ? USER_TOP - from : 0;
    int64_t got = room ? user_copy_string(to, at(from), limit < room ? limit : room) : -EFAULT;

    if (got <= 0)
        return -EFAULT;
    if (to[got - 1] == 0)
        return got - 1;
    return (uint64_t)got == limit ? -ENAMETOOLONG : -EFAULT;
}

int64_t user_read32(uint32_t *to, uint64_t from)
{
    return user_range(from, 4) ? user_load32(at(from), to) : -EFAULT;
}

int64_t user_write32(uint64_t to, uint32_t value)
{
    return user_range(to, 4) ? user_store32(at(to), value) : -EFAULT;
}

int64_t user_read64(uint64_t *to, uint64_t from)
{
    return user_range(from, 8) ? user_load64(at(from), to) : -EFAULT;
}

int64_t user_write64(uint64_t to, uint64_t value)
{
    return user_range(to, 8) ? user_store64(at(to), value) : -EFAULT;
}
