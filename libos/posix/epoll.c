/* SPDX-License-Identifier: MIT */
/*
 * epoll: a set of files that is watched again and again.
 *
 * What makes it quick: most files of a set are quiet. For a quiet file we know, from its `watch`
 * operation, one or two words in memory that must change before anything can hold. So looking at the
 * set is a walk over an array of (address, value seen), four instructions a file, and only files
 * whose word has changed are asked. Nobody needs to tell us: the words are the rings' own positions.
 *
 * A file is *active* when the last look found something to report (it may still hold), or when its
 * kind offers no such words. Edge-triggered files become quiet as soon as they were reported: a
 * change of their words is the edge.
 *
 * A set belongs to the process: after a fork each side has its own copy (on Linux they share it).
 */
#include "files.h"

#include <linux_abi.h>

#define EPOLL_CTL_ADD 1u
#define EPOLL_CTL_DEL 2u
#define EPOLL_CTL_MOD 3u

#define EPOLL_EXCLUSIVE (1u << 28)
#define EPOLL_WAKEUP    (1u << 29)
#define EPOLL_ONESHOT   (1u << 30)
#define EPOLL_ET        (1u << 31)
#define EPOLL_EVENTS    0x3fffu /* POLL_* */

struct item {
    struct file *file; /* no reference: epoll_forget comes before its end */
    uint32_t fd, events;
    uint64_t data;
};

/* An active item's word is `never`, which never changes. */
struct quick {
    const _Atomic uint64_t *word;
    uint64_t seen;
};
static const _Atomic uint64_t never;

struct epoll {
    uint32_t count, limit;
    struct item *items;
    struct quick *first, *second; /* of item i; `second` is only walked if some item has two */
    uint64_t *active;             /* a bit for item i */
    uint32_t seconds;             /* items with two words */
    uint32_t cursor;              /* where the next report begins */
};

static struct epoll *epoll_of(const struct file *f)
{
    return f->state;
}

/* ---- quiet and active ---------------------------------------------------------------------------- */

static void item_activate(struct epoll *e, uint32_t i)
{
    e->active[i / 64] |= (uint64_t)1 << i % 64;
    e->first[i] = (struct quick){&never, 0};
    e->second[i] = (struct quick){&never, 0};
}

/* The words to watch and their values now, to be read before the file is asked. */
static uint32_t item_words(const struct item *item, struct quick words[2])
{
    const _Atomic uint64_t *at[2];
    uint32_t count = item->file->ops->watch ? item->file->ops->watch(item->file, at) : 0;

    words[0] = words[1] = (struct quick){&never, 0};
    for (uint32_t k = 0; k < count; k++)
        words[k] = (struct quick){at[k], atomic_load(at[k])};
    return count;
}

static void item_calm(struct epoll *e, uint32_t i, const struct quick words[2])
{
    e->active[i / 64] &= ~((uint64_t)1 << i % 64);
    e->first[i] = words[0];
    e->second[i] = words[1];
}

/* 0 as long as nothing has changed. */
static inline uint64_t word_change(const struct quick *q)
{
    return atomic_load_explicit(q->word, memory_order_acquire) ^ q->seen;
}

static void words_check(struct epoll *e, const struct quick *words, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        if (word_change(&words[i]))
            item_activate(e, i);
    }
}

/* Eight at a time, since hardly ever one of them has changed: four instructions a file. */
static void words_walk(struct epoll *e, const struct quick *words)
{
    const struct quick *q = words, *end = words + (e->count & ~7u);

    for (; q < end; q += 8) {
        if (word_change(q) | word_change(q + 1) | word_change(q + 2) | word_change(q + 3) |
            word_change(q + 4) | word_change(q + 5) | word_change(q + 6) | word_change(q + 7))
            words_check(e, words, (uint32_t)(q - words), (uint32_t)(q - words) + 8);
    }
    words_check(e, words, (uint32_t)(q - words), e->count);
}

/* What of its events holds for an item. */
static uint32_t item_ask(const struct item *item)
{
    uint32_t wanted = item->events & EPOLL_EVENTS;

    return wanted ? file_poll(item->file, wanted, 0) & wanted : 0; /* 0: EPOLL_ONESHOT has fired */
}

/* Asks one active file; what is to be reported now, 0: nothing. To become quiet, a file must be
 * asked after its words were read. */
static uint32_t item_look(struct epoll *e, uint32_t i)
{
    const struct item *item = &e->items[i];
    struct quick words[2];
    uint32_t ready = item->events & EPOLL_ET ? 0 : item_ask(item), count;

    if (ready)
        return ready;
    count = item_words(item, words);
    ready = item_ask(item);
    if (count && (!ready || (item->events & EPOLL_ET)))
        item_calm(e, i, words);
    return ready;
}

/* ---- reporting ----------------------------------------------------------------------------------- */

static int64_t item_report(struct item *item, uint32_t ready, uint64_t user)
{
    struct linux_epoll_event event = {.events = ready, .data = item->data};

    if (user && user_write(user, &event, sizeof event) < 0)
        return -EFAULT;
    if (user && (item->events & EPOLL_ONESHOT))
        item->events &= ~EPOLL_EVENTS;
    return 0;
}

/* The next active item at or after i; count: none. */
static uint32_t active_next(const struct epoll *e, uint32_t i)
{
    while (i < e->count) {
        uint64_t word = e->active[i / 64] >> i % 64;

        if (word)
            return i + (uint32_t)__builtin_ctzll(word);
        i = (i / 64 + 1) * 64;
    }
    return e->count;
}

/* Reports items of [from, to) until there are `room`. */
static int64_t report_range(struct epoll *e, uint32_t from, uint32_t to, uint64_t user,
                            uint32_t room)
{
    uint32_t found = 0;

    for (uint32_t i = active_next(e, from); i < to && found < room; i = active_next(e, i + 1)) {
        uint32_t ready = item_look(e, i);

        if (!ready)
            continue;
        if (item_report(&e->items[i], ready, user + found * sizeof(struct linux_epoll_event)) < 0)
            return found ? found : -EFAULT;
        found++;
        e->cursor = i + 1;
    }
    return found;
}

/* One look at the set: how many events were stored at `user`. */
static int64_t epoll_look(struct epoll *e, uint64_t user, uint32_t room)
{
    uint32_t start;
    int64_t found, more;

    words_walk(e, e->first);
    if (e->seconds)
        words_walk(e, e->second);
    start = e->cursor < e->count ? e->cursor : 0;
    found = report_range(e, start, e->count, user, room);
    if (found < 0 || found == room || start == 0)
        return found;
    more = report_range(e, 0, start, user + (uint64_t)found * sizeof(struct linux_epoll_event),
                        room - (uint32_t)found);
    return more < 0 ? found : found + more;
}

static void epoll_words(struct epoll *e, struct waiter *w)
{
    for (uint32_t i = 0; i < e->count; i++) {
        uint32_t wanted = e->items[i].events & EPOLL_EVENTS;

        if (wanted)
            file_poll(e->items[i].file, wanted, w);
    }
}

static int64_t epoll_wait_until(struct file *f, uint64_t user, uint32_t room, exo_time deadline)
{
    struct epoll *e = epoll_of(f);
    int64_t found = epoll_look(e, user, room);
    struct waiter w;

    if (found != 0 || deadline == 0)
        return found;
    file_get(f);
    while (found == 0) {
        waiter_init(&w, deadline);
        epoll_words(e, &w);
        found = epoll_look(e, user, room);
        if (found != 0)
            break;
        found = waiter_sleep_crowded(&w);
        if (found == -ETIMEDOUT) {
            found = 0;
            break;
        }
        if (found == 0)
            found = epoll_look(e, user, room);
    }
    file_put(f);
    return found == -ERESTARTSYS ? -EINTR : found;
}

/* ---- changing the set ---------------------------------------------------------------------------- */

static void *grown(const void *old, uint32_t old_bytes, uint32_t bytes)
{
    void *new = heap_zeroed(1, bytes);

    if (new &&old_bytes)
        memcpy(new, old, old_bytes);
    return new;
}

static void epoll_free_arrays(struct epoll *e)
{
    heap_free(e->items);
    heap_free(e->first);
    heap_free(e->second);
    heap_free(e->active);
}

static bool epoll_grow(struct epoll *e)
{
    uint32_t limit = e->limit ? 2 * e->limit : 64;
    struct epoll new = *e;

    if (e->count < e->limit)
        return true;
    new.limit = limit;
    new.items = grown(e->items, e->count * sizeof *e->items, limit * sizeof *e->items);
    new.first = grown(e->first, e->count * sizeof *e->first, limit * sizeof *e->first);
    new.second = grown(e->second, e->count * sizeof *e->second, limit * sizeof *e->second);
    new.active = grown(e->active, e->limit / 8, limit / 8);
    if (!new.items || !new.first || !new.second || !new.active) {
        epoll_free_arrays(&new);
        return false;
    }
    epoll_free_arrays(e);
    *e = new;
    return true;
}

static bool has_second(const struct item *item)
{
    struct quick words[2];

    return item_words(item, words) == 2;
}

/* The last item takes the place of the one that goes. */
static void item_remove(struct epoll *e, uint32_t i)
{
    uint32_t last = e->count - 1;
    bool active = e->active[last / 64] >> last % 64 & 1;

    --*file_watchers(e->items[i].file);
    e->seconds -= has_second(&e->items[i]);
    e->items[i] = e->items[last];
    e->first[i] = e->first[last];
    e->second[i] = e->second[last];
    e->active[i / 64] &= ~((uint64_t)1 << i % 64);
    if (active)
        e->active[i / 64] |= (uint64_t)1 << i % 64;
    e->active[last / 64] &= ~((uint64_t)1 << last % 64);
    e->count = last;
}

static int64_t item_find(const struct epoll *e, uint32_t fd, const struct file *file)
{
    for (uint32_t i = 0; i < e->count; i++) {
        if (e->items[i].fd == fd && e->items[i].file == file)
            return i;
    }
    return -ENOENT;
}

static int64_t item_add(struct epoll *e, uint32_t fd, struct file *file, uint32_t events,
                        uint64_t data)
{
    if (item_find(e, fd, file) >= 0)
        return -EEXIST;
    if (!epoll_grow(e))
        return -ENOMEM;
    e->items[e->count] = (struct item){file, fd, events, data};
    e->seconds += has_second(&e->items[e->count]);
    ++*file_watchers(file);
    item_activate(e, e->count++);
    return 0;
}

static const struct file_ops epoll_ops;

static bool holds_set(const struct epoll *e)
{
    for (uint32_t i = 0; i < e->count; i++) {
        if (e->items[i].file->ops == &epoll_ops)
            return true;
    }
    return false;
}

/* A set may hold sets, but those no further ones: so there are no rings of them. */
static bool nests_too_deep(struct file *set, const struct file *f)
{
    return f->ops == &epoll_ops && (*file_watchers(set) > 0 || holds_set(epoll_of(f)));
}

DEFINE_CALL4(epoll_ctl, epfd, operation, fd, user)
{
    struct file *set = fd_file(epfd), *f = fd_file(fd);
    uint32_t what = (uint32_t)operation,
             known = EPOLL_EVENTS | EPOLL_EXCLUSIVE | EPOLL_WAKEUP | EPOLL_ONESHOT | EPOLL_ET;
    struct linux_epoll_event event = {.events = 0};
    int64_t i;

    if (!set || !f)
        return -EBADF;
    if (!f->ops->poll)
        return -EPERM;
    if (set == f || set->ops != &epoll_ops)
        return -EINVAL;
    if (what != EPOLL_CTL_DEL && user_read(&event, user, sizeof event) < 0)
        return -EFAULT;
    if (event.events & ~known)
        return -EINVAL;
    if (what == EPOLL_CTL_ADD && nests_too_deep(set, f))
        return -ELOOP;
    if (what == EPOLL_CTL_ADD)
        return item_add(epoll_of(set), (uint32_t)fd, f, event.events | POLL_ERR | POLL_HUP,
                        event.data);
    i = item_find(epoll_of(set), (uint32_t)fd, f);
    if (i < 0)
        return i;
    if (what == EPOLL_CTL_DEL) {
        item_remove(epoll_of(set), (uint32_t)i);
        return 0;
    }
    if (what != EPOLL_CTL_MOD)
        return -EINVAL;
    epoll_of(set)->items[i].events = event.events | POLL_ERR | POLL_HUP;
    epoll_of(set)->items[i].data = event.data;
    item_activate(epoll_of(set), (uint32_t)i);
    return 0;
}

static void forget_in(struct file *set, uint64_t file)
{
    struct epoll *e = epoll_of(set);

    if (set->ops != &epoll_ops)
        return;
    for (uint32_t i = e->count; i-- > 0;) {
        if (e->items[i].file == (const struct file *)file)
            item_remove(e, i);
    }
}

void epoll_forget(struct file *f)
{
    file_each(forget_in, (uint64_t)f);
}

/* ---- the set as a file --------------------------------------------------------------------------- */

/* A set is readable when something in it could be reported. */
static uint32_t epoll_poll(struct file *f, uint32_t events, struct waiter *w)
{
    struct epoll *e = epoll_of(f);

    if (w)
        epoll_words(e, w);
    for (uint32_t i = 0; i < e->count; i++) {
        if (item_ask(&e->items[i]))
            return events & POLL_IN;
    }
    return 0;
}

static int64_t epoll_stat(struct file *f, struct fs_stat *out)
{
    (void)f;
    *out = (struct fs_stat){.dev = 14, .ino = 1, .mode = 0600, .nlink = 1, .blksize = 4096};
    return 0;
}

static void epoll_release(struct file *f)
{
    struct epoll *e = epoll_of(f);

    if (!e)
        return;
    while (e->count > 0)
        item_remove(e, e->count - 1);
    epoll_free_arrays(e);
    heap_free(e);
}

static const struct file_ops epoll_ops = {
    .poll = epoll_poll,
    .stat = epoll_stat,
    .release = epoll_release,
};

static int64_t epoll_make(bool cloexec)
{
    struct file *f = file_new(&epoll_ops, FILE_EPOLL, O_RDWR);

    if (!f)
        return -ENFILE;
    f->state = heap_zeroed(1, sizeof(struct epoll));
    if (!f->state) {
        file_put(f);
        return -ENOMEM;
    }
    file_name_set(f, "anon_inode:[eventpoll]");
    return fd_add(f, 0, cloexec);
}

DEFINE_CALL1(epoll_create1, flags)
{
    return (uint32_t)flags & ~(uint32_t)O_CLOEXEC ? -EINVAL
                                                  : epoll_make((uint32_t)flags == O_CLOEXEC);
}

DEFINE_CALL1(epoll_create, size)
{
    return (int32_t)size <= 0 ? -EINVAL : epoll_make(false);
}

static int64_t epoll_events(uint64_t epfd, uint64_t user, uint64_t room, uint64_t timeout_ms)
{
    struct file *f = fd_file(epfd);
    int32_t ms = (int32_t)timeout_ms;
    exo_time deadline = 0;

    if (!f)
        return -EBADF;
    if (f->ops != &epoll_ops || (int32_t)room <= 0)
        return -EINVAL;
    if (ms != 0)
        deadline = ms < 0 ? EXO_FOREVER : time_now() + (uint64_t)ms * 1000000;
    return epoll_wait_until(f, user, (uint32_t)room, deadline);
}

DEFINE_CALL4(epoll_wait, epfd, user, room, timeout_ms)
{
    return epoll_events(epfd, user, room, timeout_ms);
}

DEFINE_CALL6(epoll_pwait, epfd, user, room, timeout_ms, mask, mask_bytes)
{
    int64_t result = signal_mask_set(mask, mask_bytes);

    if (result < 0)
        return result;
    result = epoll_events(epfd, user, room, timeout_ms);
    signal_mask_restore();
    return result;
}
