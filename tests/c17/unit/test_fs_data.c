/* SPDX-License-Identifier: MIT */
/* servers/fs: contents of files, locks, FIFOs and sockets. */
// links: FS
#include "fs_fake.h"

static struct fake_region *region_of(const struct opened *f)
{
    return fake_region(file_of_badge(f->badge)->inode->file.region);
}

static void test_runs(void)
{
    TEST_BEGIN("runs agree with a bitmap under random use");
    struct runs r = {0};
    bool model[200] = {0};
    uint32_t random = 1;

    for (int step = 0; step < 20000; step++) {
        random = random * 1664525 + 1013904223;
        uint32_t start = random >> 8 & 127, end = start + (random >> 16) % 60;
        bool add = random >> 30 & 1;

        ASSERT_EQ(add ? runs_add(&r, start, end) : runs_cut(&r, start, end), 0);
        for (uint32_t i = start; i < end; i++)
            model[i] = add;
        uint64_t sum = 0;
        for (uint32_t i = 0; i < 200; i++) {
            ASSERT_EQ(runs_have(&r, i), model[i]);
            sum += model[i];
        }
        ASSERT_EQ(r.pages, sum);
    }
    runs_drop(&r);
    TEST_END();
}

static void test_small(void)
{
    struct opened f;

    TEST_BEGIN("a small file lives in the heap: write, append, gap, read");
    ASSERT_EQ(open_path(&f, ROOT, "f", O_CREAT | O_RDWR, 0644), 0);
    ASSERT_EQ(file_call(&f, FS_WRITE, 0, 0, 0, "hello", 5), 5);
    ASSERT_EQ(file_call(&f, FS_WRITE, UINT64_MAX, 0, 0, " you", 4), 4);
    ASSERT_EQ(q.r[1], 9);
    ASSERT_EQ(q.r[2], 9);
    ASSERT_TRUE(text_is("f", "hello you"));
    ASSERT_EQ(file_call(&f, FS_WRITE, 12, 0, 0, "!", 1), 1);
    ASSERT_EQ(file_call(&f, FS_READ, 8, 100, 0, "", 0), 5);
    ASSERT_MEMEQ(message, "u\0\0\0!", 5);
    ASSERT_EQ(file_call(&f, FS_READ, 13, 100, 0, "", 0), 0);
    ASSERT_EQ(file_call(&f, FS_READ, UINT64_MAX, 100, 0, "", 0), 0);
    ASSERT_EQ(file_call(&f, FS_FTRUNCATE, 3, 0, 0, "", 0), 0);
    ASSERT_EQ(file_call(&f, FS_FTRUNCATE, 6, 0, 0, "", 0), 0);
    ASSERT_EQ(file_call(&f, FS_READ, 0, 100, 0, "", 0), 6);
    ASSERT_MEMEQ(message, "hel\0\0\0", 6);
    ASSERT_EQ(file_call(&f, FS_WRITE, UINT64_MAX - 1, 0, 0, "x", 1), -EFBIG);
    ASSERT_EQ(file_call(&f, FS_FTRUNCATE, UINT64_MAX, 0, 0, "", 0), -EFBIG);
    ASSERT_EQ(file_call(&f, FS_WRITE, 0, 0, 0, message, 5000), -EINVAL);
    close_file(&f);
    ASSERT_EQ(open_path(&f, ROOT, "f", O_RDONLY, 0), 0);
    ASSERT_EQ(file_call(&f, FS_WRITE, 0, 0, 0, "x", 1), -EBADF);
    ASSERT_EQ(file_call(&f, FS_FTRUNCATE, 0, 0, 0, "", 0), -EINVAL);
    ASSERT_EQ(file_call(&f, FS_LEND, EXO_MAP_WRITE, 0, 0, "", 0), -EACCES);
    close_file(&f);
    ASSERT_EQ(path_call(ROOT, FS_UNLINK, "f", 0, 0), 0);
    ASSERT_EQ(heap_file_bytes, 0);
    TEST_END();
}

static void test_lend(void)
{
    static struct fake_region *r;
    static struct opened f;
    static exo_cap loan; /* the first one, held to the end */

    TEST_BEGIN("a lent file is a region with a true state page");
    ASSERT_EQ(make_text(ROOT, "l", "some text"), 9);
    ASSERT_EQ(open_path(&f, ROOT, "l", O_RDWR, 0), 0);
    ASSERT_EQ(file_call(&f, FS_LEND, EXO_MAP_READ, 0, 0, "", 0), 0);
    ASSERT_EQ(q.r[1], 9);
    ASSERT_EQ(q.give_mode, EXO_SEND_MOVE);
    loan = q.give;
    r = region_of(&f);
    struct fs_state *state = (void *)fake_page(r, 0, false);
    ASSERT_EQ(state->size, 9);
    ASSERT_MEMEQ(fake_page(r, 1, false), "some text", 10);
    ASSERT_EQ(heap_file_bytes, 0);
    uint64_t sequence = state->sequence, generation = state->generation;
    ASSERT_EQ(file_call(&f, FS_WRITE, 5, 0, 0, "bytes", 5), 5);
    ASSERT_EQ(state->size, 10);
    ASSERT_NE(state->sequence, sequence);
    ASSERT_EQ(state->generation, generation);
    ASSERT_EQ(file_call(&f, FS_FTRUNCATE, 4, 0, 0, "", 0), 0);
    ASSERT_EQ(state->size, 4);
    ASSERT_NE(state->generation, generation);
    ASSERT_MEMEQ(fake_page(r, 1, false), "some\0\0\0", 7);
    TEST_END();

    TEST_BEGIN("holes cost nothing, and are counted so");
    ASSERT_EQ(file_call(&f, FS_WRITE, 20 * 4096, 0, 0, "end", 3), 3);
    ASSERT_EQ(stat_of("l").size, 20 * 4096 + 3);
    ASSERT_EQ(stat_of("l").blocks, 16);
    ASSERT_EQ(file_call(&f, FS_READ, 4094, 4, 0, "", 0), 4);
    ASSERT_MEMEQ(message, "\0\0\0\0", 4);
    ASSERT_EQ(file_call(&f, FS_FALLOCATE, 0, 4096, 8192, "", 0), 0);
    ASSERT_EQ(stat_of("l").blocks, 32);
    ASSERT_EQ(
        file_call(&f, FS_FALLOCATE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 2, 4096 * 2, "", 0),
        0);
    ASSERT_EQ(stat_of("l").blocks, 24);
    ASSERT_EQ(file_call(&f, FS_READ, 0, 8, 0, "", 0), 8);
    ASSERT_MEMEQ(message, "so\0\0\0\0\0\0", 8);
    ASSERT_EQ(file_call(&f, FS_FALLOCATE, 0x40, 0, 4096, "", 0), -EOPNOTSUPP);
    ASSERT_EQ(file_call(&f, FS_FALLOCATE, 0, 0, 0, "", 0), -EINVAL);
    TEST_END();

    TEST_BEGIN("what a writing holder left behind the end is not seen when the file grows");
    ASSERT_EQ(file_call(&f, FS_LEND, EXO_MAP_READ | EXO_MAP_WRITE, 0, 0, "", 0), 0);
    ASSERT_EQ(file_call(&f, FS_FTRUNCATE, 10, 0, 0, "", 0), 0);
    memset(fake_page(r, 1, true) + 10, 'X', 100);
    memset(fake_page(r, 5, true), 'Y', 4096);
    ASSERT_EQ(file_call(&f, FS_FTRUNCATE, 5 * 4096, 0, 0, "", 0), 0);
    ASSERT_EQ(file_call(&f, FS_READ, 8, 30, 0, "", 0), 30);
    ASSERT_EQ(message[2], 0);
    ASSERT_EQ(message[29], 0);
    ASSERT_EQ(file_call(&f, FS_READ, 4 * 4096, 30, 0, "", 0), 30);
    ASSERT_EQ(message[0], 0);
    TEST_END();

    TEST_BEGIN("an unlinked file's pages go when the last holder closes it");
    ASSERT_EQ(path_call(ROOT, FS_UNLINK, "l", 0, 0), 0);
    ASSERT_GT(fake_pages, 0);
    fake_give_back(loan);
    fake_give_back(loan);
    ASSERT_TRUE(r->live);
    close_file(&f);
    ASSERT_FALSE(r->live);
    ASSERT_EQ(fake_pages, 0);
    TEST_END();

    TEST_BEGIN("a big file grows out of the heap; a full store is ENOSPC; O_TRUNC frees it");
    char block[4096];

    memset(block, 'b', sizeof(block));
    ASSERT_EQ(open_path(&f, ROOT, "big", O_CREAT | O_WRONLY, 0644), 0);
    fake_pages_limit = 20;
    int64_t status = 0;
    uint64_t at;
    for (at = 0; (status = file_call(&f, FS_WRITE, at, 0, 0, block, 4096)) == 4096; at += 4096)
        ;
    ASSERT_EQ(status, -ENOSPC);
    ASSERT_EQ(stat_of("big").size, at);
    ASSERT_EQ(fake_pages, 20);
    fake_pages_limit = UINT64_MAX;
    close_file(&f);
    ASSERT_EQ(open_path(&f, ROOT, "big", O_WRONLY | O_TRUNC, 0), 0);
    ASSERT_EQ(fake_pages, 0);
    close_file(&f);
    TEST_END();
}

static int64_t lock(const struct opened *f, uint64_t cmd, uint64_t type, uint64_t start,
                    uint64_t last, int32_t pid)
{
    return serve(f->badge, FS_LOCK, cmd, type, start, last, &pid, sizeof(pid));
}

static void test_locks(void)
{
    struct opened a, b;

    TEST_BEGIN("fcntl locks: conflicts, splitting, and who is in the way");
    ASSERT_EQ(make_text(ROOT, "k", "k"), 1);
    ASSERT_EQ(open_path(&a, ROOT, "k", O_RDWR, 0), 0);
    ASSERT_EQ(open_path(&b, ROOT, "k", O_RDWR, 0), 0);
    ASSERT_EQ(lock(&a, F_SETLK, F_WRLCK, 0, 99, 101), 0);
    ASSERT_EQ(lock(&b, F_SETLK, F_RDLCK, 50, 60, 102), -EAGAIN);
    ASSERT_EQ(lock(&a, F_SETLK, F_UNLCK, 40, 69, 101), 0);
    ASSERT_EQ(lock(&b, F_SETLK, F_RDLCK, 50, 60, 102), 0);
    ASSERT_EQ(lock(&b, F_SETLK, F_RDLCK, 30, 45, 102), -EAGAIN);
    ASSERT_EQ(lock(&b, F_GETLK, F_RDLCK, 80, UINT64_MAX, 102), 0);
    ASSERT_EQ(q.r[1], F_WRLCK);
    ASSERT_EQ(q.r[2], 70);
    ASSERT_EQ(q.r[3], 99);
    ASSERT_EQ(*(int32_t *)(void *)message, 101);
    ASSERT_EQ(lock(&b, F_GETLK, F_RDLCK, 100, UINT64_MAX, 102), 0);
    ASSERT_EQ(q.r[1], F_UNLCK);
    ASSERT_EQ(lock(&a, F_SETLK, 7, 0, 1, 101), -EINVAL);
    ASSERT_EQ(lock(&a, F_SETLK, F_WRLCK, 2, 1, 101), -EINVAL);
    ASSERT_EQ(lock(&a, 99, F_WRLCK, 0, 1, 101), -EINVAL);
    TEST_END();

    TEST_BEGIN("a dead process's locks are found out by the next try");
    ASSERT_EQ(lock(&b, F_SETLK, F_WRLCK, 0, 10, 102), -EAGAIN);
    fake_table[ALICE].state = PROC_FREE;
    ASSERT_EQ(lock(&b, F_SETLK, F_WRLCK, 0, 10, 102), 0);
    fake_table[ALICE].state = PROC_RUNNING;
    TEST_END();

    TEST_BEGIN("flock and description locks go with the open file, and sleepers are woken");
    ASSERT_EQ(lock(&a, FS_FLOCK, F_WRLCK, 0, 0, 0), 0);
    ASSERT_EQ(file_call(&b, FS_LEND, EXO_MAP_READ, 0, 0, "", 0), 0);
    ASSERT_EQ(lock(&b, FS_FLOCK, F_RDLCK, 0, 0, 0), -EAGAIN);
    uint32_t wakes = fake_wakes;
    close_file(&a);
    ASSERT_EQ(fake_wakes, wakes + 1);
    ASSERT_EQ(lock(&b, FS_FLOCK, F_RDLCK, 0, 0, 0), 0);
    ASSERT_EQ(lock(&b, F_OFD_SETLK, F_WRLCK, 200, 300, 0), 0);
    ASSERT_EQ(open_path(&a, ROOT, "k", O_RDONLY, 0), 0);
    ASSERT_EQ(lock(&a, F_OFD_SETLK, F_RDLCK, 250, 250, 0), -EAGAIN);
    ASSERT_EQ(lock(&a, F_OFD_SETLK, F_WRLCK, 500, 500, 0), -EBADF);
    close_file(&b);
    ASSERT_EQ(lock(&a, F_OFD_SETLK, F_RDLCK, 250, 250, 0), 0);
    close_file(&a);
    TEST_END();
}

static void test_fifo(void)
{
    struct opened r, w;

    TEST_BEGIN("a FIFO counts its ends and goes with the last");
    ASSERT_EQ(path_call(ROOT, FS_MKNOD, "p", S_IFIFO | 0644, 0), 0);
    ASSERT_EQ(open_path(&r, ROOT, "p", O_RDONLY | O_NONBLOCK, 0), 0);
    ASSERT_EQ(r.kind, FS_FIFO);
    ASSERT_EQ(file_call(&r, FS_FIFO_END, 0, 0, 0, "", 0), 0);
    exo_cap loan = q.give;
    struct fs_fifo *page = (void *)fake_page(fake_region(loan), 0, false);
    ASSERT_EQ(page->readers, 1);
    ASSERT_EQ(page->writers, 0);
    ASSERT_EQ(open_path(&w, ROOT, "p", O_WRONLY, 0), 0);
    ASSERT_EQ(page->writers, 1);
    close_file(&w);
    ASSERT_EQ(page->writers, 0);
    ASSERT_EQ(page->writers_opened, 1);
    /* The reader is told of the writer that has come and gone since, by a count that is another. */
    ASSERT_EQ(file_call(&r, FS_FIFO_END, 0, 0, 0, "", 0), 0);
    ASSERT_EQ(q.r[1], 0);
    port_drop(q.give % 100000);
    ASSERT_EQ(open_path(&w, ROOT, "p", O_WRONLY, 0), 0);
    ASSERT_EQ(file_call(&w, FS_FIFO_END, 0, 0, 0, "", 0), 0);
    ASSERT_EQ(page->readers_opened, 1);
    ASSERT_EQ(q.r[1], 0); /* less the reader, which is open: nothing to wait for */
    port_drop(q.give % 100000);
    close_file(&w);
    ASSERT_EQ(file_call(&r, FS_READ, 0, 10, 0, "", 0), -EINVAL);
    close_file(&r);
    fake_give_back(loan);
    ASSERT_EQ(path_call(ROOT, FS_UNLINK, "p", 0, 0), 0);
    TEST_END();

    TEST_BEGIN("a bound socket gives its listener's region to who may connect");
    q.got = 555;
    ASSERT_EQ(path_call(ALICE, FS_SOCKET_BIND, "sock", 0755, 0), -EACCES);
    ASSERT_EQ(q.got, 555);
    ASSERT_EQ(path_call(ROOT, FS_SOCKET_BIND, "sock", 0755, 0), 0);
    ASSERT_EQ(q.got, 0);
    ASSERT_EQ(path_call(ROOT, FS_SOCKET_CONNECT, "sock", 0, 0), 0);
    ASSERT_EQ(q.give, 555);
    ASSERT_EQ(path_call(ALICE, FS_SOCKET_CONNECT, "sock", 0, 0), -EACCES);
    ASSERT_EQ(path_call(ROOT, FS_SOCKET_CONNECT, "k", 0, 0), -ECONNREFUSED);
    q.got = 556;
    ASSERT_EQ(path_call(ROOT, FS_SOCKET_BIND, "sock", 0755, 0), -EADDRINUSE);
    q.got = 0;
    ASSERT_EQ(path_call(ROOT, FS_SOCKET_BIND, "sock2", 0755, 0), -EINVAL);
    TEST_END();
}

static void test_abstract(void)
{
    exo_cap region = (exo_cap)port_region_make(4, false), user;

    TEST_BEGIN("an abstract name is taken as long as somebody but fs holds the region");
    user = (exo_cap)port_region_loan(region, 0);
    q.got = region;
    ASSERT_EQ(serve(ALICE, FS_SOCKET_BIND, 0, 0755, 1, 0, "\0n", 2), 0);
    q.got = 600;
    ASSERT_EQ(serve(BOB, FS_SOCKET_BIND, 0, 0755, 1, 0, "\0n", 2), -EADDRINUSE);
    q.got = 0;
    ASSERT_EQ(serve(BOB, FS_SOCKET_CONNECT, 0, 0, 1, 0, "\0n", 2), 0);
    ASSERT_EQ(q.give, region);
    ASSERT_EQ(serve(BOB, FS_SOCKET_CONNECT, 0, 0, 1, 0, "\0nn", 3), -ECONNREFUSED);
    fake_give_back(user);
    ASSERT_EQ(serve(BOB, FS_SOCKET_CONNECT, 0, 0, 1, 0, "\0n", 2), -ECONNREFUSED);
    TEST_END();
}

/* What came along, as the harness hands it over. */
static int64_t put(uint64_t key, uint64_t number, const char *text, exo_cap cap)
{
    q.got = cap;
    return serve(ALICE, FS_PARCEL_PUT, key, number, 0, 0, text, strlen(text));
}

static void test_parcels(void)
{
    exo_cap region = (exo_cap)port_region_make(4, false), witness;
    uint64_t key, number;

    TEST_BEGIN("parcels are taken in the order in which they were put, and once");
    witness = (exo_cap)port_region_loan(region, 0);
    q.got = 0;
    ASSERT_EQ(serve(ALICE, FS_PARCEL_BOX, 0, 0, 0, 0, "", 0), -EINVAL);
    q.got = region;
    ASSERT_EQ(serve(ALICE, FS_PARCEL_BOX, 0, 0, 0, 0, "", 0), 0);
    key = q.r[1];
    ASSERT_NE(key, 0);
    ASSERT_EQ(put(key, 0, "one", 700), 0);
    number = q.r[1];
    ASSERT_EQ(put(key, number, "two", 701), 0);
    ASSERT_EQ(put(key, 0, "other", 702), 0);
    ASSERT_NE(q.r[1], number);
    ASSERT_EQ(put(key + 1, 0, "lost", 0), -ENOENT);
    ASSERT_EQ(serve(BOB, FS_PARCEL_TAKE, key, number, 0, 0, "", 0), 0);
    ASSERT_EQ(q.give, 700);
    ASSERT_EQ(q.give_mode, EXO_SEND_MOVE);
    ASSERT_EQ(q.reply_bytes, 3);
    ASSERT_EQ(serve(BOB, FS_PARCEL_TAKE, key, number, 0, 0, "", 0), 0);
    ASSERT_EQ(q.give, 701);
    ASSERT_EQ(serve(BOB, FS_PARCEL_TAKE, key, number, 0, 0, "", 0), -ENOENT);
    ASSERT_EQ(q.give, 0);
    TEST_END();

    TEST_BEGIN("a box of which nobody but fs holds the region goes when another is made");
    fake_give_back(witness);
    q.got = (exo_cap)port_region_make(4, false);
    ASSERT_EQ(serve(ALICE, FS_PARCEL_BOX, 0, 0, 0, 0, "", 0), 0);
    ASSERT_EQ(put(key, 0, "late", 0), -ENOENT);
    ASSERT_EQ(serve(ALICE, FS_PARCEL_DROP, q.r[1], 0, 0, 0, "", 0), -ENOENT);
    TEST_END();
}

int main(void)
{
    fs_begin();
    test_parcels();
    test_abstract();
    test_runs();
    test_small();
    test_lend();
    test_locks();
    test_fifo();
    return 0;
}
