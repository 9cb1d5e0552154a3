# SPDX-License-Identifier: MIT
"""Claims: libos/posix/claim.h (claim_take, claim_drop) and claim.c (taking a dead holder's over)."""

from weak import acquire, release, Protocol


def holder(t):
    """stream_put_bytes: one of several writers of a ring."""
    t.assume(t.compare_exchange("claim", 0, 1, acquire))  # libos/posix/claim.h: atomic_compare_exchange_strong(word, &free, name)
    t.store("tail", t.load("tail") + 1)
    t.exchange("claim", 0, release)  # libos/posix/claim.h: atomic_exchange(word, 0) & CLAIM_WAITED


def dies(t):
    """Holds the claim and has copied half of its bytes. The kernel stops its CPU before proc hears of
    the death and says so in its table (servers/proc/table.c, entry_state)."""
    t.store("data", 7)
    t.fence(release)  # servers/proc/table.c: atomic_thread_fence(memory_order_release)
    t.store("state", 1)


def takes_over(t):
    """claim_take_slowly."""
    t.assume(t.load("state") == 1)
    t.fence(acquire)  # libos/posix/claim.c: atomic_thread_fence(memory_order_acquire)
    t.assume(t.compare_exchange("claim", 1, 2))
    t.store("data", 1)


PROTOCOLS = [
    Protocol("exclusion", "two processes append under the claim and nothing is lost",
             [holder, holder], lambda o: True, final=lambda m, o: m["tail"] != 2),
    Protocol("heir", "what a dead holder left half done does not overwrite its heir's work",
             [dies, takes_over], lambda o: True, final=lambda m, o: m["data"] == 7,
             start={"claim": 1}, most=7),
]
