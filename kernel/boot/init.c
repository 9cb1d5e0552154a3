/* SPDX-License-Identifier: MIT */
/*
 * The first environment. The kernel finds one file in the boot archive, usr/sbin/init, maps its
 * segments, and gives it every resource of the machine: the root account, the platform and the
 * archive. From here on init decides; the kernel knows no other program.
 */
#include <exo/boot.h>
#include <kernel/boot/init.h>
#include <kernel/env/env.h>
#include <kernel/env/thread.h>
#include <kernel/mem/frame.h>
#include <kernel/resurrection/service.h>
#include <kernel/sched/sched.h>
#include <lib/cpio.h>
#include <lib/elf.h>
#include <lib/string.h>

#define INIT_PATH     "usr/sbin/init"
#define INIT_STACK_VA 0x0000000010000000u
#define INIT_STACK    (64u * 1024)
#define INIT_UTCB_VA  0x0000000020000000u
#define INIT_PRIORITY 24u

/* The first entry of that name: the image puts it in front, so this reads a header or two. */
static bool find_init(const void *archive, uint64_t bytes, struct cpio_entry *file)
{
    struct cpio walk = cpio_open(archive, bytes);

    while (cpio_next(&walk, file)) {
        const char *name = file->name;

        if (name[0] == '.' && name[1] == '/')
            name += 2;
        if (strcmp(name, INIT_PATH) == 0)
            return true;
    }
    return false;
}

/* The new space is not loaded, so pages are filled through the kernel's own mapping of RAM. */
static void fill(struct env *env, uint64_t va, const uint8_t *from, uint64_t bytes)
{
    while (bytes > 0) {
        uint64_t within = va & (EXO_PAGE_SIZE - 1), part = EXO_PAGE_SIZE - within;

        if (part > bytes)
            part = bytes;
        if (space_fault(&env->space, va, EXO_MAP_WRITE) != SPACE_SERVED)
            kernel_panic("no memory for init");
        pfn_t f = (pfn_t)(space_physical(&env->space, va) >> EXO_PAGE_SHIFT);
        memcpy((char *)hal_frame_ptr(f) + within, from, part);
        va += part;
        from += part;
        bytes -= part;
    }
}

static void map(struct env *env, const struct map_request *want)
{
    if (space_map(&env->space, want, false) != EXO_OK)
        kernel_panic("init: cannot map %lx", (unsigned long)want->start);
}

static void load_segment(struct env *env, const uint8_t *file, const struct elf_segment *s)
{
    struct map_request want = {.start = s->va & ~(EXO_PAGE_SIZE - 1),
                               .end = (s->va + s->bytes + EXO_PAGE_SIZE - 1) & ~(EXO_PAGE_SIZE - 1),
                               .rights = EXO_MAP_READ | EXO_MAP_WRITE,
                               .rights_max = EXO_MAP_RIGHTS};

    map(env, &want);
    fill(env, s->va, file + s->offset, s->file_bytes);
    if (space_protect(&env->space, want.start, want.end, s->rights) != EXO_OK)
        kernel_panic("init: cannot protect %lx", (unsigned long)want.start);
}

static uint64_t load(struct env *env, const struct cpio_entry *file)
{
    static struct elf_image image;
    enum elf_result result = elf_parse(file->data, file->bytes, file->bytes, &image);

    if (result != ELF_OK || image.relocatable)
        kernel_panic(INIT_PATH ": %s", elf_result_text(result));
    for (uint32_t i = 0; i < image.segment_count; i++)
        load_segment(env, file->data, &image.segments[i]);
    return image.entry;
}

/* Maps frames read-only under a capability at a known slot. */
static void grant_extent(struct env *env, struct account *root, pfn_t first, uint64_t pages,
                         exo_cap slot, uint64_t va)
{
    struct extent *e;
    struct map_request want = {.start = va,
                               .end = va + (pages << EXO_PAGE_SHIFT),
                               .rights = EXO_MAP_READ,
                               .rights_max = EXO_MAP_READ};

    if (extent_create(root, first, pages, false, &e) != EXO_OK ||
        env_grant_at(env, &e->source.object, EXO_R_ALL, slot) < 0 ||
        env_cap(env, slot, &want.cap) != EXO_OK)
        kernel_panic("no memory for init's capabilities");
    want.source = &e->source;
    map(env, &want);
    object_unref(&e->source.object);
}

static void grant_boot_record(struct env *env, struct account *root, const struct hal_boot *boot)
{
    pfn_t f = frame_take(root);

    if (f == PFN_NONE)
        kernel_panic("no memory for the boot record");
    struct exo_boot *record = hal_frame_ptr(f);
    record->archive_bytes = boot->archive.bytes;
    record->console = boot->console;
    record->pci = boot->pci;
    memcpy(record->command_line, boot->command_line, sizeof record->command_line);
    record->command_line[sizeof record->command_line - 1] = '\0';
    grant_extent(env, root, f, 1, EXO_WELL_KNOWN(6), EXO_BOOT_VA);
}
static_assert(sizeof(struct exo_boot) <= 4096, "the boot record is one page");

static void grant_platform(struct env *env, struct account *root)
{
    void *platform;

    if (object_create(EXO_PLATFORM, root, &platform) != EXO_OK ||
        env_grant_at(env, platform, EXO_R_ALL, EXO_CAP_PLATFORM) < 0)
        kernel_panic("no memory for the platform capability");
    object_unref(platform);
}

void init_start(const struct hal_boot *boot, struct account *root)
{
    pfn_t first = (pfn_t)(boot->archive.base >> EXO_PAGE_SHIFT);
    uint64_t pages = (boot->archive.bytes + EXO_PAGE_SIZE - 1) >> EXO_PAGE_SHIFT;
    struct cpio_entry file;
    struct env *env;
    struct thread *thread;

    if (boot->archive.bytes == 0)
        kernel_panic("no boot archive: give one with -initrd");
    if (!find_init(hal_frame_ptr(first), boot->archive.bytes, &file))
        kernel_panic("the boot archive has no " INIT_PATH);
    if (env_create(root, &env) != EXO_OK)
        kernel_panic("no memory for init");
    struct exo_thread_args args = {.utcb = INIT_UTCB_VA,
                                   .pc = load(env, &file),
                                   .sp = INIT_STACK_VA + INIT_STACK,
                                   .priority = INIT_PRIORITY};
    map(env, &(struct map_request){.start = INIT_STACK_VA,
                                   .end = INIT_STACK_VA + INIT_STACK,
                                   .rights = EXO_MAP_READ | EXO_MAP_WRITE,
                                   .rights_max = EXO_MAP_READ | EXO_MAP_WRITE});
    grant_platform(env, root);
    service_start_table(env, root);
    grant_extent(env, root, first, pages, EXO_CAP_ARCHIVE, EXO_ARCHIVE_VA);
    grant_boot_record(env, root, boot);
    if (thread_create(env, root, &args, &thread) != EXO_OK ||
        env_grant_at(env, &thread->object, EXO_R_ALL, EXO_CAP_THREAD) < 0)
        kernel_panic("no memory for init's thread");
    thread->state = THREAD_READY;
    sched_ready(thread);
}
