// SPDX-License-Identifier: MIT
/*
 * Shared memory of System V: the file of an object (sysv.h), mapped from its second page on.
 *
 * Who has attached it is noted in its head, by the name of the process, so that those who were killed do
 * not count.
 */
#include "claim.h"
#include "core.h"
#include "files.h"
#include "mmap.h"
#include "sysv.h"

#include <lib/format.h>

#define SHM_RDONLY  010000u
#define SHM_RND     020000u
#define SHM_REMAP   040000u
#define SHM_EXEC    0100000u
#define SHM_HUGETLB 04000u
enum { SHM_LOCK = 11, SHM_UNLOCK, SHM_STAT, SHM_INFO, SHM_STAT_ANY };

#define NAME "/SYSV"

/* Adds to the times that this process has it. */
static void attach_count(struct sysv *o, int32_t change)
{
    uint32_t name = claim_own_name(), place = SYSV_ATTACHERS;
    struct sysv_head *h = o->head;

    o->attached += (uint32_t)change;
    if (!o->writable)
        return;
    sysv_begin(o);
    for (uint32_t i = 0; i < SYSV_ATTACHERS; i++) {
        uint32_t there = h->attachers[i].name;

        if (there == name) {
            place = i;
            break;
        }
        if (place == SYSV_ATTACHERS && (there == 0 || !claim_holder_lives(there)))
            place = i;
    }
    if (place < SYSV_ATTACHERS) {
        if (h->attachers[place].name != name)
            h->attachers[place].count = 0;
        h->attachers[place].count += (uint32_t)change;
        h->attachers[place].name = h->attachers[place].count ? name : 0;
    }
    h->time[change < 0] = sysv_now();
    h->pid[1] = current()->pid;
    sysv_end(o);
}

static uint64_t attached(const struct sysv *o)
{
    uint64_t count = 0;

    for (uint32_t i = 0; i < SYSV_ATTACHERS; i++) {
        uint32_t name = o->head->attachers[i].name;

        if (name && claim_holder_lives(name))
            count += o->head->attachers[i].count;
    }
    return count;
}

void shm_forked(void)
{
    for (struct sysv *o = sysv_objects; o; o = o->next) {
        uint32_t count = o->attached;

        o->attached = 0;
        if (count)
            attach_count(o, (int32_t)count);
    }
}

void shm_exec(void)
{
    for (struct sysv *o = sysv_objects; o; o = o->next) {
        if (o->attached)
            attach_count(o, -(int32_t)o->attached);
    }
}

DEFINE_CALL3(shmget, key, size, flags)
{
    if (flags & SHM_HUGETLB)
        return -EINVAL;
    if ((flags & IPC_CREAT || (int32_t)key == IPC_PRIVATE) && (size == 0 || size >> 40))
        return -EINVAL;
    return sysv_get('m', (int32_t)key, size, PAGE_UP(size), (uint32_t)flags);
}

DEFINE_CALL3(shmat, id, address, flags)
{
    bool write = !(flags & SHM_RDONLY);
    uint64_t rights = PROT_READ | (write ? PROT_WRITE : 0) | (flags & SHM_EXEC ? PROT_EXEC : 0);
    char name[24];
    struct sysv *o;
    struct file *f;
    int64_t st = sysv_find('m', (int32_t)id, write, &o);

    if (st < 0)
        return st;
    if (flags & SHM_RND)
        address = PAGE_DOWN(address);
    if (!IS_PAGE(address) || (address == 0 && (flags & SHM_REMAP)))
        return -EINVAL;
    st = sysv_open(o, write, &f);
    if (st < 0)
        return st;
    format_text(name, sizeof name, NAME "%08x", (uint32_t)o->head->key);
    file_name_set(f, name);
    uint64_t fixed = address == 0 ? 0 : flags & SHM_REMAP ? MAP_FIXED : MAP_FIXED_NOREPLACE;
    st = map_shared(address, PAGE_UP(o->head->size), (uint32_t)rights, fixed, f, EXO_PAGE_SIZE);
    file_put(f);
    if (st < 0)
        return st == -EEXIST ? -EINVAL : st;
    attach_count(o, 1);
    return st;
}

DEFINE_CALL1(shmdt, address)
{
    const struct vma *v = vma_find(address);
    struct fs_stat stat;

    if (!v || v->start != address || !v->file || v->offset != EXO_PAGE_SIZE ||
        strncmp(file_name(v->file), NAME, sizeof NAME - 1) != 0 || file_stat(v->file, &stat) < 0)
        return -EINVAL;
    uint64_t bytes = PAGE_UP((uint64_t)stat.size) - EXO_PAGE_SIZE;
    int64_t st = posix_munmap(address, bytes, 0, 0, 0, 0);

    for (struct sysv *o = sysv_objects; o && st == 0; o = o->next) {
        if (o->ino == stat.ino && o->attached) {
            attach_count(o, -1);
            break;
        }
    }
    return st;
}

static int64_t stat_write(const struct sysv *o, uint64_t user)
{
    const struct sysv_head *h = o->head;
    struct {
        uint8_t perm[48];
        uint64_t bytes;
        int64_t atime, dtime, ctime;
        int32_t cpid, lpid;
        uint64_t attached, unused[2];
    } out = {.bytes = h->size,
             .atime = h->time[0],
             .dtime = h->time[1],
             .ctime = h->ctime,
             .cpid = h->pid[0],
             .lpid = h->pid[1],
             .attached = attached(o)};

    static_assert(sizeof out == 112, "struct shmid64_ds");
    sysv_perm(out.perm, o);
    return user_write(user, &out, sizeof out);
}

static int64_t info_write(uint32_t command, uint64_t user)
{
    uint32_t used;
    int64_t highest = sysv_highest('m', &used);
    const uint64_t limits[9] = {(uint64_t)1 << 40, 1, SYSV_OBJECTS, SYSV_OBJECTS,
                                (uint64_t)1 << 28};
    const uint64_t usage[6] = {used};
    int64_t st = command == IPC_INFO ? user_write(user, limits, sizeof limits)
                                     : user_write(user, usage, sizeof usage);

    return st < 0 ? st : highest;
}

DEFINE_CALL3(shmctl, id, command, user)
{
    struct sysv *o;
    int64_t st;

    command &= ~(uint64_t)IPC_64;
    if (command == IPC_INFO || command == SHM_INFO)
        return info_write((uint32_t)command, user);
    st = sysv_find('m', (int32_t)id, false, &o);
    if (st < 0)
        return st;
    switch (command) {
    case IPC_STAT: return stat_write(o, user);
    case SHM_STAT:
    case SHM_STAT_ANY: st = stat_write(o, user); return st < 0 ? st : o->id;
    case IPC_SET: return sysv_set(o, user);
    case IPC_RMID: return sysv_remove(o);
    case SHM_LOCK:
    case SHM_UNLOCK: return 0; /* nothing is paged out */
    default: return -EINVAL;
    }
}
