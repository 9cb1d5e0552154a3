/* SPDX-License-Identifier: MIT */
/*
 * The journal (jbd2's format, ordered mode). All operations since the last commit are one running
 * transaction. A commit writes its blocks to the log, flushes, writes the commit block, flushes; from
 * then on a power cut cannot take it away. While it runs no operation changes anything, so the cached
 * blocks are the transaction, and nobody needs a second copy of them; those who want to change
 * something meanwhile, and those who want to be durable, wait together for the next one.
 *
 * A checkpoint follows a commit when the log is half full, or when too much of the cache waits for
 * it: all blocks are written where they belong, and the log is empty.
 *
 * Data are in order by themselves: blocks are unwritten extents until their data are on the device
 * (ext4_written), and the flush in front of the commit block is one for these data, too.
 */
#include "servers/fs/ext4/private.h"

/* ---- the journal's own structures ---- */

int64_t journal_block(struct ext4 *fs, uint32_t index, uint64_t *physical, uint32_t *adjacent)
{
    const struct journal *j = &fs->journal;

    for (uint32_t i = 0; i < j->run_count; i++) {
        const struct ext4_run *run = &j->runs[i];

        if (index >= run->block && index < run->block + run->count) {
            *physical = run->physical + (index - run->block);
            *adjacent = (uint32_t)(run->block + run->count - index);
            return 0;
        }
    }
    return damaged(fs, "journal: block %u of it is missing", index);
}

size_t journal_tag_bytes(const struct ext4 *fs)
{
    if (fs->journal.checksums)
        return sizeof(struct journal_block_tag3);
    return fs->journal.wide ? 12 : 8;
}

uint32_t journal_tag_checksum(const struct ext4 *fs, uint32_t sequence, const void *block)
{
    be32 s;

    put_be32(&s, sequence);
    return crc32c(crc32c(fs->journal.seed, &s, 4), block, fs->block_bytes);
}

/* The checksum of a block with 4 bytes of it, at `at`, taken as zero. */
static uint32_t checksum_around(uint32_t seed, const uint8_t *block, size_t at, size_t bytes)
{
    const uint8_t zero[4] = {0};

    return crc32c(crc32c(crc32c(seed, block, at), zero, 4), block + at + 4, bytes - at - 4);
}

void journal_seal_tail(const struct ext4 *fs, uint8_t *block)
{
    size_t at = fs->block_bytes - 4;

    if (fs->journal.checksums)
        put_be32((be32 *)(void *)(block + at),
                 checksum_around(fs->journal.seed, block, at, fs->block_bytes));
}

bool journal_tail_ok(const struct ext4 *fs, const uint8_t *block)
{
    size_t at = fs->block_bytes - 4;

    return !fs->journal.checksums ||
           get_be32(*(const be32 *)(const void *)(block + at)) ==
               checksum_around(fs->journal.seed, block, at, fs->block_bytes);
}

uint32_t journal_commit_checksum(const struct ext4 *fs, const uint8_t *block)
{
    return checksum_around(fs->journal.seed, block, offsetof(struct commit_header, h_chksum),
                           fs->block_bytes);
}

static uint32_t super_sum(const struct journal_superblock *super)
{
    return checksum_around(~0u, (const uint8_t *)super,
                           offsetof(struct journal_superblock, s_checksum), sizeof(*super));
}

void journal_set_super(struct ext4 *fs, uint32_t start, uint32_t sequence)
{
    struct journal_superblock *super = (void *)fs->journal.super;

    put_be32(&super->s_start, start);
    put_be32(&super->s_sequence, sequence);
    if (fs->journal.checksums)
        put_be32(&super->s_checksum, super_sum(super));
}

int64_t journal_write_super(struct ext4 *fs, uint32_t start, uint32_t sequence)
{
    struct journal *j = &fs->journal;

    journal_set_super(fs, start, sequence);
    TRY(device_transfer(fs, EXT4_IO_WRITE, j->runs[0].physical << fs->block_bits, j->super,
                        fs->block_bytes));
    return device_transfer(fs, EXT4_IO_FLUSH, 0, NULL, 0);
}

/* ---- opening ---- */

#define RUNS_MAX 4096u

/* Where the journal's blocks are; they never move. */
static int64_t find_runs(struct ext4 *fs, struct inode_ref *i)
{
    struct journal *j = &fs->journal;
    uint64_t blocks = inode_size(i) >> fs->block_bits;

    for (uint64_t at = 0; at < blocks;) {
        struct extent e;
        struct ext4_run *more;

        TRY(extent_find(fs, i, (uint32_t)at, &e));
        if (!e.physical || e.unwritten || j->run_count == RUNS_MAX)
            return damaged(fs, "journal: inode %u has holes, or is in too many pieces", i->ino);
        more = heap_resize(j->runs, (j->run_count + 1) * sizeof(*more));
        if (!more)
            return -ENOMEM;
        j->runs = more;
        more[j->run_count++] = (struct ext4_run){
            .block = at,
            .count = e.block + e.count - at,
            .physical = e.physical + (at - e.block),
        };
        at = (uint64_t)e.block + e.count;
    }
    return (int64_t)blocks;
}

static int64_t check_super(struct ext4 *fs, uint64_t blocks)
{
    struct journal *j = &fs->journal;
    const struct journal_superblock *super = (const void *)j->super;
    uint32_t incompat = get_be32(super->s_feature_incompat), unknown;

    if (get_be32(super->s_header.h_magic) != JBD2_MAGIC ||
        get_be32(super->s_header.h_blocktype) != JBD2_SUPERBLOCK_V2 ||
        get_be32(super->s_blocksize) != fs->block_bytes)
        return damaged(fs, "journal: it has no superblock that is known");
    unknown = incompat & ~(JBD2_INCOMPAT_REVOKE | JBD2_INCOMPAT_64BIT | JBD2_INCOMPAT_CSUM_V3);
    if (unknown) {
        report(fs, "journal: the feature bits 0x%x are not supported: not mounted", unknown);
        return -EOPNOTSUPP;
    }
    j->checksums = incompat & JBD2_INCOMPAT_CSUM_V3;
    j->wide = incompat & JBD2_INCOMPAT_64BIT;
    if (j->checksums && (super->s_checksum_type != JBD2_CHECKSUM_CRC32C ||
                         get_be32(super->s_checksum) != super_sum(super)))
        return damaged(fs, "journal: the checksum of its superblock is wrong");
    j->seed = crc32c(~0u, super->s_uuid, sizeof(super->s_uuid));
    j->maxlen = get_be32(super->s_maxlen);
    j->first = get_be32(super->s_first);
    if (j->maxlen > blocks || j->maxlen < 4 * OPERATION_BLOCKS || j->first == 0 ||
        j->first > j->maxlen / 4 || get_be32(super->s_start) >= j->maxlen)
        return damaged(fs, "journal: its superblock contradicts itself");
    return 0;
}

static int64_t open_inode(struct ext4 *fs)
{
    struct journal *j = &fs->journal;
    struct inode_ref i;
    int64_t blocks;

    TRY(inode_get_special(fs, fs->journal_inode, &i));
    if (!S_ISREG(inode_mode(&i)))
        return damaged(fs, "journal: inode %u is not a file", i.ino);
    blocks = find_runs(fs, &i);
    TRY(blocks);
    if (blocks == 0)
        return damaged(fs, "journal: inode %u is empty", i.ino);
    TRY(device_transfer(fs, EXT4_IO_READ, j->runs[0].physical << fs->block_bits, j->super,
                        fs->block_bytes));
    return check_super(fs, (uint64_t)blocks);
}

/* Before the first write: the journal on the disk still says it. */
static void tell_recovered(const struct ext4 *fs, uint32_t next)
{
    if (fs->recovered)
        fs->recovered(next - 1);
}

int64_t journal_open(struct ext4 *fs)
{
    struct journal *j = &fs->journal;
    const struct journal_superblock *super = (const void *)j->super;
    uint32_t start;
    int64_t status;

    operation_read(fs);
    status = operation_end(fs, open_inode(fs));
    if (status < 0)
        return status;
    j->present = true;
    j->sequence = get_be32(super->s_sequence);
    start = get_be32(super->s_start);
    if (!(fs->incompat & EXT4_INCOMPAT_RECOVER) || start == 0) {
        tell_recovered(fs, j->sequence);
        return 0;
    }
    if (fs->device.read_only) {
        report(fs, "the journal has to be replayed, and the device is read-only: not mounted");
        return -EROFS;
    }
    if (start < j->first)
        return damaged(fs, "journal: its superblock contradicts itself");
    status = journal_replay(fs, start, &j->sequence);
    TRY(status);
    report(fs, "journal: %lld transactions were replayed", (long long)status);
    TRY(device_transfer(fs, EXT4_IO_FLUSH, 0, NULL, 0));
    tell_recovered(fs, j->sequence - 1); /* the last one was not finished */
    TRY(journal_write_super(fs, 0, j->sequence));
    return 1; /* whatever was read before may be old */
}

int64_t journal_start(struct ext4 *fs)
{
    struct journal *j = &fs->journal;
    struct journal_superblock *super = (void *)j->super;
    uint32_t incompat = JBD2_INCOMPAT_REVOKE;

    j->checksums = fs->checksums;
    j->wide = fs->incompat & EXT4_INCOMPAT_64BIT;
    incompat |= (j->checksums ? JBD2_INCOMPAT_CSUM_V3 : 0) | (j->wide ? JBD2_INCOMPAT_64BIT : 0);
    put_be32(&super->s_feature_compat, 0);
    put_be32(&super->s_feature_incompat, incompat);
    super->s_checksum_type = j->checksums ? JBD2_CHECKSUM_CRC32C : 0;
    j->head = j->first;
    j->used = 0;
    j->limit = MIN(j->maxlen / 4, fs->buffer_count / 2);
    fs->running = heap_alloc((j->limit + 4) * sizeof(struct buffer *));
    j->home = heap_alloc(fs->buffer_count * sizeof(struct buffer *));
    if (!fs->running || !j->home)
        return -ENOMEM;
    return 0;
}

void journal_close(struct ext4 *fs)
{
    heap_free(fs->journal.runs);
    heap_free(fs->journal.home);
    heap_free(fs->running);
}

/* ---- a commit, step by step ---- */

static void journal_step(struct ext4 *fs);

static void step_done(struct ext4_io *io, int64_t status)
{
    struct ext4 *fs = io->owner;

    fs->journal.pending--;
    if (status < 0 && fs->journal.status == 0)
        fs->journal.status = status;
    journal_step(fs);
}

static void submit(struct ext4 *fs, enum ext4_io_kind kind, uint64_t block, void *memory,
                   uint32_t blocks)
{
    struct journal *j = &fs->journal;

    j->pending++;
    j->ios[0] = (struct ext4_io){
        kind, block << fs->block_bits, (uint64_t)blocks << fs->block_bits, memory, step_done, fs};
    fs->device.submit(fs->device.context, &j->ios[0]);
}

static void put_header(const struct ext4 *fs, void *block, uint32_t type)
{
    struct journal_header *h = block;

    memset(block, 0, fs->block_bytes);
    put_be32(&h->h_magic, JBD2_MAGIC);
    put_be32(&h->h_blocktype, type);
    put_be32(&h->h_sequence, fs->journal.sequence);
}

static void put_tag(const struct ext4 *fs, uint8_t *at, uint64_t block, uint32_t flags,
                    uint32_t checksum)
{
    struct journal_block_tag3 *tag3 = (void *)at;
    struct journal_block_tag *tag = (void *)at;

    put_be32(&tag3->t_blocknr, (uint32_t)block);
    if (fs->journal.checksums) {
        put_be32(&tag3->t_flags, flags);
        put_be32(&tag3->t_blocknr_high, (uint32_t)(block >> 32));
        put_be32(&tag3->t_checksum, checksum);
        return;
    }
    tag->t_flags[0] = 0;
    tag->t_flags[1] = (uint8_t)flags;
    if (fs->journal.wide)
        put_be32(&tag->t_blocknr_high, (uint32_t)(block >> 32));
}

/* A descriptor and the blocks that it describes, from the cache into `staging`. */
static void stage_blocks(struct ext4 *fs)
{
    struct journal *j = &fs->journal;
    uint32_t count = MIN(STAGING_BLOCKS - 1, fs->running_count - j->cursor);
    const struct journal_superblock *super = (const void *)j->super;
    uint8_t *tag = j->staging + sizeof(struct journal_header);

    put_header(fs, j->staging, JBD2_DESCRIPTOR_BLOCK);
    for (uint32_t i = 0; i < count; i++) {
        const struct buffer *b = fs->running[j->cursor++];
        uint8_t *copy = j->staging + (i + 1) * (uint64_t)fs->block_bytes;
        uint32_t flags = (i ? JBD2_FLAG_SAME_UUID : 0) | (i + 1 == count ? JBD2_FLAG_LAST_TAG : 0);

        memcpy(copy, b->data, fs->block_bytes);
        if (get_be32(*(const be32 *)(const void *)copy) == JBD2_MAGIC) {
            memset(copy, 0, 4);
            flags |= JBD2_FLAG_ESCAPE;
        }
        put_tag(fs, tag, b->block, flags,
                j->checksums ? journal_tag_checksum(fs, j->sequence, copy) : 0);
        tag += journal_tag_bytes(fs);
        if (i == 0) {
            memcpy(tag, super->s_uuid, sizeof(super->s_uuid));
            tag += sizeof(super->s_uuid);
        }
    }
    journal_seal_tail(fs, j->staging);
    j->chunk = 1 + count;
}

/* One block of revocations. @return whether there was one to write */
static bool stage_revocations(struct ext4 *fs)
{
    struct journal *j = &fs->journal;
    struct journal_revoke_header *header = (void *)j->staging;
    uint32_t bytes = sizeof(*header), each = j->wide ? 8 : 4;

    put_header(fs, j->staging, JBD2_REVOKE_BLOCK);
    while (j->revoked < fs->freed_count && bytes + each <= fs->block_bytes - 4) {
        struct freed *f = &fs->freed[j->revoked];

        if (!f->metadata || f->count == 0) {
            j->revoked++;
            continue;
        }
        f->count--;
        if (j->wide)
            put_be32((be32 *)(void *)(j->staging + bytes), (uint32_t)((f->block + f->count) >> 32));
        put_be32((be32 *)(void *)(j->staging + bytes + each - 4), (uint32_t)(f->block + f->count));
        bytes += each;
    }
    put_be32(&header->r_count, bytes);
    journal_seal_tail(fs, j->staging);
    j->chunk = 1;
    return bytes > sizeof(*header);
}

static void stage_commit(struct ext4 *fs)
{
    struct journal *j = &fs->journal;
    struct commit_header *commit = (void *)j->staging;
    uint64_t now = now_ns(fs);

    put_header(fs, j->staging, JBD2_COMMIT_BLOCK);
    put_be32(&commit->h_commit_sec_hi, (uint32_t)(now / 1000000000 >> 32));
    put_be32(&commit->h_commit_sec, (uint32_t)(now / 1000000000));
    put_be32(&commit->h_commit_nsec, (uint32_t)(now % 1000000000));
    if (j->checksums)
        put_be32(&commit->h_chksum[0], journal_commit_checksum(fs, j->staging));
    j->chunk = 1;
}

/* Writes what is left of the chunk in staging, as far as the log is in one piece on the device.
 * @return false if nothing is left. */
static bool write_chunk(struct ext4 *fs)
{
    struct journal *j = &fs->journal;
    uint32_t adjacent, count;
    uint64_t physical;

    if (j->chunk_at == j->chunk)
        return false;
    if (journal_block(fs, j->head, &physical, &adjacent) < 0) {
        j->status = -EUCLEAN;
        return true;
    }
    count = MIN(MIN(j->chunk - j->chunk_at, adjacent), j->maxlen - j->head);
    submit(fs, EXT4_IO_WRITE, physical, j->staging + (uint64_t)j->chunk_at * fs->block_bytes,
           count);
    j->chunk_at += count;
    j->used += count;
    j->head += count;
    if (j->head == j->maxlen)
        j->head = j->first;
    return true;
}

/* @return false if the whole log of the transaction is written */
static bool write_log(struct ext4 *fs)
{
    struct journal *j = &fs->journal;

    if (write_chunk(fs))
        return true;
    j->chunk_at = 0;
    if (j->cursor < fs->running_count)
        stage_blocks(fs);
    else if (!stage_revocations(fs))
        return false;
    return write_chunk(fs);
}

/* Who has to go home, in the order of the disk (Shell's method). */
static void collect_home(struct ext4 *fs)
{
    struct journal *j = &fs->journal;

    j->home_total = j->cursor = j->batch = 0;
    for (uint32_t k = 0; k < fs->buffer_count; k++) {
        if (fs->buffers[k].home)
            j->home[j->home_total++] = &fs->buffers[k];
    }
    for (uint32_t gap = j->home_total / 2; gap > 0; gap /= 2) {
        for (uint32_t i = gap; i < j->home_total; i++) {
            struct buffer *one = j->home[i];
            uint32_t k = i;

            for (; k >= gap && j->home[k - gap]->block > one->block; k -= gap)
                j->home[k] = j->home[k - gap];
            j->home[k] = one;
        }
    }
}

/* Copies as many as staging holds, and writes them: what lies side by side, by one request.
 * @return false if all are where they belong */
static bool write_home(struct ext4 *fs)
{
    struct journal *j = &fs->journal;
    uint32_t requests = 0;

    for (; j->batch > 0; j->batch--) { /* these are written */
        j->home[j->cursor - j->batch]->home = false;
        j->home_count--;
    }
    while (j->batch < STAGING_BLOCKS && j->cursor < j->home_total) {
        const struct buffer *b = j->home[j->cursor];
        uint8_t *copy = j->staging + (uint64_t)j->batch * fs->block_bytes;

        memcpy(copy, b->data, fs->block_bytes);
        if (j->batch > 0 && j->home[j->cursor - 1]->block + 1 == b->block)
            j->ios[requests - 1].bytes += fs->block_bytes;
        else
            j->ios[requests++] = (struct ext4_io){
                EXT4_IO_WRITE, b->block << fs->block_bits, fs->block_bytes, copy, step_done, fs};
        j->batch++;
        j->cursor++;
    }
    j->pending += requests;
    for (uint32_t k = 0; k < requests; k++)
        fs->device.submit(fs->device.context, &j->ios[k]);
    return requests > 0;
}

/* The commit block is on the medium. */
static void transaction_durable(struct ext4 *fs)
{
    struct journal *j = &fs->journal;

    for (uint32_t i = 0; i < fs->running_count; i++) {
        struct buffer *b = fs->running[i];

        b->running = false;
        j->home_count += !b->home;
        b->home = true;
    }
    fs->running_count = 0;
    fs->freed_count = 0;
    j->sequence++;
    j->durable = j->started;
    if (j->used > (j->maxlen - j->first) / 2)
        j->checkpoint = true;
}

static void journal_fail(struct ext4 *fs)
{
    struct journal *j = &fs->journal;

    abandon(fs, "writing the journal", j->status);
    j->step = COMMIT_IDLE;
}

/* From a step that is done to the next one. */
static void journal_next(struct ext4 *fs)
{
    struct journal *j = &fs->journal;

    switch (j->step) {
    case COMMIT_LOG:
        if (write_log(fs))
            return;
        j->step = COMMIT_BARRIER;
        submit(fs, EXT4_IO_FLUSH, 0, NULL, 0);
        return;
    case COMMIT_BARRIER:
        stage_commit(fs);
        j->chunk_at = 0;
        j->step = COMMIT_RECORD;
        write_chunk(fs);
        return;
    case COMMIT_RECORD:
        j->step = COMMIT_DURABLE;
        submit(fs, EXT4_IO_FLUSH, 0, NULL, 0);
        return;
    case COMMIT_DURABLE:
        transaction_durable(fs);
        j->step = j->checkpoint ? CHECKPOINT_HOME : COMMIT_IDLE;
        if (j->checkpoint)
            collect_home(fs);
        return;
    case CHECKPOINT_HOME:
        if (write_home(fs))
            return;
        j->step = CHECKPOINT_BARRIER;
        submit(fs, EXT4_IO_FLUSH, 0, NULL, 0);
        return;
    case CHECKPOINT_BARRIER:
        journal_set_super(fs, j->head, j->sequence);
        j->step = CHECKPOINT_TAIL;
        submit(fs, EXT4_IO_WRITE, j->runs[0].physical, j->super, 1);
        return;
    case CHECKPOINT_TAIL:
        j->step = CHECKPOINT_DURABLE;
        submit(fs, EXT4_IO_FLUSH, 0, NULL, 0);
        return;
    case CHECKPOINT_DURABLE:
        j->used = 0;
        j->checkpoint = false;
        j->step = COMMIT_IDLE;
        return;
    case COMMIT_IDLE: return;
    }
}

static void journal_step(struct ext4 *fs)
{
    struct journal *j = &fs->journal;

    if (j->stepping)
        return;
    j->stepping = true;
    while (j->step != COMMIT_IDLE && j->pending == 0) {
        if (j->status < 0)
            journal_fail(fs);
        else
            journal_next(fs);
    }
    j->stepping = false;
}

/* The blocks of the transaction as they are to be on the disk. */
static int64_t seal_running(struct ext4 *fs)
{
    struct ext4_super_block *super;
    struct buffer *b;
    uint32_t kept = 0;

    blocks_give_back(fs);
    for (uint32_t i = 0; i < fs->running_count; i++) {
        if (fs->running[i]->running)
            fs->running[kept++] = fs->running[i];
    }
    fs->running_count = kept;
    TRY(super_get(fs, &b, &super));
    if (!b->running) {
        b->running = true;
        fs->running[fs->running_count++] = b;
    }
    super_fill(fs, super);
    for (uint32_t i = 0; i < fs->running_count; i++) { /* their checksums are in the descriptors */
        if (fs->running[i]->kind == KIND_BLOCK_BITMAP || fs->running[i]->kind == KIND_INODE_BITMAP)
            TRY(seal_block(fs, fs->running[i]));
    }
    for (uint32_t i = 0; i < fs->running_count; i++)
        TRY(seal_block(fs, fs->running[i]));
    return 0;
}

void journal_commit(struct ext4 *fs, bool checkpoint)
{
    struct journal *j = &fs->journal;

    if (j->step != COMMIT_IDLE || fs->abandoned || !j->present || !fs->running)
        return;
    j->checkpoint = checkpoint;
    j->status = 0;
    j->cursor = j->revoked = j->chunk = j->chunk_at = 0;
    if (fs->running_count > 0) {
        j->status = seal_running(fs);
        j->started++;
        j->step = COMMIT_LOG;
    } else if (checkpoint && j->used > 0) {
        j->step = CHECKPOINT_HOME;
        collect_home(fs);
    }
    journal_step(fs);
}

/* ---- waiting for it ---- */

int64_t journal_finish(struct ext4 *fs)
{
    struct journal *j = &fs->journal;

    while (journal_busy(fs))
        fs->device.wait(fs->device.context);
    journal_commit(fs, true);
    while (journal_busy(fs))
        fs->device.wait(fs->device.context);
    if (fs->abandoned)
        return -EIO;
    return journal_write_super(fs, 0, j->sequence);
}

int64_t ext4_sync(struct ext4 *fs, uint64_t *ticket)
{
    struct journal *j = &fs->journal;

    if (*ticket == 0) {
        if (fs->abandoned)
            return -EIO;
        if (!journal_busy(fs))
            journal_commit(fs, false);
        *ticket = j->started + 1; /* commit number `started` includes everything so far */
    }
    while (j->durable + 1 < *ticket) {
        if (fs->abandoned)
            return -EIO;
        TRY(fs_wait(fs));
    }
    return 0;
}
