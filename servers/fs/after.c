/* SPDX-License-Identifier: MIT */
/* What a transaction has for consequences; see after.h. */
#include "servers/fs/after.h"
#include "servers/fs/port.h"

#include <lib/string.h>

/* One request tells each of 256 inotify instances at most, and has a few other consequences. */
#define NOTES 512u

struct note {
    enum after what; /* AFTER_CLEAR: c is at most a page */
    void *object;
    uint64_t a, b, c;
};

static const uint8_t zeros[EXO_PAGE_SIZE];

/* The notes from `done` on are to be done. What is behind `count` means nothing, so a new note is not
 * logged. */
KEPT static struct {
    _Alignas(8) uint32_t done; /* both in one word of the log */
    uint32_t count;
    struct note notes[NOTES];
} todo;

bool after_is_empty(void)
{
    return todo.done == todo.count;
}

void after(enum after what, void *object, uint64_t a, uint64_t b, uint64_t c)
{
    struct note *note = &todo.notes[todo.count];

    if (todo.count == NOTES)
        __builtin_trap();
    unlogged(note, sizeof(*note));
    *note = (struct note){what, object, a, b, c};
    SET(todo.count, todo.count + 1);
}

void after_once(enum after what, void *object)
{
    for (uint32_t i = todo.count; i-- > todo.done;) {
        if (todo.notes[i].what == what && todo.notes[i].object == object)
            return;
    }
    after(what, object, 0, 0, 0);
}

void after_forget(const void *object)
{
    for (uint32_t i = todo.done; i < todo.count; i++) {
        if (todo.notes[i].object == object)
            SET(todo.notes[i].what, AFTER_NOTHING);
    }
}

static void note_do(const struct note *note)
{
    switch (note->what) {
    case AFTER_NOTHING: break;
    case AFTER_DROP: port_drop(note->a); break;
    case AFTER_RELEASE:
        if (port_region_holders(note->a) == 1)
            port_region_punch(note->a, 0, REGION_PAGES);
        port_drop(note->a);
        break;
    case AFTER_UNMAP: port_unmap(note->object); break;
    case AFTER_CLEAR:
        if (note->a) {
            port_region_write(note->a, note->b, zeros, note->c);
        } else {
            unlogged(note->object, note->c);
            memset(note->object, 0, note->c);
        }
        break;
    case AFTER_PUNCH: port_region_punch(note->a, note->b, note->c); break;
    case AFTER_SERVICE: port_service_end((uint32_t)note->a, (uint32_t)note->b); break;
    case AFTER_STATE: data_publish(note->object); break;
    case AFTER_LOCKS: lock_publish(note->object); break;
    case AFTER_FIFO: fifo_publish(note->object); break;
    case AFTER_EVENTS: notify_publish(note->object); break;
    case AFTER_UNUSED: inode_unused(note->object); break;
    }
}

/* Doing one may change records and note more, so that it is a transaction of its own. */
void after_run(void)
{
    while (!after_is_empty()) {
        struct note note = todo.notes[todo.done];
        bool once = note.what == AFTER_SERVICE; /* it may be the end of this life */

        if (!once)
            note_do(&note);
        undo_word(&todo.done);
        if (++todo.done == todo.count)
            todo.done = todo.count = 0;
        undo_commit();
        if (once)
            note_do(&note);
    }
}
