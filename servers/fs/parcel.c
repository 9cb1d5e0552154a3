/* SPDX-License-Identifier: MIT */
/*
 * Descriptors on their way from one process to another (SCM_RIGHTS over AF_UNIX sockets).
 *
 * What makes up a descriptor is capabilities, and a few words that only the LibOSes understand.
 * Capabilities travel in messages to a server alone, so they wait here, where they survive their
 * sender; the socket carries the box's key and the parcel's number.
 *
 * A box belongs to a socket and holds its region, of which the kernel counts the holders: when fs is
 * the only one, nobody can ever ask, and the box goes. That is found out when a box is made.
 */
#include "servers/fs/after.h"
#include "servers/fs/fs.h"
#include "servers/fs/port.h"
#include "servers/fs/recover.h"

#include <lib/heap.h>
#include <lib/string.h>

#define BOXES_MAX   1024u
#define PARCELS_MAX 2048u /* in all boxes */
#define PARCELS_BOX 512u

struct parcel {
    struct parcel *next;
    uint64_t number;
    exo_cap caps[EXO_MSG_CAPS];
    uint32_t bytes;
    char text[];
};

struct box {
    struct box *next;
    uint64_t key, last;
    exo_cap witness;
    uint32_t count;
    struct parcel *parcels; /* the newest first */
};

KEPT static struct box *boxes;
KEPT static uint32_t box_count, parcel_count;

static void parcel_free(struct box *box, struct parcel **link)
{
    struct parcel *parcel = *link;

    SET(*link, parcel->next);
    for (uint32_t i = 0; i < EXO_MSG_CAPS; i++) {
        if (parcel->caps[i])
            after_drop(parcel->caps[i]);
    }
    heap_free(parcel);
    SET(box->count, box->count - 1);
    SET(parcel_count, parcel_count - 1);
}

static void box_free(struct box **link)
{
    struct box *box = *link;

    while (box->parcels) {
        parcel_free(box, &box->parcels);
        request_pause();
    }
    SET(*link, box->next);
    after_drop(box->witness);
    heap_free(box);
    SET(box_count, box_count - 1);
    request_pause();
}

/* Boxes that nobody can reach any more. Their contents may have held others: until nothing goes. */
static void boxes_sweep(void)
{
    bool again = true;

    while (again) {
        again = false;
        for (struct box **link = &boxes; *link;) {
            if (port_region_holders((*link)->witness) == 1) {
                box_free(link);
                again = true;
            } else {
                link = &(*link)->next;
            }
        }
    }
}

static struct box **box_find(uint64_t key)
{
    struct box **link = &boxes;

    while (*link && (*link)->key != key)
        link = &(*link)->next;
    return *link ? link : 0;
}

int64_t fs_parcel_box(struct request *q)
{
    struct box *box;

    if (!q->got)
        return -EINVAL;
    boxes_sweep();
    box = box_count < BOXES_MAX ? heap_alloc(sizeof *box) : 0;
    if (!box)
        return -ETOOMANYREFS;
    *box = (struct box){.next = boxes, .witness = q->got};
    q->got = 0;
    cap_keep(box->witness);
    do
        files_random(&box->key, sizeof box->key);
    while (box->key == 0);
    SET(boxes, box);
    SET(box_count, box_count + 1);
    q->r[1] = box->key;
    return 0;
}

int64_t fs_parcel_put(struct request *q)
{
    struct box **link = box_find(q->w[0]);
    struct parcel *parcel;

    if (!link || q->bytes > FS_PARCEL_BYTES)
        return link ? -EINVAL : -ENOENT;
    if (parcel_count >= PARCELS_MAX || (*link)->count >= PARCELS_BOX ||
        !(parcel = heap_alloc(sizeof *parcel + q->bytes)))
        return -ETOOMANYREFS;
    parcel->next = (*link)->parcels;
    if (!q->w[1])
        SET((*link)->last, (*link)->last + 1);
    parcel->number = q->w[1] ? q->w[1] : (*link)->last;
    parcel->bytes = q->bytes;
    memcpy(parcel->text, q->msg, q->bytes);
    parcel->caps[0] = q->got;
    q->got = 0;
    for (uint32_t i = 1; i < EXO_MSG_CAPS; i++) {
        parcel->caps[i] = q->got_more[i - 1];
        q->got_more[i - 1] = 0;
    }
    for (uint32_t i = 0; i < EXO_MSG_CAPS; i++) {
        if (parcel->caps[i])
            cap_keep(parcel->caps[i]);
    }
    SET((*link)->parcels, parcel);
    SET((*link)->count, (*link)->count + 1);
    SET(parcel_count, parcel_count + 1);
    q->r[1] = parcel->number;
    return 0;
}

/* The oldest with this number: they lie the newest first. */
static struct parcel **parcel_find(struct box *box, uint64_t number)
{
    struct parcel **found = 0;

    for (struct parcel **link = &box->parcels; *link; link = &(*link)->next) {
        if ((*link)->number == number)
            found = link;
    }
    return found;
}

int64_t fs_parcel_take(struct request *q)
{
    struct box **box = box_find(q->w[0]);
    struct parcel **link = box ? parcel_find(*box, q->w[1]) : 0, *parcel;

    if (!link)
        return -ENOENT;
    parcel = *link;
    memcpy(q->reply, parcel->text, parcel->bytes);
    q->reply_bytes = parcel->bytes;
    q->give = parcel->caps[0];
    q->give_mode = EXO_SEND_MOVE;
    for (uint32_t i = 1; i < EXO_MSG_CAPS; i++)
        q->give_more[i - 1] = parcel->caps[i];
    undo_save(parcel->caps, sizeof parcel->caps);
    memset(parcel->caps, 0, sizeof parcel->caps); /* they are the answer's now */
    parcel_free(*box, link);
    return 0;
}

int64_t fs_parcel_drop(struct request *q)
{
    struct box **box = box_find(q->w[0]);
    struct parcel **link;

    if (!box)
        return -ENOENT;
    if (q->w[1] == 0) {
        box_free(box);
        return 0;
    }
    while ((link = parcel_find(*box, q->w[1]))) {
        parcel_free(*box, link);
        request_pause();
    }
    return 0;
}
