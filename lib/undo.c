/* SPDX-License-Identifier: MIT */
/* The undo log: see undo.h. */
#include <lib/undo.h>

#ifdef EXO_HOST_TEST
__attribute__((weak)) void undo_step(void)
{
}
#endif

void undo_init(struct undo *log, size_t bytes)
{
    log->used = 0;
    log->last = 0;
    log->room = (bytes - sizeof *log) / 8 * 8;
}

/* The entry that ends at `end` bytes of log; where it begins at *start. */
static struct undo_place entry_before(const struct undo *log, uint64_t end, uint64_t *start)
{
    struct undo_place place;

    memcpy(&place, undo_entries(log) + end - sizeof place, sizeof place);
    *start = end - UNDO_COST(place.bytes);
    return place;
}

/* Putting back is repeatable, as it does not read what it changes; and an entry leaves the log only
 * when it has been put back. */
void undo_recover(struct undo *log)
{
    while (log->used != 0) {
        uint64_t start;
        struct undo_place place = entry_before(log, log->used, &start);

        memcpy((uint8_t *)log + place.offset, undo_entries(log) + start, place.bytes);
        undo_order();
        log->used = start;
        undo_order();
    }
}

void undo_overflow(struct undo *log)
{
    undo_recover(log);
    __builtin_trap();
}

static bool covered(const struct undo *log, size_t offset)
{
    uint64_t at = log->last;

    while (at != 0) {
        struct undo_place place = entry_before(log, at, &at);

        if (offset - place.offset < place.bytes)
            return true;
    }
    return false;
}

size_t undo_uncovered(const struct undo *log, const void *before, size_t from, size_t bytes)
{
    const uint8_t *old = before, *new = (const uint8_t *)log;
    size_t start = sizeof *log + log->room;

    for (size_t at = from > start ? from : start; at < bytes; at++)
        if (old[at] != new[at] && !covered(log, at))
            return at;
    return bytes;
}
