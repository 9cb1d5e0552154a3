// SPDX-License-Identifier: MIT
/*
 * Robust mutexes: the C library keeps a list of those that a thread holds, in program memory; when
 * the thread ends, each is marked so (FUTEX_OWNER_DIED) and one waiter is woken. Linux's
 * Documentation/locking/robust-futex-ABI describes the list. Whatever it holds is only read.
 *
 * A process that is killed does not do that. So who waits for one of its mutexes does it: that a word is
 * such a mutex, and not just any number, is known from the waiter's own list, where the C library notes
 * what is about to be locked; it holds the owner's thread id; and the owner's record in proc's table is
 * one more word to sleep on.
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

/* Has the thread ended? `e`: the record of its process, if there is one. The record says so before the
 * environment has stopped; but when proc answers, what it did before is done. */
static bool owner_died(int32_t tid, const struct proc_entry *e)
{
    bool ended = !e || e->state == PROC_FREE || e->state == PROC_ZOMBIE;
    struct exo_message m = {0};
    int64_t st = 0;

    if (ended || tid >= PROC_TID_FIRST)
        st = proc_call(&m, PROC_KILL, PROC_KILL_THREAD | (uint32_t)tid, 0, SI_TKILL, 0);
    return ended || st == -ESRCH;
}

/* Is the caller about to lock a robust mutex there? */
static bool is_pending(uint64_t word)
{
    uint64_t head = self()->robust_list, offset, pending;

    return head && user_read64(&offset, head + 8) == 0 && user_read64(&pending, head + 16) == 0 &&
           pending && (pending & ~(uint64_t)1) + offset == word;
}

uint32_t robust_watch(uint64_t word, uint32_t value, struct exo_wait_word watched[2])
{
    int32_t tid = (int32_t)(value & FUTEX_TID_MASK);
    const struct proc_entry *e;
    uint32_t sequence;

    if (tid == 0 || !is_pending(word))
        return 0;
    e = tid < PROC_TID_FIRST ? process_find(tid) : &process_table()[proc_tid_slot(tid)];
    sequence = e ? atomic_load(&e->sequence) : 0;
    if (owner_died(tid, e)) {
        word_release(word, (uint32_t)tid);
        return 0;
    }
    /* The state is what proc wakes, the sequence what never comes again. */
    watched[0] = (struct exo_wait_word){.address = (uintptr_t)&e->state, .expected = e->state};
    watched[1] = (struct exo_wait_word){.address = (uintptr_t)&e->sequence, .expected = sequence};
    return 2;
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
