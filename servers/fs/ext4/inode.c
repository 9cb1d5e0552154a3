/* SPDX-License-Identifier: MIT */
/* One inode: found in its table and checked, its fields, its times. */
#include "servers/fs/ext4/private.h"

/* ---- finding ---- */

static const char *inode_fault(struct ext4 *fs, const struct inode_ref *i)
{
    uint32_t type = inode_mode(i) & S_IFMT, extra = 0;

    if (!inode_checksum_ok(fs, i->ino, i->raw))
        return "checksum";
    if (fs->inode_bytes > EXT4_INODE_BYTES_OLD)
        extra = get16(i->raw->i_extra_isize);
    if (extra % 4 || EXT4_INODE_BYTES_OLD + extra > fs->inode_bytes)
        return "i_extra_isize";
    if (type != S_IFREG && type != S_IFDIR && type != S_IFLNK && type != S_IFCHR &&
        type != S_IFBLK && type != S_IFIFO && type != S_IFSOCK)
        return "i_mode";
    if (inode_size(i) > INT64_MAX ||
        (type == S_IFDIR && inode_size(i) >> fs->block_bits > EXT4_BLOCKS_MAX))
        return "i_size";
    return NULL;
}

static bool has_extents(const struct ext4 *fs, const struct inode_ref *i)
{
    uint32_t type = inode_mode(i) & S_IFMT;

    return type == S_IFREG || type == S_IFDIR || (type == S_IFLNK && !inode_is_fast_symlink(fs, i));
}

static int64_t inode_check(struct ext4 *fs, const struct inode_ref *i)
{
    const char *fault = inode_fault(fs, i);

    if (fault)
        return damaged(fs, "inode %u: %s is wrong", i->ino, fault);
    if (inode_flags(i) & EXT4_EXTENTS_FL && has_extents(fs, i))
        TRY(extent_root_check(fs, i));
    return 0;
}

/* Where the record is; b is 0 if the block is not in memory and was never on the disk. */
static int64_t find_record(struct ext4 *fs, uint32_t ino, bool fresh, struct inode_ref *out)
{
    uint32_t each = fs->block_bytes / fs->inode_bytes;
    uint32_t group = (ino - 1) / fs->inodes_per_group, at = (ino - 1) % fs->inodes_per_group;
    struct ext4_group_desc *d;
    struct buffer *b;
    uint32_t used;
    uint64_t block;

    TRY(group_get(fs, group, &b, &d));
    used =
        fs->inodes_per_group - group_count_get(fs, d->bg_itable_unused_lo, d->bg_itable_unused_hi);
    if (at >= used)
        return -ENOENT;
    block = group_inode_table(fs, d) + at / each;
    if (fresh && at % each == 0 && at + 1 == used && !cache_find(fs, block))
        TRY(cache_new(fs, block, KIND_INODES, ino, 0, &b));
    else
        TRY(cache_get(fs, block, KIND_INODES, ino - at % each, 0, &b));
    *out = (struct inode_ref){b, (void *)(b->data + at % each * fs->inode_bytes), ino, 0};
    out->generation = get32(out->raw->i_generation);
    return 0;
}

int64_t inode_get_special(struct ext4 *fs, uint32_t ino, struct inode_ref *out)
{
    uint64_t bit;

    if (ino == 0 || ino > fs->inodes)
        return -ENOENT;
    TRY(find_record(fs, ino, false, out));
    if (get16(out->raw->i_mode) == 0)
        return -ENOENT;
    bit = 1ull << (ino - out->b->owner);
    if (!(out->b->checked & bit)) {
        TRY(inode_check(fs, out));
        out->b->checked |= bit;
    }
    return 0;
}

int64_t inode_get(struct ext4 *fs, uint32_t ino, struct inode_ref *out)
{
    if (ino != EXT4_ROOT_INO && ino < fs->first_inode)
        return -ENOENT;
    return inode_get_special(fs, ino, out);
}

int64_t inode_change(struct ext4 *fs, struct inode_ref *i)
{
    return change(fs, i->b, (size_t)((uint8_t *)i->raw - i->b->data), fs->inode_bytes);
}

/* ---- size and blocks ---- */

uint64_t inode_size(const struct inode_ref *i)
{
    return get32(i->raw->i_size_lo) | (uint64_t)get32(i->raw->i_size_high) << 32;
}

void inode_set_size(struct inode_ref *i, uint64_t size)
{
    put32(&i->raw->i_size_lo, (uint32_t)size);
    put32(&i->raw->i_size_high, (uint32_t)(size >> 32));
}

static uint64_t raw_blocks(const struct ext4 *fs, const struct inode_ref *i)
{
    uint64_t blocks = get32(i->raw->i_blocks_lo);

    if (fs->ro_compat & EXT4_RO_COMPAT_HUGE_FILE)
        blocks |= (uint64_t)get16(i->raw->i_blocks_high) << 32;
    return blocks;
}

static uint32_t blocks_shift(const struct ext4 *fs, const struct inode_ref *i)
{
    bool huge = fs->ro_compat & EXT4_RO_COMPAT_HUGE_FILE && inode_flags(i) & EXT4_HUGE_FILE_FL;

    return huge ? 0 : fs->block_bits - 9;
}

uint64_t inode_blocks(const struct ext4 *fs, const struct inode_ref *i)
{
    return raw_blocks(fs, i) << (fs->block_bits - 9 - blocks_shift(fs, i));
}

int64_t inode_add_blocks(struct ext4 *fs, struct inode_ref *i, int64_t blocks)
{
    int64_t sum = (int64_t)raw_blocks(fs, i) + blocks * (1 << blocks_shift(fs, i));

    if (sum < 0)
        return damaged(fs, "inode %u: i_blocks is below what it has", i->ino);
    if (sum >> 48 || (sum >> 32 && !(fs->ro_compat & EXT4_RO_COMPAT_HUGE_FILE)))
        return -EFBIG;
    put32(&i->raw->i_blocks_lo, (uint32_t)sum);
    if (fs->ro_compat & EXT4_RO_COMPAT_HUGE_FILE)
        put16(&i->raw->i_blocks_high, (uint32_t)(sum >> 32));
    return 0;
}

/* ---- times: 32 bits of seconds, and where there is room 2 more and 30 of nanoseconds ---- */

static bool has_field(const struct ext4 *fs, const struct inode_ref *i, size_t end)
{
    return fs->inode_bytes > EXT4_INODE_BYTES_OLD &&
           EXT4_INODE_BYTES_OLD + get16(i->raw->i_extra_isize) >= end;
}
#define HAS_FIELD(fs, i, field) \
    has_field((fs), (i), offsetof(struct ext4_inode, field) + sizeof(le32))

static struct ext4_time time_get(const le32 *seconds, const le32 *extra, bool wide)
{
    struct ext4_time t = {(int32_t)get32(*seconds), 0};

    if (wide) {
        t.seconds += (int64_t)(get32(*extra) & 3) << 32;
        t.nanoseconds = MIN(get32(*extra) >> 2, 999999999u);
    }
    return t;
}

static void time_put(le32 *seconds, le32 *extra, bool wide, struct ext4_time t)
{
    put32(seconds, (uint32_t)t.seconds);
    if (wide)
        put32(extra, ((uint32_t)((t.seconds - (int32_t)t.seconds) >> 32) & 3) | t.nanoseconds << 2);
}

static void set_atime(struct ext4 *fs, struct inode_ref *i, struct ext4_time t)
{
    time_put(&i->raw->i_atime, &i->raw->i_atime_extra, HAS_FIELD(fs, i, i_atime_extra), t);
}

static void set_mtime(struct ext4 *fs, struct inode_ref *i, struct ext4_time t)
{
    time_put(&i->raw->i_mtime, &i->raw->i_mtime_extra, HAS_FIELD(fs, i, i_mtime_extra), t);
}

static struct ext4_time now_time(const struct ext4 *fs)
{
    uint64_t now = now_ns(fs);

    return (struct ext4_time){(int64_t)(now / 1000000000), (uint32_t)(now % 1000000000)};
}

void inode_touch(struct ext4 *fs, struct inode_ref *i, uint32_t which)
{
    struct ext4_time now = now_time(fs);

    if (which & TOUCH_ATIME)
        set_atime(fs, i, now);
    if (which & TOUCH_MTIME)
        set_mtime(fs, i, now);
    if (which & TOUCH_CTIME)
        time_put(&i->raw->i_ctime, &i->raw->i_ctime_extra, HAS_FIELD(fs, i, i_ctime_extra), now);
}

/* ---- kinds and links ---- */

/* A link whose target is in the inode has no block but, maybe, that of its attributes. */
bool inode_is_fast_symlink(const struct ext4 *fs, const struct inode_ref *i)
{
    bool attributes = get32(i->raw->i_file_acl_lo) || get16(i->raw->i_file_acl_high);

    return S_ISLNK(inode_mode(i)) && inode_size(i) < sizeof(i->raw->i_block) &&
           inode_blocks(fs, i) == (attributes ? fs->block_bytes / 512 : 0);
}

int64_t inode_link_add(struct ext4 *fs, struct inode_ref *i)
{
    uint32_t links = get16(i->raw->i_links_count);

    if (S_ISDIR(inode_mode(i)) && fs->ro_compat & EXT4_RO_COMPAT_DIR_NLINK) {
        if (links == 1) /* too many to be counted */
            return 0;
        if (links >= EXT4_LINK_MAX - 1)
            links = 0;
    } else if (links >= EXT4_LINK_MAX) {
        return -EMLINK;
    }
    put16(&i->raw->i_links_count, links + 1);
    return 0;
}

void inode_link_remove(struct inode_ref *i)
{
    uint32_t links = get16(i->raw->i_links_count);

    if (links > (S_ISDIR(inode_mode(i)) ? 2u : 0u))
        put16(&i->raw->i_links_count, links - 1);
}

/* ---- devices: the numbers lie where others have their blocks ---- */

static void device_put(struct inode_ref *i, uint32_t major, uint32_t minor)
{
    le32 *word = (le32 *)(void *)i->raw->i_block;

    if (major < 256 && minor < 256)
        put32(&word[0], major << 8 | minor);
    else
        put32(&word[1], (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12);
}

static void device_get(const struct inode_ref *i, uint32_t *major, uint32_t *minor)
{
    const le32 *word = (const le32 *)(const void *)i->raw->i_block;
    uint32_t old = get32(word[0]), new = get32(word[1]);

    *major = old ? old >> 8 & 0xff : new >> 8 & 0xfff;
    *minor = old ? old & 0xff : (new & 0xff) | (new >> 12 & ~0xffu);
}

/* ---- a new one ---- */

int64_t inode_init(struct ext4 *fs, uint32_t ino, uint32_t dir_flags, const struct ext4_new *new,
                   struct inode_ref *i)
{
    uint32_t type = new->mode &S_IFMT;
    uint64_t now = now_ns(fs);
    struct ext4_inode *raw;

    TRY(find_record(fs, ino, true, i));
    TRY(inode_change(fs, i));
    raw = i->raw;
    /* Numbers are used again; who remembers one with its generation finds out. */
    i->generation = (uint32_t)now ^ (uint32_t)(now >> 32) ^ ino * 0x9e3779b9u;
    memset(raw, 0, fs->inode_bytes);
    put16(&raw->i_mode, new->mode & 0xffff);
    put16(&raw->i_uid, new->uid & 0xffff);
    put16(&raw->i_uid_high, new->uid >> 16);
    put16(&raw->i_gid, new->gid & 0xffff);
    put16(&raw->i_gid_high, new->gid >> 16);
    put32(&raw->i_generation, i->generation);
    put32(&raw->i_flags, dir_flags & EXT4_INHERITED);
    if (fs->inode_bytes > EXT4_INODE_BYTES_OLD)
        put16(&raw->i_extra_isize, fs->want_extra_isize);
    inode_touch(fs, i, TOUCH_ATIME | TOUCH_MTIME | TOUCH_CTIME);
    if (HAS_FIELD(fs, i, i_crtime_extra))
        time_put(&raw->i_crtime, &raw->i_crtime_extra, true, now_time(fs));
    if (type == S_IFREG || type == S_IFDIR)
        extent_init(i);
    else if (type == S_IFCHR || type == S_IFBLK)
        device_put(i, new->major, new->minor);
    i->b->checked |= 1ull << (ino - i->b->owner);
    return 0;
}

/* ---- calls ---- */

static int64_t getattr(struct ext4 *fs, uint32_t ino, struct ext4_attr *out)
{
    struct inode_ref i;
    const struct ext4_inode *raw;

    TRY(inode_get(fs, ino, &i));
    raw = i.raw;
    *out = (struct ext4_attr){
        .ino = ino,
        .generation = i.generation,
        .mode = inode_mode(&i),
        .uid = get16(raw->i_uid) | (uint32_t)get16(raw->i_uid_high) << 16,
        .gid = get16(raw->i_gid) | (uint32_t)get16(raw->i_gid_high) << 16,
        .nlink = get16(raw->i_links_count),
        .flags = inode_flags(&i),
        .size = inode_size(&i),
        .blocks = inode_blocks(fs, &i),
        .atime = time_get(&raw->i_atime, &raw->i_atime_extra, HAS_FIELD(fs, &i, i_atime_extra)),
        .mtime = time_get(&raw->i_mtime, &raw->i_mtime_extra, HAS_FIELD(fs, &i, i_mtime_extra)),
        .ctime = time_get(&raw->i_ctime, &raw->i_ctime_extra, HAS_FIELD(fs, &i, i_ctime_extra)),
    };
    if (HAS_FIELD(fs, &i, i_crtime_extra))
        out->btime = time_get(&raw->i_crtime, &raw->i_crtime_extra, true);
    if (S_ISCHR(out->mode) || S_ISBLK(out->mode))
        device_get(&i, &out->major, &out->minor);
    return 0;
}

int64_t ext4_getattr(struct ext4 *fs, uint32_t ino, struct ext4_attr *out)
{
    operation_read(fs);
    return operation_end(fs, getattr(fs, ino, out));
}

static int64_t setattr(struct ext4 *fs, uint32_t ino, uint32_t mask, const struct ext4_attr *from)
{
    struct inode_ref i;

    TRY(inode_get(fs, ino, &i));
    TRY(inode_change(fs, &i));
    if (mask & EXT4_SET_MODE)
        put16(&i.raw->i_mode, (inode_mode(&i) & S_IFMT) | (from->mode & 07777));
    if (mask & EXT4_SET_UID) {
        put16(&i.raw->i_uid, from->uid & 0xffff);
        put16(&i.raw->i_uid_high, from->uid >> 16);
    }
    if (mask & EXT4_SET_GID) {
        put16(&i.raw->i_gid, from->gid & 0xffff);
        put16(&i.raw->i_gid_high, from->gid >> 16);
    }
    if (mask & EXT4_SET_ATIME)
        set_atime(fs, &i, from->atime);
    if (mask & EXT4_SET_MTIME)
        set_mtime(fs, &i, from->mtime);
    inode_touch(fs, &i, TOUCH_CTIME);
    return 0;
}

int64_t ext4_setattr(struct ext4 *fs, uint32_t ino, uint32_t mask, const struct ext4_attr *from)
{
    int64_t status;

    OPERATION(fs, status, setattr(fs, ino, mask, from));
    return status;
}

/* Is there something of the inode that a commit has to write? */
static int64_t is_running(struct ext4 *fs, uint32_t ino)
{
    struct inode_ref i;

    TRY(inode_get(fs, ino, &i));
    return i.b->running;
}

int64_t ext4_fsync(struct ext4 *fs, uint32_t ino, uint64_t *ticket)
{
    if (*ticket == 0 && !journal_busy(fs)) {
        int64_t status;

        operation_read(fs);
        status = operation_end(fs, is_running(fs, ino));
        if (status <= 0)
            return fs->abandoned && status == 0 ? -EIO : status;
    }
    return ext4_sync(fs, ticket);
}
