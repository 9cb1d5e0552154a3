// SPDX-License-Identifier: MIT
/*
 * Robust mutexes: the C library keeps a list of those that a thread holds, in program memory; when
 * the thread ends, each is marked so (FUTEX_OWNER_DIED) and one waiter is woken. Linux's
 * Documentation/locking/robust-futex-ABI describes the list. Whatever it holds is only read.
 */
#include "core.h"

#define ROBUST_HEAD_BYTES 24u
#define ROBUST_MOST       2048u /* Linux's limit: the list may be a ring without the head */
#define FUTEX_WAITERS     0x80000000u
#define FUTEX_OWNER_DIED  0x40000000u
#define FUTEX_TID_MASK    0x3fffffffu

static void word_release(uint64_t word, uint32_t tid)
{
    uint32_t value;

    if ((word & 3) || user_read32(&value, word) < 0)
        return;
    for (;;) {
        if ((value & FUTEX_TID_MASK) != tid)
            return;
        int64_t done =
            user_swap32((uint32_t *)word, &value, (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED);

        if (done < 0)
            return;
        if (done)
            break;
    }
    if (value & FUTEX_WAITERS)
        exo_wake((const void *)word, 1);
}

void robust_release(struct thread *t)
{
    uint64_t head = t->robust_list, entry, next, offset, pending;

    t->robust_list = 0;
    if (!head || user_read64(&entry, head) < 0 || user_read64(&offset, head + 8) < 0 ||
        user_read64(&pending, head + 16) < 0)
        return;
    for (uint32_t i = 0; entry != head && i < ROBUST_MOST; i++, entry = next) {
        uint64_t at = entry & ~(uint64_t)1; /* bit 0: priority inheritance */

        if (user_read64(&next, at) < 0)
            return;
        if (at != (pending & ~(uint64_t)1))
            word_release(at + offset, (uint32_t)t->tid);
    }
    if (pending)
        word_release((pending & ~(uint64_t)1) + offset, (uint32_t)t->tid);
}

DEFINE_CALL2(set_robust_list, head, bytes)
{
    if (bytes != ROBUST_HEAD_BYTES)
        return -EINVAL;
    self()->robust_list = head;
    return 0;
}

DEFINE_CALL3(get_robust_list, tid, head_out, bytes_out)
{
    const struct thread *t = current()->threads;

    while (t && tid != 0 && t->tid != (int32_t)tid)
        t = t->next;
    if (tid == 0)
        t = self();
    if (!t)
        return -ESRCH;
    if (user_write64(head_out, t->robust_list) < 0)
        return -EFAULT;
    return user_write64(bytes_out, ROBUST_HEAD_BYTES);
}
