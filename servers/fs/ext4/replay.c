/* SPDX-License-Identifier: MIT */
/*
 * What a crash left in the log is written where it belongs. Three passes over the log: where it ends
 * (a transaction counts if its commit block is there), what was revoked, and the blocks themselves.
 * Nothing in the log is believed: it ends at the first block that does not fit.
 */
#include "servers/fs/ext4/private.h"

struct revoked {
    uint64_t block;
    uint32_t sequence; /* of the last transaction that revoked it */
};

struct replay {
    enum { PASS_SCAN, PASS_REVOKE, PASS_WRITE } pass;
    uint32_t at, sequence, end; /* end: the first transaction that does not count */
    uint32_t steps;             /* blocks looked at */
    uint8_t *block, *data;
    struct revoked *revoked;
    uint32_t revoked_count, revoked_limit;
};

/* Is transaction a before b? Their numbers may wrap around. */
static bool before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static int64_t read_log(struct ext4 *fs, uint32_t index, uint8_t *to)
{
    uint32_t adjacent;
    uint64_t physical;

    TRY(journal_block(fs, index, &physical, &adjacent));
    return device_transfer(fs, EXT4_IO_READ, physical << fs->block_bits, to, fs->block_bytes);
}

static uint32_t next_index(const struct ext4 *fs, uint32_t index)
{
    return index + 1 == fs->journal.maxlen ? fs->journal.first : index + 1;
}

/* ---- revocations ---- */

static int64_t revoke(struct replay *r, uint64_t block)
{
    if (r->revoked_count == r->revoked_limit) {
        uint32_t limit = r->revoked_limit * 2 + 256;
        struct revoked *more = heap_resize(r->revoked, limit * sizeof(*more));

        if (!more)
            return -ENOMEM;
        r->revoked = more;
        r->revoked_limit = limit;
    }
    r->revoked[r->revoked_count++] = (struct revoked){block, r->sequence};
    return 0;
}

static int64_t revoke_block(struct ext4 *fs, struct replay *r)
{
    const struct journal_revoke_header *header = (const void *)r->block;
    uint32_t bytes = get_be32(header->r_count), each = fs->journal.wide ? 8 : 4;
    uint32_t end = fs->block_bytes - (fs->journal.checksums ? 4 : 0);

    if (bytes > end)
        return damaged(fs, "journal: a revocation block of %u bytes", bytes);
    for (uint32_t at = sizeof(*header); at + each <= bytes; at += each) {
        uint64_t block = get_be32(*(const be32 *)(const void *)(r->block + at));

        if (fs->journal.wide)
            block = block << 32 | get_be32(*(const be32 *)(const void *)(r->block + at + 4));
        TRY(revoke(r, block));
    }
    return 0;
}

/* By block, and then by transaction (Shell's method: short, and good enough for what a log holds). */
static void sort_revoked(struct replay *r)
{
    for (uint32_t gap = r->revoked_count / 2; gap > 0; gap /= 2) {
        for (uint32_t i = gap; i < r->revoked_count; i++) {
            struct revoked one = r->revoked[i];
            uint32_t k = i;

            for (; k >= gap && (r->revoked[k - gap].block > one.block ||
                                (r->revoked[k - gap].block == one.block &&
                                 before(one.sequence, r->revoked[k - gap].sequence)));
                 k -= gap)
                r->revoked[k] = r->revoked[k - gap];
            r->revoked[k] = one;
        }
    }
}

/* Was the block revoked by this transaction or a later one? */
static bool is_revoked(const struct replay *r, uint64_t block)
{
    uint32_t low = 0, high = r->revoked_count;

    while (low < high) { /* the first entry behind all of `block` */
        uint32_t middle = (low + high) / 2;

        if (r->revoked[middle].block <= block)
            low = middle + 1;
        else
            high = middle;
    }
    return low > 0 && r->revoked[low - 1].block == block &&
           !before(r->revoked[low - 1].sequence, r->sequence);
}

/* ---- descriptors ---- */

struct tag {
    uint64_t block;
    uint32_t flags, checksum;
};

/* Reads the tag at *at and moves on. @return false if there is no room for one */
static bool read_tag(const struct ext4 *fs, const uint8_t *block, uint32_t *at, struct tag *out)
{
    const struct journal_block_tag3 *tag3 = (const void *)(block + *at);
    const struct journal_block_tag *tag = (const void *)(block + *at);
    uint32_t bytes = (uint32_t)journal_tag_bytes(fs), end = fs->block_bytes - 4;

    if (*at + bytes > end)
        return false;
    *out = (struct tag){.block = get_be32(tag3->t_blocknr)};
    if (fs->journal.checksums) {
        out->flags = get_be32(tag3->t_flags);
        out->checksum = get_be32(tag3->t_checksum);
    } else {
        out->flags = tag->t_flags[1];
    }
    if (fs->journal.wide)
        out->block |=
            (uint64_t)get_be32(fs->journal.checksums ? tag3->t_blocknr_high : tag->t_blocknr_high)
            << 32;
    *at += bytes + (out->flags & JBD2_FLAG_SAME_UUID ? 0 : 16);
    return true;
}

static int64_t write_block(struct ext4 *fs, struct replay *r, const struct tag *tag)
{
    if (is_revoked(r, tag->block))
        return 0;
    if (tag->block >= fs->blocks)
        return damaged(fs, "journal: block %llu is outside of the volume",
                       (unsigned long long)tag->block);
    TRY(read_log(fs, r->at, r->data));
    if (fs->journal.checksums && tag->checksum != journal_tag_checksum(fs, r->sequence, r->data))
        return damaged(fs, "journal: the checksum of block %u is wrong", r->at);
    if (tag->flags & JBD2_FLAG_ESCAPE)
        put_be32((be32 *)(void *)r->data, JBD2_MAGIC);
    return device_transfer(fs, EXT4_IO_WRITE, tag->block << fs->block_bits, r->data,
                           fs->block_bytes);
}

/* The blocks behind a descriptor: written, or passed over. */
static int64_t descriptor(struct ext4 *fs, struct replay *r)
{
    uint32_t at = sizeof(struct journal_header);
    struct tag tag = {0};

    while (!(tag.flags & JBD2_FLAG_LAST_TAG) && read_tag(fs, r->block, &at, &tag)) {
        r->at = next_index(fs, r->at);
        r->steps++;
        if (r->pass == PASS_WRITE)
            TRY(write_block(fs, r, &tag));
    }
    return 0;
}

/* ---- the log ---- */

/* One block of the log, and what belongs to it. @return 0 if the log has ended */
static int64_t pass_step(struct ext4 *fs, struct replay *r)
{
    const struct journal_header *h = (const void *)r->block;
    const struct commit_header *commit = (const void *)r->block;

    if (r->steps >= fs->journal.maxlen || (r->pass != PASS_SCAN && r->sequence == r->end))
        return 0;
    TRY(read_log(fs, r->at, r->block));
    if (get_be32(h->h_magic) != JBD2_MAGIC || get_be32(h->h_sequence) != r->sequence)
        return 0;
    switch (get_be32(h->h_blocktype)) {
    case JBD2_DESCRIPTOR_BLOCK:
        if (!journal_tail_ok(fs, r->block))
            return 0;
        TRY(descriptor(fs, r));
        break;
    case JBD2_REVOKE_BLOCK:
        if (!journal_tail_ok(fs, r->block))
            return 0;
        if (r->pass == PASS_REVOKE)
            TRY(revoke_block(fs, r));
        break;
    case JBD2_COMMIT_BLOCK:
        if (fs->journal.checksums &&
            get_be32(commit->h_chksum[0]) != journal_commit_checksum(fs, r->block))
            return 0;
        r->sequence++;
        break;
    default: return 0;
    }
    r->at = next_index(fs, r->at);
    r->steps++;
    return 1;
}

static int64_t run_pass(struct ext4 *fs, struct replay *r, uint32_t start, uint32_t sequence)
{
    int64_t more;

    r->at = start;
    r->sequence = sequence;
    r->steps = 0;
    while ((more = pass_step(fs, r)) > 0)
        ;
    return more;
}

static int64_t run_passes(struct ext4 *fs, struct replay *r, uint32_t start, uint32_t sequence)
{
    r->pass = PASS_SCAN;
    TRY(run_pass(fs, r, start, sequence));
    r->end = r->sequence;
    r->pass = PASS_REVOKE;
    TRY(run_pass(fs, r, start, sequence));
    sort_revoked(r);
    r->pass = PASS_WRITE;
    return run_pass(fs, r, start, sequence);
}

int64_t journal_replay(struct ext4 *fs, uint32_t start, uint32_t *sequence)
{
    struct replay r = {
        .block = fs->journal.staging,
        .data = fs->journal.staging + fs->block_bytes,
    };
    int64_t status = run_passes(fs, &r, start, *sequence), count;

    heap_free(r.revoked);
    TRY(status);
    count = (int64_t)(uint32_t)(r.end - *sequence);
    *sequence = r.end + 1; /* an unfinished transaction may lie in the log under r.end */
    return count;
}
