// SPDX-License-Identifier: MIT
// links: EXT4 lib/format.c
// long
/*
 * Power cuts. A workload runs while everything that reaches the device is logged. Then the image is
 * made again as it was at every flush, and at random points between two, where any part of what was
 * written since the flush may be missing. Each is mounted, which replays the journal; what was synced
 * and not touched since must be there, and e2fsck must find nothing.
 */
#include "ext4_model.h"

struct kept { /* a name that a sync made durable */
    char *path;
    uint32_t mode;
    uint64_t size, sum;
};
struct snapshot {
    size_t event; /* of the log, at which the sync was done */
    struct kept *kept;
    unsigned count;
};
struct touch {
    char *path;
    size_t event; /* of the log, before which nothing of it has happened */
};

#define SNAPSHOTS 400
#define TOUCHES   40000

static struct snapshot snapshots[SNAPSHOTS];
static unsigned snapshot_count;
static struct touch touches[TOUCHES];
static unsigned touch_count;

static uint64_t sum_of(const uint8_t *data, uint64_t bytes)
{
    uint64_t sum = 14695981039346656037u; /* FNV-1a */

    for (uint64_t k = 0; k < bytes; k++)
        sum = (sum ^ data[k]) * 1099511628211u;
    return sum;
}

static void path_of(const struct node *dir, const char *name, char *to, size_t room)
{
    char above[2048] = "";

    for (unsigned k = 0; dir != &model.root && k < model.count; k++) {
        if (model.names[k].node == dir) {
            path_of(model.names[k].dir, model.names[k].name, above, sizeof(above));
            break;
        }
    }
    snprintf(to, room, "%s/%s", above, name);
}

static void note_touch(const struct node *dir, const char *name)
{
    char path[2400];

    ASSERT_LT(touch_count, TOUCHES);
    path_of(dir, name, path, sizeof(path));
    touches[touch_count++] = (struct touch){strdup(path), disk.event_count};
}

static void take_snapshot(void)
{
    struct snapshot *s = &snapshots[snapshot_count++];
    char path[2400];

    ASSERT_LE(snapshot_count, SNAPSHOTS);
    *s =
        (struct snapshot){disk.event_count, calloc(model.count + 1, sizeof(*s->kept)), model.count};
    for (unsigned k = 0; k < model.count; k++) {
        const struct node *node = model.names[k].node;
        struct kept *e = &s->kept[k];

        path_of(model.names[k].dir, model.names[k].name, path, sizeof(path));
        *e = (struct kept){strdup(path), node->mode, node->size, 0};
        if (S_ISREG(node->mode))
            e->sum = sum_of(node->data, node->size);
    }
}

static bool touched_between(const char *path, size_t from, size_t to)
{
    for (unsigned k = 0; k < touch_count; k++) {
        if (touches[k].event >= from && touches[k].event < to && strcmp(touches[k].path, path) == 0)
            return true;
    }
    return false;
}

static uint32_t find_path(struct ext4 *fs, const char *path)
{
    uint32_t ino = EXT4_ROOT;

    while (*path) {
        const char *name = path + 1, *end = strchr(name, '/');
        size_t length = end ? (size_t)(end - name) : strlen(name);

        if (ext4_lookup(fs, ino, name, length, &ino) != 0)
            return 0;
        path = name + length;
    }
    return ino;
}

static void check_kept(struct ext4 *fs, const struct kept *e)
{
    static uint8_t data[MODEL_FILE_BYTES];
    struct ext4_attr attr;
    uint32_t ino = find_path(fs, e->path);

    if (!ino)
        printf("# %s is gone\n", e->path);
    ASSERT_NE(ino, 0);
    ASSERT_EQ(ext4_getattr(fs, ino, &attr), 0);
    ASSERT_EQ(attr.mode, e->mode);
    if (!S_ISREG(e->mode))
        return;
    ASSERT_EQ(attr.size, e->size);
    ASSERT_EQ(ext4_read(fs, ino, 0, data, sizeof(data)), e->size);
    if (sum_of(data, e->size) != e->sum)
        printf("# %s has other contents\n", e->path);
    ASSERT_EQ(sum_of(data, e->size), e->sum);
}

/* The volume as it is after a cut before event `cut` of the log. */
static void check_cut(size_t cut)
{
    const struct snapshot *s = NULL;
    struct ext4 *fs = disk_mount();

    for (unsigned k = 0; k < snapshot_count && snapshots[k].event <= cut; k++)
        s = &snapshots[k];
    for (unsigned k = 0; s && k < s->count; k++) {
        if (!touched_between(s->kept[k].path, s->event, cut))
            check_kept(fs, &s->kept[k]);
    }
    ASSERT_FALSE(ext4_is_read_only(fs));
    ASSERT_EQ(ext4_unmount(fs), 0);
    disk_check();
}

static void apply(uint8_t *image, const struct disk_event *e, bool whole)
{
    for (uint64_t at = 0; e->data && at < e->bytes; at += 1024) {
        if (whole || random_below(2))
            memcpy(image + e->offset + at, e->data + at, 1024);
    }
}

/* A cut in front of each flush that is done, and `between` at random. @return how many */
static unsigned check_cuts(uint8_t *durable, unsigned every, unsigned between)
{
    unsigned cuts = 0, flushes = 0;
    size_t from = 0;

    for (size_t cut = 0; cut < disk.event_count; cut++) {
        bool flush = !disk.events[cut].data;

        if (flush) {
            for (; from <= cut; from++)
                apply(durable, &disk.events[from], true);
        }
        if (flush ? flushes++ % every : random_below((unsigned)disk.event_count) >= between)
            continue;
        memcpy(disk.image, durable, disk.bytes);
        for (size_t k = from; k < cut; k++)
            apply(disk.image, &disk.events[k], false);
        check_cut(cut + flush);
        if (++cuts % 8 == 0) { /* e2fsck's own replay comes to a clean volume as well */
            memcpy(disk.image, durable, disk.bytes);
            ASSERT_EQ(
                run("/sbin/e2fsck -fy %s >%s/out 2>&1; test $? -le 1", disk.path, disk.folder), 0);
            disk_check();
        }
    }
    return cuts;
}

static void forget(void)
{
    for (unsigned k = 0; k < snapshot_count; k++) {
        for (unsigned m = 0; m < snapshots[k].count; m++)
            free(snapshots[k].kept[m].path);
        free(snapshots[k].kept);
    }
    for (unsigned k = 0; k < touch_count; k++)
        free(touches[k].path);
    snapshot_count = touch_count = 0;
    for (size_t k = 0; k < disk.event_count; k++)
        free(disk.events[k].data);
    disk.event_count = 0;
}

static void powercut(const char *options, bool late, unsigned steps, unsigned every,
                     unsigned between)
{
    struct ext4 *fs = NULL;
    uint8_t *base;
    uint64_t ticket;
    int64_t status;
    unsigned cuts;

    disk_make(16, options);
    base = malloc(disk.bytes);
    memcpy(base, disk.image, disk.bytes);
    disk.log = true;
    disk.late = late;
    ASSERT_EQ(disk_mount_as(&fs, (struct ext4_options){.restart = late}), 0);
    model_start(fs);
    model.touched = note_touch;
    for (unsigned step = 0; step < steps; step++) {
        model_step();
        if (random_below(12) == 0) {
            ticket = 0;
            AGAIN(status, ext4_sync(fs, &ticket));
            ASSERT_EQ(status, 0);
            take_snapshot();
        }
    }
    model_compare();
    ASSERT_EQ(ext4_unmount(fs), 0);
    model_end();
    disk.log = disk.late = false;
    disk.quiet = true;
    cuts = check_cuts(base, every, between);
    printf("# %u cut points, %zu writes and flushes, %u syncs\n", cuts, disk.event_count,
           snapshot_count);
    disk.quiet = false;
    model.touched = NULL;
    free(base);
    forget();
    munmap(disk.image, disk.bytes);
    disk.image = NULL;
}

int main(void)
{
    bool many = getenv("EXO_LONG");
    unsigned steps = many ? 1500 : 250, every = many ? 1 : 8, between = many ? 500 : 25;

    if (getenv("EXO_SEED"))
        test_random_state = strtoull(getenv("EXO_SEED"), NULL, 0) | 1;
    TEST_BEGIN("a power cut at any time loses nothing that was synced");
    powercut("-b 1024", false, steps, every, between);
    TEST_END();
    TEST_BEGIN("with a device that is late, and an orphan file");
    powercut("-b 1024 -O orphan_file,metadata_csum_seed", true, steps, every, between);
    TEST_END();
    return 0;
}
