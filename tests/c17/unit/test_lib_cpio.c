/* SPDX-License-Identifier: MIT */
/* lib/cpio.c on archives made here, whole, concatenated, cut short and damaged in every byte. */
// links: lib/cpio.c
#include "lib/cpio.h"
#include "test_framework.h"

struct builder {
    char bytes[8192];
    size_t size;
};

static void pad(struct builder *b)
{
    while (b->size % 4 != 0)
        b->bytes[b->size++] = '\0';
}

/* spare: NULs counted as part of the name, as the image builder uses them. */
static void add(struct builder *b, const char *name, unsigned ino, const char *data, size_t spare)
{
    size_t name_size = strlen(name) + 1 + spare;

    b->size += (size_t)sprintf(
        b->bytes + b->size, "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X", ino,
        0100644u, 1u, 2u, 1u, 3u, (unsigned)strlen(data), 0u, 0u, 4u, 5u, (unsigned)name_size, 0u);
    memset(b->bytes + b->size, 0, name_size);
    memcpy(b->bytes + b->size, name, strlen(name));
    b->size += name_size;
    pad(b);
    memcpy(b->bytes + b->size, data, strlen(data));
    b->size += strlen(data);
    pad(b);
}

static void add_archive(struct builder *b, const char *name, const char *data)
{
    add(b, "dir", 1, "", 0);
    add(b, name, 2, data, 13);
    add(b, "TRAILER!!!", 0, "", 0);
}

static void walks(void)
{
    static struct builder b;
    struct cpio_entry e;

    TEST_BEGIN("entries come in order with their fields and data");
    b.size = 0;
    add_archive(&b, "etc/file", "hello");
    struct cpio a = cpio_open(b.bytes, b.size);
    ASSERT_TRUE(cpio_next(&a, &e));
    ASSERT_STREQ(e.name, "dir");
    ASSERT_EQ(e.bytes, 0);
    ASSERT_TRUE(cpio_next(&a, &e));
    ASSERT_STREQ(e.name, "etc/file");
    ASSERT_EQ(e.name_length, 8);
    ASSERT_EQ(e.bytes, 5);
    ASSERT_MEMEQ(e.data, "hello", 5);
    ASSERT_EQ(e.data, (const uint8_t *)b.bytes + e.data_offset);
    ASSERT_EQ(e.mode, 0100644);
    ASSERT_EQ(e.uid, 1);
    ASSERT_EQ(e.gid, 2);
    ASSERT_EQ(e.mtime, 3);
    ASSERT_EQ(e.rdev_major, 4);
    ASSERT_EQ(e.rdev_minor, 5);
    ASSERT_FALSE(cpio_next(&a, &e));
    ASSERT_FALSE(a.damaged);
    TEST_END();

    TEST_BEGIN("archives behind another continue, and the last file of a name is found");
    b.size = 0;
    add_archive(&b, "etc/file", "first");
    b.size += 512;
    add_archive(&b, "./etc/file", "second");
    ASSERT_TRUE(cpio_find(b.bytes, b.size, "/etc/file", &e));
    ASSERT_EQ(e.archive, 1);
    ASSERT_MEMEQ(e.data, "second", 6);
    ASSERT_FALSE(cpio_find(b.bytes, b.size, "etc/fil", &e));
    TEST_END();
}

/* Walks a copy whose end the address sanitizer watches; counts the entries. */
static unsigned walk_copy(const struct builder *b, size_t size, bool *damaged)
{
    char *copy = malloc(size ? size : 1);
    struct cpio_entry e;
    unsigned count = 0;

    memcpy(copy, b->bytes, size);
    struct cpio a = cpio_open(copy, size);
    while (cpio_next(&a, &e)) {
        volatile uint8_t touch = e.bytes ? e.data[e.bytes - 1] : 0;
        (void)touch;
        count += strlen(e.name) > 0;
    }
    *damaged = a.damaged;
    free(copy);
    return count;
}

/* Every byte value in every digit of a field, against the definition. */
static void digits(void)
{
    static struct builder b;
    struct cpio_entry e;
    bool damaged;

    TEST_BEGIN("a header field is eight hexadecimal digits of either case, and nothing else");
    b.size = 0;
    add(&b, "file", 2, "", 0);
    for (unsigned digit = 0; digit < 8; digit++)
        for (unsigned value = 0; value < 256; value++) {
            const char *known = "0123456789abcdefABCDEF";
            const char *at = value ? strchr(known, (int)value) : NULL;
            size_t number = at ? (size_t)(at - known) : 0;

            memcpy(b.bytes + 6, "00000000", 8);
            b.bytes[6 + digit] = (char)value;
            struct cpio a = cpio_open(b.bytes, b.size);
            ASSERT_EQ(cpio_next(&a, &e), at != NULL);
            if (at)
                ASSERT_EQ(e.ino, (uint32_t)(number < 16 ? number : number - 6) << (28 - 4 * digit));
        }
    ASSERT_EQ(walk_copy(&b, b.size, &damaged), 0);
    TEST_END();
}

static void hostile(void)
{
    static struct builder b;
    bool damaged;

    TEST_BEGIN("an archive cut anywhere is noticed or whole, and never read beyond its end");
    b.size = 0;
    add_archive(&b, "etc/file", "hello");
    for (size_t size = 1; size < b.size; size++) {
        unsigned count = walk_copy(&b, size, &damaged);
        ASSERT_LE(count, 2);
        ASSERT_TRUE(damaged || size >= b.size - 3 || count == 2 || size % 4 == 0);
    }
    TEST_END();

    TEST_BEGIN("any byte may be anything");
    for (size_t at = 0; at < b.size; at++) {
        char was = b.bytes[at];

        for (unsigned value = 0; value < 256; value += 3) {
            b.bytes[at] = (char)value;
            walk_copy(&b, b.size, &damaged);
        }
        b.bytes[at] = was;
    }
    ASSERT_EQ(walk_copy(&b, b.size, &damaged), 2);
    TEST_END();
}

int main(void)
{
    walks();
    digits();
    hostile();
}
