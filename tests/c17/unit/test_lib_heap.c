/* SPDX-License-Identifier: MIT */
/* lib/heap.c over a source that counts, and that runs dry. */
// links: lib/heap.c
#include <sys/wait.h>
#include <unistd.h>

#include "lib/heap.h"
#include "test_framework.h"

static _Alignas(16) unsigned char memory[8 << 20];
static size_t given;

static void *more(size_t *bytes)
{
    void *piece = memory + given;

    if (*bytes > sizeof memory - given)
        return NULL;
    given += *bytes;
    return piece;
}

#define BLOCKS 300
static struct {
    unsigned char *at;
    size_t bytes;
    unsigned char mark;
} blocks[BLOCKS];

static bool is_intact(unsigned i)
{
    for (size_t at = 0; at < blocks[i].bytes; at++)
        if (blocks[i].at[at] != blocks[i].mark)
            return false;
    return true;
}

static bool replace(unsigned i, size_t bytes, bool resize)
{
    size_t kept = bytes < blocks[i].bytes ? bytes : blocks[i].bytes;

    if (!is_intact(i))
        return false;
    if (resize) {
        blocks[i].at = heap_resize(blocks[i].at, bytes);
        for (size_t at = 0; at < kept; at++)
            if (blocks[i].at[at] != blocks[i].mark)
                return false;
    } else {
        heap_free(blocks[i].at);
        blocks[i].at = heap_alloc(bytes);
    }
    if (blocks[i].at == NULL || (uintptr_t)blocks[i].at % 16 != 0)
        return false;
    blocks[i].bytes = bytes;
    blocks[i].mark = (unsigned char)rand();
    memset(blocks[i].at, blocks[i].mark, bytes);
    return true;
}

static void use(void)
{
    TEST_BEGIN("blocks never overlap and keep their bytes, through thousands of changes");
    srand(1);
    for (unsigned round = 0; round < 30000; round++) {
        size_t bytes = (size_t)rand() % (round % 7 ? 300 : 5000);
        ASSERT_TRUE(replace((unsigned)rand() % BLOCKS, bytes, rand() % 2));
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        ASSERT_TRUE(is_intact(i));
        heap_free(blocks[i].at);
    }
    ASSERT_EQ(heap_use().used, 0);
    ASSERT_EQ(heap_use().taken, given);
    TEST_END();

    TEST_BEGIN("a free block is used again");
    size_t before = given;
    for (unsigned i = 0; i < 1000; i++)
        heap_free(heap_alloc(2000));
    ASSERT_EQ(given, before);
    TEST_END();

    TEST_BEGIN("heap_zeroed clears, and refuses a product that does not fit");
    unsigned char *block = heap_zeroed(10, 25);
    for (unsigned i = 0; i < 250; i++)
        ASSERT_EQ(block[i], 0);
    ASSERT_NULL(heap_zeroed(SIZE_MAX / 2, 3));
    heap_free(block);
    TEST_END();
}

static void limits(void)
{
    TEST_BEGIN("every size up to a million fits its block");
    for (size_t bytes = 1; bytes < 1000000; bytes += 1 + bytes / 9) {
        unsigned char *block = heap_alloc(bytes);
        ASSERT_NOT_NULL(block);
        memset(block, 1, bytes);
        heap_free(block);
        if (given > sizeof memory / 2)
            break;
    }
    TEST_END();

    TEST_BEGIN("a dry source is an answer, and the old block survives a failed resize");
    unsigned char *block = heap_alloc(100);
    memset(block, 5, 100);
    ASSERT_NULL(heap_alloc(sizeof memory));
    ASSERT_NULL(heap_alloc(SIZE_MAX - 100));
    ASSERT_NULL(heap_resize(block, sizeof memory));
    ASSERT_EQ(block[99], 5);
    heap_free(block);
    TEST_END();

    TEST_BEGIN("freeing twice stops the program");
    pid_t child = fork();
    if (child == 0) {
        void *twice = heap_alloc(10);
        heap_free(twice);
        heap_free(twice);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    ASSERT_FALSE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    TEST_END();
}

int main(void)
{
    heap_source(more);
    use();
    limits();
}
