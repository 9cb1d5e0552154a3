/* SPDX-License-Identifier: MIT */
/*
 * A doubly linked ring: a head and links that live inside the things listed. Every operation is
 * O(1) and needs no memory.
 *
 *     struct job { struct list link; ... };
 *     struct list jobs = LIST_EMPTY(jobs);
 *     list_append(&jobs, &job->link);
 *     for (struct list *l = jobs.next; l != &jobs; l = l->next)
 *         run(LIST_ITEM(l, struct job, link));
 */
#ifndef LIB_LIST_H
#define LIB_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *prev;
};

#define LIST_EMPTY(head) \
    {                    \
        &(head), &(head) \
    }
#define LIST_ITEM(at, type, member) ((type *)(void *)((char *)(at)-offsetof(type, member)))

static inline void list_init(struct list *head)
{
    head->next = head->prev = head;
}

static inline bool list_is_empty(const struct list *head)
{
    return head->next == head;
}

static inline void list_insert_after(struct list *at, struct list *item)
{
    item->next = at->next;
    item->prev = at;
    at->next->prev = item;
    at->next = item;
}

/** Adds at the end. */
static inline void list_append(struct list *head, struct list *item)
{
    list_insert_after(head->prev, item);
}

/** Takes an item out and leaves it a ring of its own, so that removing twice does no harm. */
static inline void list_remove(struct list *item)
{
    item->prev->next = item->next;
    item->next->prev = item->prev;
    list_init(item);
}

#endif
