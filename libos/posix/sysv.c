// SPDX-License-Identifier: MIT
/*
 * Objects of System V by key and number: sysv.h says what they are.
 *
 * The file of number N is /dev/sysv/KN, where K is the kind's letter; one with a key has a second name,
 * Kk and the key. The second name is given last, so whoever finds an object by its key finds it whole.
 */
#include "sysv.h"
#include "claim.h"
#include "core.h"
#include "files.h"
#include "window.h"

#include <lib/format.h>

#define NAME_BYTES 32

struct sysv *sysv_objects;

static void number_name(char to[NAME_BYTES], char kind, uint32_t id)
{
    format_text(to, NAME_BYTES, "/dev/sysv/%c%u", kind, id);
}

static void key_name(char to[NAME_BYTES], char kind, int32_t key)
{
    format_text(to, NAME_BYTES, "/dev/sysv/%ck%08x", kind, (uint32_t)key);
}

int64_t sysv_now(void)
{
    return (int64_t)(time_real_ns() / NS_PER_S);
}

static int64_t name_remove(const char *name)
{
    struct path path;

    path_from_text(&path, name);
    return path_call(&path, FS_UNLINK, 0, 0, 0);
}

/* ---- the known ones ------------------------------------------------------------------------------- */

static void forget(struct sysv *o)
{
    struct sysv **link = &sysv_objects;

    while (*link != o)
        link = &(*link)->next;
    *link = o->next;
    window_free((uint64_t)o->head, o->pages);
    exo_cap_delete(o->region, 0);
    heap_free(o);
}

/* Maps an object's file and adds it to the known ones. */
static int64_t learn(struct file *f, char kind, uint32_t id, bool writable, struct sysv **out)
{
    uint32_t rights = EXO_MAP_READ | (writable ? EXO_MAP_WRITE : 0);
    struct fs_stat stat;
    uint64_t first, va;
    exo_cap cap;
    int64_t st = file_stat(f, &stat);

    if (st == 0)
        st = f->ops->region ? f->ops->region(f, rights, &cap, &first) : -EINVAL;
    uint64_t pages = st < 0 ? 0 : kind == 'm' ? 1 : PAGES((uint64_t)stat.size);
    if (st == 0 && (pages == 0 || pages > WINDOW_BIG_PAGES))
        return -EINVAL;
    struct sysv *o = st == 0 ? heap_zeroed(1, sizeof *o) : 0;
    if (!o)
        return st < 0 ? st : -ENOMEM;
    int64_t region = exo_cap_copy(cap, 0, 0);
    va = region < 0 ? 0 : window_place(pages);
    if (!va || exo_map(0, va, pages, (exo_cap)region, first, rights) < 0) {
        if (va)
            window_free(va, 0);
        if (region >= 0)
            exo_cap_delete((exo_cap)region, 0);
        heap_free(o);
        return -ENOMEM;
    }
    *o = (struct sysv){.next = sysv_objects,
                       .kind = kind,
                       .writable = writable,
                       .id = (int32_t)id,
                       .fsuid = current()->entry->fsuid,
                       .region = (exo_cap)region,
                       .ino = stat.ino,
                       .pages = pages,
                       .head = (struct sysv_head *)va};
    sysv_objects = o;
    *out = o;
    return 0;
}

/* Opens by a name: to write if that is allowed, else to read. */
static int64_t name_open(const char *name, struct file **f, bool *writable)
{
    int64_t st = file_open(name, O_RDWR | O_NOFOLLOW, 0, f);

    *writable = st >= 0;
    return st == -EACCES ? file_open(name, O_RDONLY | O_NOFOLLOW, 0, f) : st;
}

static int64_t learn_name(const char *name, char kind, uint32_t id, struct sysv **out)
{
    struct file *f;
    bool writable;
    int64_t st = name_open(name, &f, &writable);

    if (st < 0)
        return st == -ENOENT ? -EINVAL : st;
    st = learn(f, kind, id, writable, out);
    file_put(f);
    if (st == 0 && ((*out)->head->ready != SYSV_READY || (*out)->head->removed)) {
        forget(*out);
        return -EINVAL;
    }
    return st;
}

int64_t sysv_find(char kind, int32_t id, bool write, struct sysv **out)
{
    char name[NAME_BYTES];
    struct sysv *o = sysv_objects;

    if (id < 0 || (uint32_t)id >= SYSV_OBJECTS)
        return -EINVAL;
    while (o && (o->kind != kind || o->id != id))
        o = o->next;
    if (o && (o->head->removed || o->fsuid != current()->entry->fsuid)) {
        if (!o->attached)
            forget(o);
        o = 0;
    }
    if (!o) {
        number_name(name, kind, (uint32_t)id);
        int64_t st = learn_name(name, kind, (uint32_t)id, &o);
        if (st < 0)
            return st;
    }
    *out = o;
    return write && !o->writable ? -EACCES : 0;
}

int64_t sysv_open(const struct sysv *o, bool write, struct file **out)
{
    char name[NAME_BYTES];

    number_name(name, o->kind, (uint32_t)o->id);
    int64_t st = file_open(name, (write ? O_RDWR : O_RDONLY) | O_NOFOLLOW, 0, out);
    return st == -ENOENT ? -EIDRM : st;
}

/* ---- making them ------------------------------------------------------------------------------------- */

static void head_fill(struct sysv *o, int32_t key, uint64_t size, uint32_t flags)
{
    const struct proc_entry *me = current()->entry;
    struct sysv_head *h = o->head;

    h->key = key;
    h->id = o->id;
    h->mode = flags & 0777;
    h->uid = h->cuid = me->euid;
    h->gid = h->cgid = me->egid;
    h->ctime = sysv_now();
    h->pid[0] = o->kind == 'm' ? current()->pid : 0;
    h->size = size;
    atomic_store(&h->ready, SYSV_READY);
}

/* The mode that the file gets: who may read or change the object may read and write the file, for even to
 * wait is to write. */
static uint32_t file_mode(uint32_t flags)
{
    return flags & 0777;
}

/* A new file under a number that is free. */
static int64_t number_take(char kind, uint32_t flags, struct file **f, uint32_t *id)
{
    char name[NAME_BYTES];
    int64_t st = -ENOSPC;

    for (*id = 0; *id < SYSV_OBJECTS; (*id)++) {
        number_name(name, kind, *id);
        st = file_open(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, file_mode(flags), f);
        if (st != -EEXIST)
            break;
    }
    return st == -EEXIST ? -ENOSPC : st;
}

static int64_t make(char kind, int32_t key, uint64_t size, uint64_t bytes, uint32_t flags)
{
    char name[NAME_BYTES], second[NAME_BYTES];
    struct sysv *o;
    struct file *f;
    uint32_t id;
    int64_t st = number_take(kind, flags, &f, &id);

    if (st < 0)
        return st;
    number_name(name, kind, id);
    st = f->ops->truncate(f, EXO_PAGE_SIZE + bytes);
    if (st == 0)
        st = learn(f, kind, id, true, &o);
    file_put(f);
    if (st == 0) {
        head_fill(o, key, size, flags);
        key_name(second, kind, key);
        st = key == IPC_PRIVATE ? 0 : path_link(name, second);
        if (st < 0)
            forget(o);
    }
    if (st < 0)
        name_remove(name);
    return st < 0 ? st : (int64_t)id;
}

/* The one with this key, if there is one. */
static int64_t by_key(char kind, int32_t key, uint64_t size, uint32_t flags)
{
    char name[NAME_BYTES];
    struct file *f;
    struct sysv *o;
    bool writable;

    key_name(name, kind, key);
    int64_t st = name_open(name, &f, &writable);
    if (st < 0)
        return st;
    st = learn(f, kind, SYSV_OBJECTS, writable, &o);
    file_put(f);
    if (st < 0)
        return st;
    const struct sysv_head *h = o->head;
    int64_t id = (uint32_t)h->id < SYSV_OBJECTS ? h->id : -EINVAL;
    if ((flags & (IPC_CREAT | IPC_EXCL)) == (IPC_CREAT | IPC_EXCL))
        id = -EEXIST;
    else if (size > h->size)
        id = -EINVAL;
    else if ((flags & 0222) && !writable)
        id = -EACCES;
    forget(o); /* it will be known by its number */
    return id;
}

int64_t sysv_get(char kind, int32_t key, uint64_t size, uint64_t bytes, uint32_t flags)
{
    for (;;) {
        int64_t st = key == IPC_PRIVATE ? -ENOENT : by_key(kind, key, size, flags);

        if (st != -ENOENT || (key != IPC_PRIVATE && !(flags & IPC_CREAT)))
            return st;
        st = make(kind, key, size, bytes, flags);
        if (st != -EEXIST)
            return st; /* else another was faster */
    }
}

/* ---- what they have in common ---------------------------------------------------------------------- */

int64_t sysv_remove(struct sysv *o)
{
    const struct proc_entry *me = current()->entry;
    const struct sysv_head *h = o->head;
    char name[NAME_BYTES];

    if (me->euid != 0 && me->euid != h->uid && me->euid != h->cuid)
        return -EPERM;
    if (h->key != IPC_PRIVATE) {
        key_name(name, o->kind, h->key);
        name_remove(name);
    }
    number_name(name, o->kind, (uint32_t)o->id);
    int64_t st = name_remove(name);
    if (st < 0)
        return st == -ENOENT ? -EIDRM : st == -EACCES ? -EPERM : st;
    if (o->writable) {
        atomic_store(&o->head->removed, 1);
        sysv_changed(o);
    }
    return 0;
}

/* struct ipc64_perm begins: key, uid, gid, cuid, cgid, mode. */
int64_t sysv_set(struct sysv *o, uint64_t user)
{
    const struct proc_entry *me = current()->entry;
    struct sysv_head *h = o->head;
    struct path path;
    char name[NAME_BYTES];
    uint32_t perm[6];

    if (user_read(perm, user, sizeof perm) < 0)
        return -EFAULT;
    if (me->euid != 0 && me->euid != h->uid && me->euid != h->cuid)
        return -EPERM;
    number_name(name, o->kind, (uint32_t)o->id);
    path_from_text(&path, name);
    int64_t st = path_call(&path, FS_CHOWN, perm[1] | (uint64_t)perm[2] << 32, 0, 0);
    if (st >= 0) {
        path_from_text(&path, name);
        st = path_call(&path, FS_CHMOD, perm[5] & 0777, 0, 0);
    }
    if (st < 0)
        return st;
    h->uid = perm[1];
    h->gid = perm[2];
    h->mode = perm[5] & 0777;
    h->ctime = sysv_now();
    return 0;
}

void sysv_perm(uint8_t out[48], const struct sysv *o)
{
    const struct sysv_head *h = o->head;
    const uint32_t perm[12] = {(uint32_t)h->key, h->uid, h->gid, h->cuid, h->cgid, h->mode};

    memcpy(out, perm, sizeof perm);
}

int64_t sysv_highest(char kind, uint32_t *used)
{
    struct path path;
    char name[NAME_BYTES];
    int64_t highest = 0;

    *used = 0;
    for (uint32_t id = 0; id < SYSV_OBJECTS; id++) {
        number_name(name, kind, id);
        path_from_text(&path, name);
        if (path_call(&path, FS_STAT, 0, 0, 0) < 0)
            continue;
        (*used)++;
        highest = id;
    }
    return highest;
}

void sysv_begin(struct sysv *o)
{
    struct sysv_head *h = o->head;
    uint32_t count;

    claim_take(&h->claim, claim_own_name());
    count = atomic_load(&h->intent_count);
    for (uint32_t i = 0; i < count && i < SYSV_INTENTS; i++) {
        uint64_t at = h->intents[i].at;

        if (at >= EXO_PAGE_SIZE && at + 2 <= o->pages * EXO_PAGE_SIZE)
            *(int16_t *)(void *)((char *)h + (at & ~(uint64_t)1)) = h->intents[i].value;
    }
    atomic_store(&h->intent_count, 0);
}

void sysv_end(struct sysv *o)
{
    claim_drop(&o->head->claim);
}

void sysv_changed(struct sysv *o)
{
    atomic_fetch_add(&o->head->change, 1);
    exo_wake(&o->head->change, UINT32_MAX);
}
