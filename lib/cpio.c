/* SPDX-License-Identifier: MIT */
/*
 * Reading newc archives. An entry is
 *
 *     "070701" | 13 fields of 8 hexadecimal digits | name, NUL | pad to 4 | data | pad to 4
 *
 * (Linux: Documentation/driver-api/early-userspace/buffer-format.rst.) The field namesize may count
 * NULs after the name; our image builder uses that to put file data on page boundaries.
 *
 * Sizes are 32-bit and offsets size_t (64-bit here), so that sums of them cannot wrap.
 *
 * Tests: tests/c17/unit/test_lib_cpio.c
 */
#include <lib/cpio.h>
#include <lib/string.h>

#define HEADER 110u
#define FIELDS 13u

enum {
    F_INO,
    F_MODE,
    F_UID,
    F_GID,
    F_LINKS,
    F_MTIME,
    F_BYTES,
    F_MAJOR,
    F_MINOR,
    F_RMAJOR,
    F_RMINOR,
    F_NAME,
    F_CHECK
};

struct cpio cpio_open(const void *bytes, size_t size)
{
    return (struct cpio){.bytes = bytes, .size = size};
}

static uint64_t to_big_endian(uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

/*
 * Eight digits at once, each in its byte of a word: a walk over thousands of headers is mostly this.
 * A letter has bit 6 set, and its value is its low four bits and 9. To be sure that every byte was a
 * digit, the values are made into (upper-case) digits again and compared.
 */
static bool hex_field(const uint8_t *digits, uint32_t *out)
{
    const uint64_t ones = 0x0101010101010101u;
    uint64_t text, letters, values, again;

    memcpy(&text, digits, 8);
    letters = text >> 6 & ones;
    text &= ~(letters << 5);
    values = (text & 15 * ones) + letters * 9;
    again = values + '0' * ones + ((values + 6 * ones) >> 4 & ones) * ('A' - '0' - 10);
    if (again != text || (values & 0xf0 * ones) != 0)
        return false;
    values = to_big_endian(values); /* the first digit is the highest */
    values = (values | values >> 4) & 0x00ff00ff00ff00ffu;
    values = (values | values >> 8) & 0x0000ffff0000ffffu;
    *out = (uint32_t)(values | values >> 16);
    return true;
}

static bool parse_header(const uint8_t *at, uint32_t fields[FIELDS])
{
    if (memcmp(at, "070701", 6) != 0 && memcmp(at, "070702", 6) != 0)
        return false;
    for (unsigned i = 0; i < FIELDS; i++)
        if (!hex_field(at + 6 + 8 * (size_t)i, &fields[i]))
            return false;
    return true;
}

/* A NUL where a header may begin is space between archives. */
static void skip_space(struct cpio *a)
{
    while (a->offset < a->size && a->bytes[a->offset] == 0)
        a->offset++;
}

static size_t round_up_4(size_t offset)
{
    return (offset + 3) & ~(size_t)3;
}

/* Takes the entry at a->offset, whatever its name, and steps over it. */
static bool take_entry(struct cpio *a, struct cpio_entry *entry)
{
    size_t start = a->offset, data;
    uint32_t f[FIELDS];
    const char *name, *name_end;

    if (a->size - start < HEADER || !parse_header(a->bytes + start, f))
        return false;
    if (f[F_NAME] == 0 || f[F_NAME] > a->size - start - HEADER)
        return false;
    name = (const char *)a->bytes + start + HEADER;
    data = round_up_4(start + HEADER + f[F_NAME]);
    name_end = memchr(name, 0, f[F_NAME]);
    if (name_end == NULL || name_end == name)
        return false;
    if (data > a->size || f[F_BYTES] > a->size - data)
        return false;
    *entry = (struct cpio_entry){.name = name,
                                 .name_length = (size_t)(name_end - name),
                                 .data = a->bytes + data,
                                 .bytes = f[F_BYTES],
                                 .data_offset = data,
                                 .ino = f[F_INO],
                                 .mode = f[F_MODE],
                                 .uid = f[F_UID],
                                 .gid = f[F_GID],
                                 .links = f[F_LINKS],
                                 .mtime = f[F_MTIME],
                                 .rdev_major = f[F_RMAJOR],
                                 .rdev_minor = f[F_RMINOR],
                                 .archive = a->archive};
    a->offset = round_up_4(data + f[F_BYTES]);
    if (a->offset > a->size)
        a->offset = a->size;
    return true;
}

bool cpio_next(struct cpio *a, struct cpio_entry *entry)
{
    while (!a->damaged) {
        skip_space(a);
        if (a->offset == a->size)
            return false;
        if (!take_entry(a, entry))
            a->damaged = true;
        else if (strcmp(entry->name, "TRAILER!!!") == 0)
            a->archive++;
        else
            return true;
    }
    return false;
}

static const char *plain_name(const char *name)
{
    for (;;) {
        if (name[0] == '/')
            name++;
        else if (name[0] == '.' && name[1] == '/')
            name += 2;
        else
            return name;
    }
}

bool cpio_find(const void *bytes, size_t size, const char *name, struct cpio_entry *entry)
{
    struct cpio archive = cpio_open(bytes, size);
    struct cpio_entry e;
    bool found = false;

    while (cpio_next(&archive, &e)) {
        if (strcmp(plain_name(e.name), plain_name(name)) == 0) {
            *entry = e;
            found = true;
        }
    }
    return found;
}
