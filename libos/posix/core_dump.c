// SPDX-License-Identifier: MIT
/*
 * The file `core`, for a debugger, when a signal ends the process (core(5), elf(5)).
 *
 * We write it ourselves, since we live in the process and see its memory. File operations take program
 * addresses: the memory goes to the file from where it is, and what we make goes by way of a page that
 * no mapping of the program reaches. Of the threads it shows the one that died: the registers of others
 * are the kernel's.
 *
 *     ELF header | program headers | notes | memory, each segment on a page
 */
#include "core.h"
#include "files.h"
#include "trace.h"

#include <exo_machine/elf.h>
#include <lib/elf.h>

#define NOTE_NAME "CORE\0\0\0" /* 5 bytes, and up to 8 */
#define CORE_SIGNALS                                                                        \
    (SIGNAL_BIT(SIGQUIT) | SIGNAL_BIT(SIGILL) | SIGNAL_BIT(SIGTRAP) | SIGNAL_BIT(SIGABRT) | \
     SIGNAL_BIT(SIGBUS) | SIGNAL_BIT(SIGFPE) | SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGSYS) |   \
     SIGNAL_BIT(SIGXCPU) | SIGNAL_BIT(SIGXFSZ))
#define PIECE ((uint64_t)64 << 10)
enum { NT_PRSTATUS = 1, NT_PRPSINFO = 3, NT_AUXV = 6, NT_SIGINFO = 0x53494749 };

struct prstatus {
    int32_t signo, code, error;
    int16_t current, pad;
    uint64_t pending, held;
    int32_t pid, ppid, pgrp, sid;
    int64_t times[8];
    uint64_t registers[MACHINE_CORE_REGISTERS];
    int32_t has_fpu, pad2;
};

struct prpsinfo {
    char state, state_name, zombie, nice;
    uint32_t pad;
    uint64_t flag;
    uint32_t uid, gid;
    int32_t pid, ppid, pgrp, sid;
    char name[16], arguments[80];
};
static_assert(sizeof(struct prpsinfo) == 136, "elf_prpsinfo");

struct notes {
    struct note {
        uint32_t name_bytes, bytes, type;
        char name[8];
    } status_note;
    uint8_t status[sizeof(struct prstatus)];
    struct note info_note;
    uint8_t info[sizeof(struct prpsinfo)];
    struct note signal_note;
    uint8_t signal[128];
    struct note auxv_note;
    uint64_t auxv[64];
} __attribute__((packed));
static_assert(sizeof(struct notes) <= EXO_PAGE_SIZE, "the scratch page has room");

struct dump {
    struct file *file;
    uint64_t limit;
};

/* Bytes of ours to a place in the file. */
static bool put(const struct dump *d, uint64_t offset, const void *from, uint64_t bytes)
{
    return offset + bytes <= d->limit && user_write(TRACE_VA, from, bytes) == 0 &&
           file_write_at(d->file, TRACE_VA, bytes, &offset) == (int64_t)bytes;
}

/* ---- memory ------------------------------------------------------------------------------------------ */

/* How much of a mapping is in the file: code is in the program's own files, but for the page that says
 * which file it is. */
static uint64_t shown_bytes(const struct vma *v)
{
    if (!(v->rights & EXO_MAP_READ) || (v->file && (v->flags & 1)))
        return 0;
    if (v->file && (v->rights & EXO_MAP_EXEC))
        return v->offset == 0 ? EXO_PAGE_SIZE : 0;
    return v->end - v->start;
}

/* What was never touched stays a hole. */
static bool is_there(uint64_t va, uint64_t bytes)
{
    uint64_t counts[4] = {0};

    for (uint64_t at = va; at != 0 && at < va + bytes;) {
        int64_t next = exo_space_count(0, at, (va + bytes - at) >> EXO_PAGE_SHIFT, counts);

        if (next < 0)
            return true;
        at = (uint64_t)next;
    }
    return counts[0] != 0;
}

static bool put_memory(const struct dump *d, uint64_t offset, const struct vma *v)
{
    uint64_t end = v->start + shown_bytes(v);

    for (uint64_t at = v->start; at < end; at += PIECE) {
        uint64_t bytes = end - at < PIECE ? end - at : PIECE, to = offset + (at - v->start);

        if (to + bytes > d->limit)
            return false;
        if ((v->file || is_there(at, bytes)) && file_write_at(d->file, at, bytes, &to) < 0 &&
            !v->file)
            return false; /* of a file, pages behind its end are no failure */
    }
    return true;
}

/* ---- notes -------------------------------------------------------------------------------------------- */

static struct note note_of(uint32_t type, uint32_t bytes)
{
    return (struct note){.name_bytes = 5, .bytes = bytes, .type = type, .name = NOTE_NAME};
}

static void notes_fill(struct notes *n, const struct exo_context *c,
                       const struct proc_siginfo *info)
{
    const struct process *p = current();
    const struct proc_entry *e = p->entry;
    struct prstatus status = {.signo = info->signo,
                              .code = info->code,
                              .current = (int16_t)info->signo,
                              .pending = p->pending | self()->pending,
                              .held = self()->sigmask,
                              .pid = self()->tid,
                              .ppid = e->ppid,
                              .pgrp = e->pgid,
                              .sid = e->sid};
    struct prpsinfo about = {.state_name = 'R',
                             .uid = e->ruid,
                             .gid = e->rgid,
                             .pid = p->pid,
                             .ppid = e->ppid,
                             .pgrp = e->pgid,
                             .sid = e->sid};

    machine_core_registers(status.registers, c);
    memcpy(about.name, self()->comm, sizeof about.name);
    user_string(about.arguments, image_state.argument_start, sizeof about.arguments);
    n->status_note = note_of(NT_PRSTATUS, sizeof n->status);
    memcpy(n->status, &status, sizeof status);
    n->info_note = note_of(NT_PRPSINFO, sizeof n->info);
    memcpy(n->info, &about, sizeof about);
    n->signal_note = note_of(NT_SIGINFO, sizeof n->signal);
    signal_info_store(n->signal, info);
    n->auxv_note = note_of(NT_AUXV, sizeof n->auxv);
    memcpy(n->auxv, image_state.auxv, sizeof n->auxv);
}

/* ---- the file ----------------------------------------------------------------------------------------- */

static bool put_headers(const struct dump *d, uint32_t segments, uint64_t notes_at,
                        uint64_t memory_at)
{
    struct elf_file_header h = {.ident = {0x7f, 'E', 'L', 'F', 2, 1, 1},
                                .type = 4,
                                .machine = EXO_ELF_MACHINE,
                                .version = 1,
                                .phoff = sizeof h,
                                .ehsize = sizeof h,
                                .phentsize = sizeof(struct elf_program_header),
                                .phnum = (uint16_t)(segments + 1)};
    struct elf_program_header p = {
        .type = ELF_NOTE, .offset = notes_at, .filesz = sizeof(struct notes), .align = 4};
    bool good = put(d, 0, &h, sizeof h) && put(d, sizeof h, &p, sizeof p);

    for (uint32_t i = 0; i < segments && good; i++) {
        const struct vma *v = &image_state.vmas[i];

        p = (struct elf_program_header){.type = ELF_LOAD,
                                        .flags = (v->rights & EXO_MAP_READ ? ELF_READ : 0) |
                                                 (v->rights & EXO_MAP_WRITE ? ELF_WRITE : 0) |
                                                 (v->rights & EXO_MAP_EXEC ? ELF_EXEC : 0),
                                        .offset = memory_at,
                                        .vaddr = v->start,
                                        .filesz = shown_bytes(v),
                                        .memsz = v->end - v->start,
                                        .align = EXO_PAGE_SIZE};
        memory_at += p.filesz;
        good = put(d, sizeof h + (i + 1) * sizeof p, &p, sizeof p);
    }
    return good;
}

static void put_all(const struct dump *d, const struct exo_context *c,
                    const struct proc_siginfo *info)
{
    uint32_t segments = image_state.vma_count < 65000 ? image_state.vma_count : 65000;
    uint64_t notes_at = ELF_HEADER_BYTES + (segments + 1) * ELF_PROGRAM_BYTES;
    uint64_t memory_at = PAGE_UP(notes_at + sizeof(struct notes));
    struct notes *n = heap_zeroed(1, sizeof *n);

    if (!n)
        return;
    notes_fill(n, c, info);
    bool good = put_headers(d, segments, notes_at, memory_at) && put(d, notes_at, n, sizeof *n);
    for (uint32_t i = 0; i < segments && good; i++) {
        good = put_memory(d, memory_at, &image_state.vmas[i]);
        memory_at += shown_bytes(&image_state.vmas[i]);
    }
    if (good)
        d->file->ops->truncate(d->file, memory_at); /* a hole at the end counts, too */
    heap_free(n);
}

uint32_t core_dump(const struct exo_context *c, const struct proc_siginfo *info)
{
    const struct process *p = current();
    struct dump d = {.limit = p->rlimits[RLIMIT_CORE][0]};
    struct fs_stat stat;

    if (!(SIGNAL_BIT(info->signo) & CORE_SIGNALS))
        return 0;
    if (d.limit < EXO_PAGE_SIZE || !p->dumpable || p->context != 0 || p->exiting)
        return 0;
    if (exo_map(0, TRACE_VA, 1, 0, 0, EXO_MAP_READ | EXO_MAP_WRITE) < 0 ||
        file_open("core", O_WRONLY | O_CREAT | O_NOFOLLOW, 0600, &d.file) < 0)
        return 0;
    /* Somebody's file that happens to be there is left as it is. */
    bool ours = file_stat(d.file, &stat) == 0 && S_ISREG(stat.mode) && stat.nlink == 1 &&
                stat.uid == p->entry->fsuid && d.file->ops->truncate &&
                d.file->ops->truncate(d.file, 0) == 0;
    if (ours)
        put_all(&d, c, info);
    file_put(d.file);
    return ours ? STATUS_DUMPED : 0;
}
