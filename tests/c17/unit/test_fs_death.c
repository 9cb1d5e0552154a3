/* SPDX-License-Identifier: MIT */
/*
 * servers/fs dies at every store that it makes to kept memory, in every request of a script.
 *
 * The compiler calls death_at_store before each store (trace-stores). For each request:
 *   1. A child process serves it, counts the stores and the one that commits, and tells what the
 *      kept memory is then.
 *   2. fs dies before each store up to the commit, and a new life recovers (and dies in that, too): the
 *      kept memory must be what it was before the request, and the kernel's objects the same.
 *   3. It dies before each store after the commit, each time in a child process: a new life must come
 *      to what the request left in (1).
 *   4. The request is served, and each word that it changes must have been saved in the log, lie in
 *      memory that it allocated, or be declared as `unlogged`.
 * What a block holds that is free does not count.
 */
// links: FS
// options: -fsanitize-coverage=func,trace-stores
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#define FS_FAKE_OWN_HEAP
#include "servers/fs/heap.c"

#include "fs_fake.h"
#include "servers/fs/after.h"
#include "servers/fs/recover.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define PLAIN __attribute__((no_sanitize("address", "coverage", "undefined")))

extern uint8_t __start_kept[], __stop_kept[];

/* ---- kept memory: the variables and the heap ---- */

#define ARENA_BYTES (384u << 10)
KEPT static _Alignas(4096) uint8_t arena[ARENA_BYTES];

static void *arena_more(size_t *bytes)
{
    static bool given;

    if (given || *bytes > ARENA_BYTES)
        return NULL;
    given = true;
    *bytes = ARENA_BYTES;
    return arena;
}

#define WORDS ((size_t)(__stop_kept - __start_kept) / 8)

static uint64_t *words(void)
{
    return (uint64_t *)(void *)__start_kept;
}

/* The answers are an affair of their own: tests/c17/unit/test_lib_answers.c */
static const struct answer *first_answer; /* the first of ANSWERS, behind two words */

PLAIN static bool in_answers(const uint64_t *at)
{
    return at >= (const uint64_t *)first_answer - 2 &&
           at < (const uint64_t *)(first_answer + ANSWERS);
}

PLAIN static bool in_log(const uint64_t *at)
{
    return at >= (uint64_t *)&undo_log && at < (uint64_t *)(&undo_log + 1);
}

PLAIN static void copy_to(uint64_t *to)
{
    for (size_t i = 0; i < WORDS; i++) {
        if (words() + i == (uint64_t *)&undo_log)
            i += sizeof(undo_log) / 8;
        if (i < WORDS)
            to[i] = words()[i];
    }
}

/* A word of kept memory as it is, or as it was in a copy. */
PLAIN static uint64_t word_in(const uint64_t *copy, const void *at)
{
    const uint64_t *word = at;

    return copy ? copy[word - words()] : *word;
}

/* Does a word matter: is it in a block that is in use, or in none? */
PLAIN static bool counts(const uint64_t *copy, const uint64_t *at)
{
    const uint8_t *byte = (const uint8_t *)at, *b = arena;
    const uint8_t *cut = (const uint8_t *)(uintptr_t)word_in(copy, &heap.cut);

    if (byte < arena || byte >= arena + ARENA_BYTES)
        return true;
    while (b < cut) {
        uint64_t head = word_in(copy, b); /* class and mark of struct block */
        const uint8_t *next = b + sizeof(struct block) + class_bytes((uint32_t)head);

        if (byte < next)
            return head >> 32 == MARK_USED ? byte < b + 8 || byte >= b + 16
                                           : byte >= b + 8 && byte < b + 16;
        b = next;
    }
    return false;
}

/* ---- what the request declared as unlogged ---- */

#define EXCUSES 4096
static struct excuse {
    const uint8_t *at, *end;
} excuses[EXCUSES];
static unsigned excuse_count;

PLAIN void unlogged(const void *at, size_t bytes)
{
    if (excuse_count == EXCUSES)
        abort();
    excuses[excuse_count++] = (struct excuse){(const uint8_t *)at, (const uint8_t *)at + bytes};
}

PLAIN static bool excused(const uint64_t *word)
{
    for (unsigned i = 0; i < excuse_count; i++) {
        if ((const uint8_t *)(word + 1) > excuses[i].at && (const uint8_t *)word < excuses[i].end)
            return true;
    }
    return false;
}

/* ---- death ---- */

static jmp_buf here;
static bool counting, checking;
static uint64_t stores, death;
static uint64_t commit_at;  /* the store that empties the log, just before the serial is counted */
static uint64_t log_length; /* before that */
static uint64_t *before;    /* kept memory before the request */

/* The store is to a word that has been saved, or need not be. */
PLAIN static bool is_saved(const void *at)
{
    const uint64_t *word = (const uint64_t *)((uintptr_t)at & ~(uintptr_t)7);

    if (in_log(word) || in_answers(word) || excused(word) || !counts(before, word))
        return true;
    for (uint64_t i = 0; i < log_length; i++) {
        if (undo_log.entries[i].at == word)
            return true;
    }
    return false;
}

/* Before the commit, all stores together: those of memcpy, too. */
PLAIN static void check_saved(void)
{
    for (size_t i = 0; i < WORDS; i++) {
        if (in_log(words() + i) || words()[i] == before[i] || is_saved(words() + i))
            continue;
        printf("# word %zu (arena %+td) was changed and not saved\n", i,
               (uint8_t *)(words() + i) - arena);
        abort();
    }
}

PLAIN static void check_store(const void *at, const void *who)
{
    if ((const uint8_t *)at == (const uint8_t *)&undo_log.next)
        log_length = (uint64_t)(undo_log.next - undo_log.entries) + 1;
    if (is_saved(at))
        return;
    printf("# a store before %p to kept memory (arena %+td) that was not saved\n", who,
           (const uint8_t *)at - arena);
    abort();
}

PLAIN static void death_at_store(const void *at, const void *who)
{
    const uint8_t *byte = at;

    if (!counting || byte < __start_kept || byte >= __stop_kept)
        return;
    stores++;
    if (byte == (const uint8_t *)&undo_log.serial && commit_at == 0) {
        commit_at = stores - 1;
        if (checking)
            check_saved();
        checking = false;
    }
    if (checking)
        check_store(at, who);
    if (stores == death) {
        counting = false;
        longjmp(here, 1);
    }
}

#define CALLBACK(bytes)                                  \
    PLAIN void __sanitizer_cov_store##bytes(void *at);   \
    PLAIN void __sanitizer_cov_store##bytes(void *at)    \
    {                                                    \
        death_at_store(at, __builtin_return_address(0)); \
    }
CALLBACK(1)
CALLBACK(2)
CALLBACK(4)
CALLBACK(8)
CALLBACK(16)

/* Does it until it is done, or dies before its n-th store. @return whether it died. */
static bool dies(void (*what)(void), uint64_t n)
{
    stores = 0;
    commit_at = 0;
    death = n;
    if (setjmp(here) != 0)
        return true;
    counting = true;
    what();
    counting = false;
    return false;
}

static void live_again(void)
{
    recover(true, fake_badge);
}

/* A new life; it may die once more, `second` stores from its start. */
static void be_reborn(uint64_t second)
{
    fake_rebirth();
    if (dies(live_again, second))
        recover(true, fake_badge);
}

/* ---- one request ---- */

static struct {
    uint64_t stores, commit_at;
    int64_t result;
    unsigned regions;
    uint64_t kept[1u << 18];
} * done; /* shared with the children */
static unsigned step_now;
static int64_t result, wanted;

static int64_t step(unsigned n);

static void serve_step(void)
{
    static const uint8_t seed[32];

    files_init(seed); /* each life has random numbers of its own; here they are to be equal */
    result = step(step_now);
}

static unsigned live_regions(void)
{
    unsigned count = 0;

    for (unsigned i = 0; i < FAKE_REGIONS; i++)
        count += fake_regions[i].live;
    return count;
}

PLAIN static void expect_same(const uint64_t *expected, const char *what, uint64_t n)
{
    for (size_t i = 0; i < WORDS; i++) {
        const uint64_t *at = words() + i;

        if (in_log(at) || in_answers(at) || *at == expected[i] || excused(at) || !counts(NULL, at))
            continue;
        printf("# request %u, death %" PRIu64 " of %" PRIu64 ", commit at %" PRIu64
               ": %s: word %zu (arena %+td): %" PRIx64 ", not %" PRIx64 "\n",
               step_now, n, done->stores, done->commit_at, what, i, (const uint8_t *)at - arena,
               *at, expected[i]);
        ASSERT_TRUE(!"kept memory differs");
    }
}

/* Runs `what` in a child; an assertion that fails there fails here. */
static void in_child(void (*what)(uint64_t), uint64_t n)
{
    int status = 0;
    pid_t pid;

    fflush(stdout);
    if ((pid = fork()) == 0) {
        what(n);
        fflush(stdout);
        _exit(0);
    }
    ASSERT_EQ(waitpid(pid, &status, 0), pid);
    ASSERT_EQ(status, 0);
}

static void child_serves(uint64_t n)
{
    dies(serve_step, n);
    done->stores = stores;
    done->commit_at = commit_at;
    done->result = result;
    done->regions = live_regions();
    copy_to(done->kept);
}

static void child_dies_late(uint64_t n)
{
    bool awaited = false;

    if (!dies(serve_step, n))
        _exit(2);
    be_reborn(n % 11);
    if (setjmp(test_state.end) != 0) {
        fflush(stdout);
        _exit(3);
    }
    expect_same(done->kept, "after a commit", n);
    for (unsigned i = 0; i < ANSWERS && !awaited; i++)
        awaited = answers_waiting(i);
    if (awaited) { /* its caller asks again */
        fake_again = EXO_LABEL_AGAIN;
        serve_step();
        ASSERT_EQ(result, done->result);
        expect_same(done->kept, "after the answer", n);
        fake_again = 0;
    }
    ASSERT_EQ(live_regions(), done->regions);
}

static void check_request(unsigned n)
{
    unsigned regions = live_regions();

    step_now = n;
    in_child(child_serves, 0);
    if (done->commit_at == 0) /* it changes nothing */
        done->commit_at = done->stores;
    copy_to(before);
    for (uint64_t at = 1; at <= done->commit_at; at++) {
        excuse_count = 0;
        ASSERT_TRUE(dies(serve_step, at));
        be_reborn(at % 13);
        expect_same(before, "before a commit", at);
        ASSERT_EQ(live_regions(), regions);
    }
    for (uint64_t at = done->commit_at + 1; at <= done->stores; at++)
        in_child(child_dies_late, at);
    excuse_count = 0;
    copy_to(before); /* a new life does not believe what is behind the end of files */
    log_length = 0;
    checking = true;
    dies(serve_step, 0);
    checking = false;
    fake_reply();
    if (result != wanted)
        printf("# request %u\n", n);
    ASSERT_EQ(result, wanted);
    ASSERT_EQ(done->result, wanted);
}

/* ---- the script ---- */

static struct opened f, g, fifo_end, instance;

#define DO(expected, call)        \
    case __COUNTER__ - FIRST - 1: \
        wanted = (expected);      \
        return (call);
#define PATH(op, path, w1, w2)    path_call(ROOT, op, path, w1, w2)
#define FILE_(file, op, w0, w1)   file_call(file, op, w0, w1, 0, "", 0)
#define WRITE(file, offset, text) file_call(file, FS_WRITE, offset, 0, 0, text, strlen(text))

static int64_t lock_file(const struct opened *file, uint64_t type, uint64_t first, uint64_t last)
{
    int32_t pid = 101;

    return serve(file->badge, FS_LOCK, F_SETLK, type, first, last, &pid, sizeof(pid));
}

static int64_t closed(const struct opened *file)
{
    close_file(file);
    return 0;
}

static int64_t fill(const struct opened *file, uint64_t offset, size_t bytes)
{
    static char block[4096];

    memset(block, 'f', sizeof(block));
    return file_call(file, FS_WRITE, offset, 0, 0, block, bytes);
}

/* Opens, as who gets the answer and so holds the file. */
static int64_t opens(struct opened *file, const char *path, uint64_t flags)
{
    return open_path(file, ROOT, path, flags, 0644);
}

static int64_t watch(const char *path, uint64_t mask)
{
    return serve(ROOT, FS_WATCH_ADD, 0, mask, instance.number, 0, path, strlen(path));
}

static int64_t opens_instance(void)
{
    int64_t status = serve(ROOT, FS_WATCH_OPEN, 0, 0, 0, 0, "", 0);
    struct fs_open_reply reply;

    memcpy(&reply, message, sizeof(reply));
    instance.number = reply.number;
    instance.handle = q.give;
    instance.badge = FS_BADGE_FILE | (q.give - 10000);
    return status;
}

static int64_t binds(const char *path)
{
    int64_t status;

    q.got = 555;
    status = path_call(ROOT, FS_SOCKET_BIND, path, 0755, 0);
    q.got = 0;
    return status;
}

static uint64_t box_key;

static int64_t makes_box(void)
{
    int64_t status;

    q.got = 556;
    status = serve(ROOT, FS_PARCEL_BOX, 0, 0, 0, 0, "", 0);
    box_key = q.r[1];
    q.got = 0;
    return status;
}

static int64_t puts_parcel(void)
{
    int64_t status;

    q.got = 557;
    status = serve(ROOT, FS_PARCEL_PUT, box_key, 7, 0, 0, "parcel", 6);
    q.got = 0;
    return status;
}

#define LONG "a-name-that-is-longer-than-fits-into-its-entry-and-lies-in-the-heap"

enum { FIRST = __COUNTER__ };

/* clang-format off */
static int64_t step(unsigned n)
{
    switch (n) {
    DO(0, PATH(FS_MKDIR, "d", 0755, 0))
    DO(-EEXIST, PATH(FS_MKDIR, "d", 0755, 0))
    DO(0, PATH(FS_MKDIR, "d/e", 0755, 0))
    DO(0, PATH(FS_MKNOD, "d/n", S_IFREG | 0644, 0))
    DO(0, PATH(FS_MKNOD, "d/" LONG, S_IFCHR | 0644, 7))
    DO(0, paths_call(ROOT, FS_SYMLINK, "d/n", "d/s", 0))
    DO(3, PATH(FS_READLINK, "d/s", 0, 0))
    DO(0, paths_call(ROOT, FS_LINK, "d/n", "d/l", 0))
    DO(0, paths_call(ROOT, FS_RENAME, "d/l", "d/e/" LONG, 0))
    DO(0, paths_call(ROOT, FS_RENAME, "d/e/" LONG, "d/m", 0))
    DO(0, paths_call(ROOT, FS_RENAME, "d/m", "d/" LONG, RENAME_EXCHANGE))
    DO(0, paths_call(ROOT, FS_RENAME, "d/m", "d/" LONG, 0))
    DO(0, paths_call(ROOT, FS_RENAME, "d/e", "e", 0))
    DO(0, PATH(FS_CHMOD, "d/n", 06755, 0))
    DO(0, PATH(FS_CHOWN, "d/n", 1000 | 1000ull << 32, 0))
    DO(0, PATH(FS_UTIMES, "d/n", 5, 6))
    DO(0, PATH(FS_UNLINK, "e", AT_REMOVEDIR, 0))
    DO(0, PATH(FS_UNLINK, "d/s", 0, 0))
    /* A file in the heap. */
    DO(0, opens(&f, "f", O_CREAT | O_RDWR))
    DO(5, WRITE(&f, 0, "hello"))
    DO(4, WRITE(&f, UINT64_MAX, " you"))
    DO(1, WRITE(&f, 200, "!"))
    DO(201, FILE_(&f, FS_READ, 0, 4096))
    DO(0, FILE_(&f, FS_FTRUNCATE, 100, 0))
    DO(0, FILE_(&f, FS_FTRUNCATE, 150, 0))
    DO(0, file_call(&f, FS_FALLOCATE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1, 2, "", 0))
    /* It moves into a region, and is lent. */
    DO(0, FILE_(&f, FS_LEND, EXO_MAP_READ, 0))
    DO(3, WRITE(&f, 9000, "far"))
    DO(3, WRITE(&f, 5 * 4096, "far"))
    DO(3, WRITE(&f, 9 * 4096, "far"))
    DO(3, WRITE(&f, 13 * 4096, "far"))
    DO(4096, fill(&f, 7 * 4096, 4096))
    DO(4096, fill(&f, 4 * 4096, 4096))
    DO(0, file_call(&f, FS_FALLOCATE, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096 + 7, 9 * 4096, "", 0))
    DO(0, file_call(&f, FS_FALLOCATE, 0, 100, 9000, "", 0))
    DO(0, FILE_(&f, FS_LEND, EXO_MAP_READ | EXO_MAP_WRITE, 0))
    DO(0, FILE_(&f, FS_FTRUNCATE, 5 * 4096 + 9, 0))
    DO(0, FILE_(&f, FS_FTRUNCATE, 8 * 4096 + 9, 0))
    DO(0, lock_file(&f, F_WRLCK, 0, 99))
    DO(0, lock_file(&f, F_UNLCK, 40, 59))
    DO(0, lock_file(&f, F_RDLCK, 30, 80))
    DO(0, opens(&g, "f", O_TRUNC | O_RDWR))
    DO(0, PATH(FS_UNLINK, "f", 0, 0))
    DO(0, closed(&g))
    DO(0, closed(&f))
    DO(0, opens(&g, "g", O_CREAT | O_EXCL | O_WRONLY))
    DO(4096, fill(&g, 0, 4096))
    DO(4096, fill(&g, 28672, 4096))
    DO(4096, fill(&g, 32768, 4096))
    DO(0, closed(&g))
    DO(0, opens(&g, "d", O_RDONLY | O_DIRECTORY))
    DO(1, FILE_(&g, FS_READDIR, 0, 4096) > 0)
    DO(0, closed(&g))
    /* inotify */
    DO(0, opens_instance())
    DO(1, watch("d", IN_ALL_EVENTS))
    DO(2, watch("g", IN_ALL_EVENTS))
    DO(0, PATH(FS_MKNOD, "d/w", S_IFREG | 0644, 0))
    DO(0, paths_call(ROOT, FS_RENAME, "g", "d/w", 0))
    DO(0, opens(&g, "d/w", O_RDWR))
    DO(1, WRITE(&g, 0, "w"))
    DO(1, FILE_(&instance, FS_WATCH_READ, 0, 100) > 0)
    DO(0, closed(&g))
    DO(0, PATH(FS_UNLINK, "d/w", 0, 0))
    DO(1, FILE_(&instance, FS_WATCH_READ, 0, 4096) > 0)
    DO(0, FILE_(&instance, FS_WATCH_REMOVE, 1, 0))
    DO(3, watch("d", IN_CREATE | IN_ONESHOT))
    DO(0, PATH(FS_MKDIR, "d/o", 0755, 0))
    DO(0, closed(&instance))
    /* FIFOs, sockets, descriptors on their way */
    DO(0, PATH(FS_MKNOD, "p", S_IFIFO | 0644, 0))
    DO(0, opens(&fifo_end, "p", O_RDONLY | O_NONBLOCK))
    DO(0, FILE_(&fifo_end, FS_FIFO_END, 0, 0))
    DO(0, opens(&g, "p", O_WRONLY))
    DO(0, closed(&g))
    DO(0, PATH(FS_UNLINK, "p", 0, 0))
    DO(0, closed(&fifo_end))
    DO(0, binds("sock"))
    DO(0, PATH(FS_SOCKET_CONNECT, "sock", 0, 0))
    DO(0, PATH(FS_UNLINK, "sock", 0, 0))
    DO(0, makes_box())
    DO(0, puts_parcel())
    DO(0, serve(ROOT, FS_PARCEL_TAKE, box_key, 7, 0, 0, "", 0))
    DO(0, puts_parcel())
    DO(0, serve(ROOT, FS_PARCEL_DROP, box_key, 0, 0, 0, "", 0))
    /* A chain of directories that one open file keeps. */
    DO(0, PATH(FS_MKDIR, "a", 0755, 0))
    DO(0, PATH(FS_MKDIR, "a/b", 0755, 0))
    DO(0, PATH(FS_MKDIR, "a/b/c", 0755, 0))
    DO(0, opens(&g, "a/b/c", O_RDONLY))
    DO(0, PATH(FS_UNLINK, "a/b/c", AT_REMOVEDIR, 0))
    DO(0, PATH(FS_UNLINK, "a/b", AT_REMOVEDIR, 0))
    DO(0, PATH(FS_UNLINK, "a", AT_REMOVEDIR, 0))
    DO(0, closed(&g))
    default: return INT64_MIN;
    }
}
/* clang-format on */
enum { STEPS = __COUNTER__ - FIRST - 1 };

static void test_requests(void)
{
    TEST_BEGIN("a request that fs dies in has happened, or has not, wherever fs dies");
    for (unsigned n = 0; n < STEPS; n++)
        check_request(n);
    TEST_END();
}

int main(void)
{
    setvbuf(stdout, NULL, _IONBF, 0);
    heap_source(arena_more);
    done = mmap(NULL, sizeof(*done), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    before = calloc(WORDS, 8);
    if (done == MAP_FAILED || !before)
        return 1;
    fs_begin();
    first_answer = answers_keep(0, 0, q.w, "");
    for (unsigned i = 0; i < sizeof(fake_lent); i++)
        fake_lent[i] = true;
    request_commit();
    test_requests();
    return 0;
}
