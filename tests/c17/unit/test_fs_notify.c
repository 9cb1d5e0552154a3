/* SPDX-License-Identifier: MIT */
/* servers/fs: inotify, its queue and its watches, by the calls that clients make. */
// links: FS
#include "fs_fake.h"

#include "servers/fs/events.h"

/* ---- the queue ---- */

static struct event_queue queue;
static uint8_t out[2 * EVENTS_BYTES];

static bool put(int32_t wd, uint32_t mask, const char *name)
{
    bool told = events_put(&queue, wd, mask, 0, name, (uint32_t)strlen(name), 2 * EVENTS_BYTES);

    undo_commit();
    return told;
}

static struct inotify_event *record(uint32_t at)
{
    return (struct inotify_event *)(void *)(out + at);
}

static void test_queue(void)
{
    TEST_BEGIN("records come out whole, in order, padded with zeros");
    ASSERT_TRUE(events_begin(&queue));
    ASSERT_EQ(events_take(&queue, out, sizeof(out)), -EAGAIN);
    ASSERT_TRUE(put(1, IN_OPEN, ""));
    ASSERT_TRUE(put(2, IN_CREATE, "fifteen-letters"));
    ASSERT_TRUE(put(3, IN_CREATE, "sixteen--letters"));
    ASSERT_EQ(events_bytes(&queue), 16 + 32 + 48);
    ASSERT_EQ(events_take(&queue, out, 15), -EINVAL);
    ASSERT_EQ(events_take(&queue, out, 47), 16);
    ASSERT_EQ(record(0)->wd, 1);
    ASSERT_EQ(record(0)->len, 0);
    ASSERT_EQ(events_take(&queue, out, 0), -EINVAL);
    ASSERT_EQ(events_take(&queue, out, 4096), 80);
    ASSERT_EQ(record(0)->len, 16);
    ASSERT_MEMEQ(out + 16, "fifteen-letters", 16);
    ASSERT_EQ(record(32)->len, 32);
    ASSERT_MEMEQ(out + 48, "sixteen--letters\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 32);
    events_end(&queue);
    TEST_END();

    TEST_BEGIN("an event like the one before it merges, all others stay");
    ASSERT_TRUE(events_begin(&queue));
    ASSERT_TRUE(put(1, IN_MODIFY, "a"));
    ASSERT_FALSE(put(1, IN_MODIFY, "a"));
    ASSERT_TRUE(put(1, IN_MODIFY, "ab"));
    ASSERT_TRUE(put(1, IN_MODIFY, "a"));
    ASSERT_TRUE(put(1, IN_MODIFY, ""));
    ASSERT_TRUE(put(2, IN_MODIFY, ""));
    ASSERT_TRUE(put(2, IN_OPEN, ""));
    ASSERT_TRUE(put(2, IN_IGNORED, ""));
    ASSERT_TRUE(put(2, IN_IGNORED, ""));
    ASSERT_EQ(queue.count, 8);
    ASSERT_EQ(events_take(&queue, out, sizeof(out)), 3 * 32 + 5 * 16);
    ASSERT_TRUE(put(2, IN_MODIFY, "a")); /* what was read is no neighbour any more */
    events_end(&queue);
    TEST_END();
}

static void test_bounds(void)
{
    TEST_BEGIN("too many events end in one that says so, until there is room again");
    ASSERT_TRUE(events_begin(&queue));
    for (int32_t i = 0; i < (int32_t)EVENTS_MAX; i++)
        ASSERT_TRUE(put(i, IN_OPEN, ""));
    ASSERT_TRUE(put(1, IN_OPEN, ""));
    ASSERT_FALSE(put(2, IN_OPEN, ""));
    ASSERT_EQ(events_take(&queue, out, 32), 32);
    ASSERT_TRUE(put(3, IN_OPEN, "")); /* goes behind the overflow */
    ASSERT_FALSE(put(4, IN_OPEN, ""));
    ASSERT_EQ(events_take(&queue, out, sizeof(out)), (EVENTS_MAX - 2 + 2) * 16);
    ASSERT_EQ(record((EVENTS_MAX - 2) * 16)->mask, IN_Q_OVERFLOW);
    ASSERT_EQ(record((EVENTS_MAX - 2) * 16)->wd, -1);
    ASSERT_EQ(record((EVENTS_MAX - 1) * 16)->wd, 3);
    ASSERT_EQ(queue.capacity, EVENTS_BYTES_IDLE);
    events_end(&queue);
    TEST_END();

    TEST_BEGIN("without memory for more, the overflow still has its place");
    ASSERT_TRUE(events_begin(&queue));
    heap_is_full = true;
    for (uint32_t i = 0; i < EVENTS_BYTES_IDLE / 16; i++)
        ASSERT_TRUE(put((int32_t)i, IN_OPEN, ""));
    ASSERT_FALSE(put(99, IN_OPEN, ""));
    ASSERT_EQ(events_bytes(&queue), EVENTS_BYTES_IDLE);
    ASSERT_EQ(events_take(&queue, out, sizeof(out)), EVENTS_BYTES_IDLE);
    ASSERT_EQ(record(EVENTS_BYTES_IDLE - 16)->mask, IN_Q_OVERFLOW);
    ASSERT_TRUE(put(99, IN_OPEN, ""));
    heap_is_full = false;
    events_end(&queue);
    TEST_END();

    TEST_BEGIN("many events of many sizes, put and taken at random");
    uint32_t random = 1, sent = 0, seen = 0;
    ASSERT_TRUE(events_begin(&queue));
    while (seen < 100000) {
        char name[256];

        random = random * 1664525 + 1013904223;
        memset(name, 'n', sizeof(name));
        name[random >> 24] = 0;
        if ((random >> 8) % 3 && sent - seen < 3000) {
            ASSERT_TRUE(put((int32_t)++sent, IN_OPEN, name));
            continue;
        }
        int64_t bytes = events_take(&queue, out, 300 + (random >> 10) % 8000);
        for (int64_t at = 0; at < bytes; at += 16 + record((uint32_t)at)->len)
            ASSERT_EQ(record((uint32_t)at)->wd, ++seen);
    }
    ASSERT_TRUE(queue.capacity <= 2 * EVENTS_BYTES);
    events_end(&queue);
    TEST_END();
}

/* ---- watches ---- */

static int64_t instance(struct opened *f, uint32_t slot)
{
    int64_t status = serve(slot, FS_WATCH_OPEN, 0, 0, 0, 0, "", 0);
    struct fs_open_reply reply;

    if (status < 0)
        return status;
    memcpy(&reply, message, sizeof(reply));
    f->number = reply.number;
    f->handle = q.give;
    f->badge = FS_BADGE_FILE | (q.give - 10000);
    return 0;
}

static int64_t watch(const struct opened *f, uint32_t slot, const char *path, uint32_t mask)
{
    return path_call(slot, FS_WATCH_ADD, path, mask, f->number);
}

static int64_t take(const struct opened *f)
{
    int64_t bytes = file_call(f, FS_WATCH_READ, 0, 4096, 0, "", 0);

    if (bytes > 0)
        memcpy(out, message, (size_t)bytes);
    return bytes;
}

static void test_watches(void)
{
    struct opened a, b, file;
    static uint64_t inodes;

    TEST_BEGIN("only who may read a file may watch it, and only by a number he was given");
    ASSERT_EQ(instance(&a, ALICE), 0);
    ASSERT_EQ(make_text(ROOT, "secret", "x"), 1);
    ASSERT_EQ(path_call(ROOT, FS_CHMOD, "secret", 0600, 0), 0);
    ASSERT_EQ(watch(&a, ALICE, "secret", IN_OPEN), -EACCES);
    ASSERT_EQ(path_call(ROOT, FS_WATCH_ADD, "secret", IN_OPEN, a.number ^ (1ull << 40)), -EBADF);
    ASSERT_EQ(open_path(&file, ROOT, "secret", O_RDONLY, 0), 0);
    ASSERT_EQ(watch(&file, ROOT, "secret", IN_OPEN), -EINVAL);
    ASSERT_EQ(file_call(&file, FS_WATCH_READ, 0, 4096, 0, "", 0), -EINVAL);
    ASSERT_EQ(file_call(&file, FS_WATCH_PAGE, 0, 0, 0, "", 0), -EINVAL);
    ASSERT_EQ(file_call(&file, FS_WATCH_REMOVE, 1, 0, 0, "", 0), -EINVAL);
    ASSERT_EQ(file_call(&a, FS_READ, 0, 10, 0, "", 0), -EINVAL);
    ASSERT_EQ(file_call(&a, FS_LEND, EXO_MAP_READ, 0, 0, "", 0), -ENODEV);
    close_file(&file);
    close_file(&a);
    ASSERT_EQ(path_call(ROOT, FS_UNLINK, "secret", 0, 0), 0);
    TEST_END();

    TEST_BEGIN("a closed instance leaves nothing, a removed file neither");
    inodes = inode_count;
    ASSERT_EQ(instance(&a, ALICE), 0);
    ASSERT_EQ(instance(&b, BOB), 0);
    ASSERT_EQ(make_text(ROOT, "f", "x"), 1);
    ASSERT_EQ(watch(&a, ALICE, "f", IN_ALL_EVENTS), 1);
    ASSERT_EQ(watch(&a, ALICE, "/", IN_ALL_EVENTS), 2);
    ASSERT_EQ(watch(&b, BOB, "f", IN_DELETE_SELF), 1);
    ASSERT_EQ(notify_watches, 3);
    close_file(&a);
    ASSERT_EQ(notify_watches, 1);
    ASSERT_EQ(open_path(&file, ROOT, "f", O_WRONLY, 0), 0);
    ASSERT_EQ(path_call(ROOT, FS_UNLINK, "f", 0, 0), 0);
    ASSERT_EQ(take(&b), -EAGAIN);
    uint32_t wakes = fake_wakes;
    close_file(&file);
    ASSERT_EQ(fake_wakes, wakes + 1); /* once for a request */
    ASSERT_EQ(take(&b), 32);
    ASSERT_EQ(record(0)->mask, IN_DELETE_SELF);
    ASSERT_EQ(record(16)->mask, IN_IGNORED);
    ASSERT_EQ(notify_watches, 0);
    close_file(&b);
    ASSERT_EQ(inode_count, inodes);
    ASSERT_EQ(fake_pages, 0);
    TEST_END();

    TEST_BEGIN("a removed name keeps its directory as long as the file is open");
    ASSERT_EQ(instance(&a, ROOT), 0);
    ASSERT_EQ(path_call(ROOT, FS_MKDIR, "d", 0755, 0), 0);
    ASSERT_EQ(watch(&a, ROOT, "d", IN_CLOSE_WRITE | IN_DELETE_SELF), 1);
    ASSERT_EQ(open_path(&file, ROOT, "d/f", O_WRONLY | O_CREAT, 0600), 0);
    ASSERT_EQ(path_call(ROOT, FS_UNLINK, "d/f", 0, 0), 0);
    ASSERT_EQ(path_call(ROOT, FS_UNLINK, "d", AT_REMOVEDIR, 0), 0);
    ASSERT_EQ(take(&a), -EAGAIN);
    close_file(&file);
    ASSERT_EQ(take(&a), 32 + 2 * 16);
    ASSERT_EQ(record(0)->mask, IN_CLOSE_WRITE);
    ASSERT_MEMEQ(out + 16, "f", 2);
    ASSERT_EQ(record(32)->mask, IN_DELETE_SELF);
    close_file(&a);
    ASSERT_EQ(inode_count, inodes);
    TEST_END();
}

static int64_t rename_names(const char *a, const char *b, uint64_t flags)
{
    return paths_call(ROOT, FS_RENAME, a, b, flags);
}

/* Does a write to the file tell of it by this name? (Nothing else is queued.) */
static bool writes_as(const struct opened *a, const struct opened *file, const char *name)
{
    if (file_call(file, FS_WRITE, 0, 0, 0, "x", 1) != 1)
        return false;
    if (!name)
        return take(a) == -EAGAIN;
    return take(a) == 32 && record(0)->mask == IN_MODIFY && strcmp((char *)out + 16, name) == 0;
}

static void test_renames(void)
{
    struct opened a, x, y, again;
    static uint64_t inodes;

    TEST_BEGIN("an open file's name follows renames, also over and against others");
    inodes = inode_count;
    ASSERT_EQ(instance(&a, ROOT), 0);
    ASSERT_EQ(watch(&a, ROOT, "/", IN_MODIFY), 1);
    ASSERT_EQ(open_path(&x, ROOT, "x", O_WRONLY | O_CREAT, 0600), 0);
    ASSERT_EQ(open_path(&y, ROOT, "y", O_WRONLY | O_CREAT, 0600), 0);
    ASSERT_TRUE(writes_as(&a, &x, "x"));
    ASSERT_EQ(rename_names("x", "y", RENAME_EXCHANGE), 0);
    ASSERT_TRUE(writes_as(&a, &x, "y"));
    ASSERT_TRUE(writes_as(&a, &y, "x"));
    ASSERT_EQ(rename_names("y", "z", 0), 0);
    ASSERT_TRUE(writes_as(&a, &x, "z"));
    ASSERT_EQ(serve(ROOT, FS_OPEN, x.number, O_WRONLY, 0, 0, "", 0), 0); /* /proc/self/fd/N */
    again.handle = q.give;
    again.badge = FS_BADGE_FILE | (q.give - 10000);
    ASSERT_TRUE(writes_as(&a, &again, "z"));
    ASSERT_EQ(rename_names("x", "z", 0), 0); /* y's file over x's */
    ASSERT_TRUE(writes_as(&a, &y, "z"));
    ASSERT_TRUE(writes_as(&a, &x, NULL));
    ASSERT_TRUE(writes_as(&a, &again, NULL));
    ASSERT_EQ(path_call(ROOT, FS_UNLINK, "z", 0, 0), 0);
    ASSERT_TRUE(writes_as(&a, &y, "z"));
    close_file(&again);
    close_file(&x);
    close_file(&y);
    close_file(&a);
    ASSERT_EQ(inode_count, inodes);
    TEST_END();
}

static void test_limits(void)
{
    static struct opened instances[USER_INSTANCES];
    struct opened a;
    char name[16];
    uint32_t n;

    TEST_BEGIN("a user's instances and watches are limited");
    for (n = 0; n < FAKE_REGIONS; n++)
        ASSERT_EQ(instance(&instances[n], ALICE), 0);
    ASSERT_EQ(instance(&a, ALICE), -ENOMEM); /* the store is full */
    while (n > 0)
        close_file(&instances[--n]);
    ASSERT_EQ(instance(&a, ALICE), 0);
    for (n = 0; n < USER_WATCHES; n++) {
        snprintf(name, sizeof(name), "n%u", n);
        ASSERT_EQ(path_call(ROOT, FS_MKNOD, name, S_IFREG | 0644, 0), 0);
        ASSERT_EQ(watch(&a, ALICE, name, IN_OPEN), n + 1);
    }
    ASSERT_EQ(watch(&a, ALICE, "/", IN_OPEN), -ENOSPC);
    ASSERT_EQ(watch(&a, ALICE, "n0", IN_CLOSE_WRITE), 1); /* not another one */
    ASSERT_EQ(file_call(&a, FS_WATCH_REMOVE, 77, 0, 0, "", 0), 0);
    ASSERT_EQ(watch(&a, ALICE, "/", IN_OPEN), n + 1);
    ASSERT_EQ(instance(&instances[0], BOB), 0);
    ASSERT_EQ(watch(&instances[0], BOB, "/", IN_OPEN), 1);
    close_file(&instances[0]);
    close_file(&a);
    ASSERT_EQ(notify_watches, 0);
    TEST_END();
}

int main(void)
{
    fs_begin();
    test_queue();
    test_bounds();
    test_watches();
    test_renames();
    test_limits();
}
