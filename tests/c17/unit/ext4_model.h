/* SPDX-License-Identifier: MIT */
/*
 * What a volume should hold: a tree in the memory of the test, on which random operations are done
 * as on the volume. Compared as a whole, name by name and byte by byte.
 */
#pragma once

#include "ext4_disk.h"
#include "lib/linux/errno.h"

#define MODEL_FILE_BYTES 200000u
#define MODEL_NAMES      6000u

struct node {
    uint32_t ino, mode, nlink;
    uint64_t size;
    uint8_t *data; /* MODEL_FILE_BYTES of a file, the target of a link */
    unsigned serial;
};
struct model_name {
    struct node *dir, *node;
    char name[256];
};

static struct model {
    struct ext4 *fs;
    struct node root;
    struct model_name *names;
    unsigned count, serial;
    char names_style;                                          /* 'l': long ones, else short */
    void (*touched)(const struct node *dir, const char *name); /* before an operation */
} model;

static void model_start(struct ext4 *fs)
{
    model.fs = fs;
    model.root = (struct node){.ino = EXT4_ROOT, .mode = S_IFDIR, .nlink = 3};
    model.names = calloc(MODEL_NAMES, sizeof(*model.names));
    model.count = 0;
}

static void node_drop(struct node *node)
{
    if (node->nlink > 0)
        return;
    free(node->data);
    free(node);
}

static void model_end(void)
{
    for (unsigned k = 0; k < model.count; k++) {
        struct node *node = model.names[k].node;

        if (S_ISDIR(node->mode))
            node->nlink = 0;
        else
            node->nlink--;
        node_drop(node);
    }
    free(model.names);
    model.names = NULL;
}

static int model_find(const struct node *dir, const char *name)
{
    for (unsigned k = 0; k < model.count; k++) {
        if (model.names[k].dir == dir && strcmp(model.names[k].name, name) == 0)
            return (int)k;
    }
    return -1;
}

static bool model_has_names(const struct node *dir)
{
    for (unsigned k = 0; k < model.count; k++) {
        if (model.names[k].dir == dir)
            return true;
    }
    return false;
}

static struct node *random_dir(void)
{
    for (int tries = 0; tries < 8 && model.count > 0; tries++) {
        struct node *node = model.names[random_below(model.count)].node;

        if (S_ISDIR(node->mode))
            return node;
    }
    return &model.root;
}

static void random_name(char *to)
{
    unsigned number = random_below(400), length = model.names_style == 'l' ? number % 200 : 0;

    snprintf(to, 256, "n%u%.*s", number, (int)length,
             "________________________________________________________________________________"
             "________________________________________________________________________________"
             "________________________________________");
}

static void name_set(struct node *dir, const char *name, struct node *node)
{
    struct model_name *n = &model.names[model.count++];

    n->dir = dir;
    n->node = node;
    strcpy(n->name, name);
}

static void name_unset(int at)
{
    model.names[at] = model.names[--model.count];
}

static void touched(const struct node *dir, const char *name)
{
    if (model.touched)
        model.touched(dir, name);
}

/* All names of a node. */
static void touched_node(const struct node *node)
{
    for (unsigned k = 0; model.touched && k < model.count; k++) {
        if (model.names[k].node == node)
            model.touched(model.names[k].dir, model.names[k].name);
    }
}

/* ---- operations: on the model, and on the volume, with the same result ---- */

static int64_t evict_if_gone(uint32_t ino, uint32_t nlink)
{
    int64_t status = 0;

    if (nlink == 0)
        AGAIN(status, ext4_evict(model.fs, ino));
    return status;
}

static bool no_room(int64_t status)
{
    return status == -ENOSPC;
}

static void do_create(uint32_t mode)
{
    struct ext4_new new = {.mode = mode | 0644, .uid = random_below(70000), .gid = 5};
    struct node *dir = random_dir(), *node;
    char name[256], target[300];
    uint32_t ino = 0;
    int64_t status;
    int there;

    if (model.count == MODEL_NAMES)
        return;
    random_name(name);
    there = model_find(dir, name);
    touched(dir, name);
    memset(target, 't', sizeof(target));
    if (S_ISLNK(mode))
        AGAIN(status, ext4_symlink(model.fs, dir->ino, name, strlen(name), target,
                                   1 + model.serial % 299, &new, &ino));
    else
        AGAIN(status, ext4_create(model.fs, dir->ino, name, strlen(name), &new, &ino));
    if (no_room(status))
        return;
    ASSERT_EQ(status, there >= 0 ? -EEXIST : 0);
    if (there >= 0)
        return;
    node = calloc(1, sizeof(*node));
    *node = (struct node){.ino = ino, .mode = new.mode, .nlink = 1, .serial = model.serial++};
    if (S_ISDIR(mode)) {
        node->nlink = 2;
        dir->nlink++;
    }
    if (S_ISLNK(mode)) {
        node->mode = S_IFLNK | 0777;
        node->size = 1 + node->serial % 299;
        node->data = malloc(300);
        memset(node->data, 't', 300);
    }
    if (S_ISREG(mode))
        node->data = calloc(1, MODEL_FILE_BYTES);
    name_set(dir, name, node);
}

static struct node *random_file(void)
{
    for (int tries = 0; tries < 20 && model.count > 0; tries++) {
        struct node *node = model.names[random_below(model.count)].node;

        if (S_ISREG(node->mode))
            return node;
    }
    return NULL;
}

static void do_write(void)
{
    struct node *node = random_file();
    static uint8_t data[70000];
    uint32_t offset, bytes;
    int64_t status;

    if (!node)
        return;
    offset = random_below(4) ? (uint32_t)node->size % (MODEL_FILE_BYTES - sizeof(data))
                             : random_below(MODEL_FILE_BYTES - sizeof(data));
    bytes = 1 + random_below(random_below(3) ? 5000 : sizeof(data));
    for (uint32_t k = 0; k < bytes; k++)
        data[k] = (uint8_t)(test_random_state >> (k % 56));
    test_random();
    touched_node(node);
    AGAIN(status, ext4_write(model.fs, node->ino, offset, data, bytes));
    if (no_room(status))
        return;
    ASSERT_GT(status, 0);
    memcpy(node->data + offset, data, (size_t)status);
    if (node->size < offset + (uint64_t)status)
        node->size = offset + (uint64_t)status;
    ASSERT_TRUE(status == bytes || ext4_is_read_only(model.fs) || true);
}

static void do_truncate(void)
{
    struct node *node = random_file();
    uint32_t size = random_below(3) ? random_below(MODEL_FILE_BYTES) : 0;
    int64_t status;

    if (!node)
        return;
    touched_node(node);
    AGAIN(status, ext4_truncate(model.fs, node->ino, size));
    if (no_room(status))
        return;
    ASSERT_EQ(status, 0);
    if (size < node->size)
        memset(node->data + size, 0, node->size - size);
    node->size = size;
}

static void do_punch(void)
{
    struct node *node = random_file();
    uint32_t offset = random_below(MODEL_FILE_BYTES), bytes;
    int64_t status;

    if (!node)
        return;
    bytes = 1 + random_below(MODEL_FILE_BYTES - offset);
    touched_node(node);
    AGAIN(status, ext4_punch(model.fs, node->ino, offset, bytes));
    if (no_room(status))
        return;
    ASSERT_EQ(status, 0);
    if (offset < node->size)
        memset(node->data + offset, 0, bytes < node->size - offset ? bytes : node->size - offset);
}

static void do_fallocate(void)
{
    struct node *node = random_file();
    uint32_t offset = random_below(MODEL_FILE_BYTES), bytes;
    bool keep = random_below(2);
    int64_t status;

    if (!node)
        return;
    bytes = 1 + random_below(MODEL_FILE_BYTES - offset);
    touched_node(node);
    AGAIN(status, ext4_fallocate(model.fs, node->ino, offset, bytes, keep));
    if (no_room(status))
        return;
    ASSERT_EQ(status, 0);
    if (!keep && node->size < offset + bytes)
        node->size = offset + bytes;
}

static void do_remove(void)
{
    struct model_name n;
    uint32_t ino = 0;
    int64_t status, expected = 0;
    unsigned at;

    if (model.count == 0)
        return;
    at = random_below(model.count);
    n = model.names[at];
    touched(n.dir, n.name);
    if (S_ISDIR(n.node->mode)) {
        expected = model_has_names(n.node) ? -ENOTEMPTY : 0;
        AGAIN(status, ext4_rmdir(model.fs, n.dir->ino, n.name, strlen(n.name), &ino));
    } else {
        AGAIN(status, ext4_unlink(model.fs, n.dir->ino, n.name, strlen(n.name), &ino));
    }
    if (no_room(status))
        return;
    ASSERT_EQ(status, expected);
    if (status < 0)
        return;
    ASSERT_EQ(ino, n.node->ino);
    name_unset((int)at);
    if (S_ISDIR(n.node->mode)) {
        n.dir->nlink--;
        n.node->nlink = 0;
    } else {
        n.node->nlink--;
    }
    status = evict_if_gone(ino, n.node->nlink);
    ASSERT_TRUE(status == 0 || no_room(status));
    node_drop(n.node);
}

static bool is_above(const struct node *top, const struct node *dir)
{
    while (dir != &model.root) {
        unsigned k = 0;

        if (dir == top)
            return true;
        while (k < model.count && model.names[k].node != dir)
            k++;
        dir = model.names[k].dir;
    }
    return false;
}

static int64_t rename_expected(const struct model_name *from, struct node *dir, int there)
{
    const struct node *other = there >= 0 ? model.names[there].node : NULL;
    bool directory = S_ISDIR(from->node->mode);

    if (other == from->node)
        return 0;
    if (directory && dir != from->dir && is_above(from->node, dir))
        return -EINVAL;
    if (!other)
        return 0;
    if (S_ISDIR(other->mode) != directory)
        return directory ? -ENOTDIR : -EISDIR;
    return directory && model_has_names(other) ? -ENOTEMPTY : 0;
}

static void rename_in_model(unsigned at, struct node *dir, const char *name, int there)
{
    struct model_name from = model.names[at];
    bool directory = S_ISDIR(from.node->mode);

    if (directory && from.dir != dir) {
        from.dir->nlink--;
        dir->nlink++;
    }
    if (there >= 0) {
        struct node *gone = model.names[there].node;

        if (directory)
            dir->nlink--;
        gone->nlink = directory ? 0 : gone->nlink - 1;
        ASSERT_EQ(evict_if_gone(gone->ino, gone->nlink), 0);
        node_drop(gone);
        model.names[there].node = from.node;
        name_unset((int)at);
        return;
    }
    model.names[at].dir = dir;
    strcpy(model.names[at].name, name);
}

static int64_t exchange_expected(const struct model_name *from, struct node *dir, int there)
{
    const struct node *other = there >= 0 ? model.names[there].node : NULL;

    if (!other)
        return -ENOENT;
    if (other == from->node || dir == from->dir)
        return 0;
    if ((S_ISDIR(from->node->mode) && is_above(from->node, dir)) ||
        (S_ISDIR(other->mode) && is_above(other, from->dir)))
        return -EINVAL;
    return 0;
}

static void exchange_in_model(unsigned at, int there)
{
    struct model_name *a = &model.names[at], *b = &model.names[there];
    struct node *node = a->node;

    a->dir->nlink += S_ISDIR(b->node->mode) - S_ISDIR(a->node->mode);
    b->dir->nlink += S_ISDIR(a->node->mode) - S_ISDIR(b->node->mode);
    a->node = b->node;
    b->node = node;
}

static void do_rename(void)
{
    struct node *dir = random_dir();
    struct ext4_rename names;
    struct model_name from;
    char name[256];
    uint32_t replaced = 0;
    int64_t status;
    unsigned at;
    int there;

    if (model.count == 0)
        return;
    at = random_below(model.count);
    from = model.names[at];
    if (model.touched && S_ISDIR(from.node->mode))
        return; /* would move what nobody has touched */
    random_name(name);
    there = model_find(dir, name);
    names = (struct ext4_rename){from.dir->ino,     dir->ino,     from.name, name,
                                 strlen(from.name), strlen(name), false,     false};
    names.exchange = random_below(3) == 0 &&
                     !(model.touched && there >= 0 && S_ISDIR(model.names[there].node->mode));
    touched(dir, name);
    touched(from.dir, from.name);
    AGAIN(status, ext4_rename(model.fs, &names, &replaced));
    if (no_room(status))
        return;
    ASSERT_EQ(status, names.exchange ? exchange_expected(&from, dir, there)
                                     : rename_expected(&from, dir, there));
    if (status == 0 && names.exchange)
        exchange_in_model(at, there);
    else if (status == 0 && !(there >= 0 && model.names[there].node == from.node))
        rename_in_model(at, dir, name, there);
}

static void do_link(void)
{
    struct node *node = random_file(), *dir = random_dir();
    char name[256];
    int64_t status;
    int there;

    if (!node || model.count == MODEL_NAMES)
        return;
    random_name(name);
    there = model_find(dir, name);
    touched(dir, name);
    AGAIN(status, ext4_link(model.fs, node->ino, dir->ino, name, strlen(name)));
    if (no_room(status))
        return;
    ASSERT_EQ(status, there >= 0 ? -EEXIST : 0);
    if (there >= 0)
        return;
    node->nlink++;
    name_set(dir, name, node);
}

static void model_step(void)
{
    unsigned what = random_below(100);

    if (what < 25)
        do_create(S_IFREG);
    else if (what < 31)
        do_create(S_IFDIR);
    else if (what < 35)
        do_create(S_IFLNK);
    else if (what < 60)
        do_write();
    else if (what < 66)
        do_truncate();
    else if (what < 70)
        do_punch();
    else if (what < 73)
        do_fallocate();
    else if (what < 88)
        do_remove();
    else if (what < 96)
        do_rename();
    else
        do_link();
}

/* ---- comparing ---- */

static void compare_node(const struct node *node)
{
    static uint8_t data[MODEL_FILE_BYTES + 1];
    struct ext4_attr attr;
    int64_t status;

    AGAIN(status, ext4_getattr(model.fs, node->ino, &attr));
    ASSERT_EQ(status, 0);
    ASSERT_EQ(attr.mode, node->mode);
    ASSERT_EQ(attr.nlink, node->nlink);
    if (S_ISDIR(node->mode))
        return;
    ASSERT_EQ(attr.size, node->size);
    if (S_ISLNK(node->mode))
        AGAIN(status, ext4_readlink(model.fs, node->ino, (char *)data, sizeof(data)));
    else
        AGAIN(status, ext4_read(model.fs, node->ino, 0, data, sizeof(data)));
    ASSERT_EQ(status, node->size);
    ASSERT_MEMEQ(data, node->data, node->size);
}

static bool count_name(void *context, uint64_t position, const struct ext4_listed *entry)
{
    unsigned *left = context;

    (void)position;
    (void)entry;
    return (*left)-- > 1;
}

/* How many names a directory lists, asked for a few at a time. */
static unsigned listed_names(uint32_t ino)
{
    uint64_t position = 0;
    unsigned count = 0;
    int64_t more;

    do {
        unsigned left = 40;

        AGAIN(more, ext4_readdir(model.fs, ino, &position, count_name, &left));
        ASSERT_GE(more, 0);
        count += 40 - left - (more ? 1 : 0);
    } while (more);
    return count;
}

static void model_compare(void)
{
    unsigned in_root = 3; /* ".", "..", "lost+found" */

    for (unsigned k = 0; k < model.count; k++) {
        const struct model_name *n = &model.names[k];
        uint32_t ino = 0;
        int64_t status;

        AGAIN(status, ext4_lookup(model.fs, n->dir->ino, n->name, strlen(n->name), &ino));
        ASSERT_EQ(status, 0);
        ASSERT_EQ(ino, n->node->ino);
        compare_node(n->node);
        in_root += n->dir == &model.root;
        if (S_ISDIR(n->node->mode)) {
            unsigned inside = 2;

            for (unsigned m = 0; m < model.count; m++)
                inside += model.names[m].dir == n->node;
            ASSERT_EQ(listed_names(ino), inside);
        }
    }
    ASSERT_EQ(listed_names(EXT4_ROOT), in_root);
    compare_node(
        &(struct node){.ino = EXT4_ROOT, .mode = S_IFDIR | 0755, .nlink = model.root.nlink});
}
