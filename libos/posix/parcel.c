/* SPDX-License-Identifier: MIT */
/* Open files on their way to another process; see parcel.h. */
#include "parcel.h"

static parcel_open *const unpackers[PARCEL_KINDS] = {
    [PARCEL_FILE] = file_unpack,       [PARCEL_TTY] = tty_unpack,
    [PARCEL_PIPE] = pipe_unpack,       [PARCEL_SOCKET] = socket_unpack,
    [PARCEL_EVENT] = event_unpack,     [PARCEL_TIMER] = timerfd_unpack,
    [PARCEL_SIGNAL] = signalfd_unpack, [PARCEL_PID] = pidfd_unpack,
};

int64_t parcel_box(_Atomic uint64_t *key, exo_cap region)
{
    struct exo_message m = {EXO_TAG(FS_PARCEL_BOX, 0, 1), {0, 0, 0, 0}};
    uint64_t none = 0;
    int64_t result;

    if (atomic_load(key))
        return 0;
    exo_utcb()->send[0] = (struct exo_send){region, EXO_SEND_COPY};
    result = server_call(current()->fs, &m);
    if (result < 0)
        return result;
    if (!atomic_compare_exchange_strong(key, &none, m.w[1]))
        parcel_drop(m.w[1], 0); /* the other side was quicker */
    return 0;
}

void parcel_drop(uint64_t box, uint64_t number)
{
    struct exo_message m = {EXO_TAG(FS_PARCEL_DROP, 0, 0), {box, number, 0, 0}};

    server_call(current()->fs, &m);
}

static void parcel_fill(struct parcel *p, struct file *f)
{
    *p = (struct parcel){
        .caps = {f->caps[0], 0, 0, 0},
        .text = {.what = f->ops->parcel,
                 .kind = f->kind,
                 .flags = file_flags(f),
                 .ofd = ofd_depart(f->ofd),
                 .lineage = ofd_lineage(),
                 .offset = atomic_load(&f->ofd->offset),
                 .number = f->number,
                 .rdev = f->rdev,
                 .ino = f->ino,
                 .words = {f->extra[0], f->extra[1], 0, 0, 0, 0}},
    };
    memcpy(p->text.name, file_name(f), sizeof p->text.name);
    if (f->ops->pack)
        f->ops->pack(f, p);
}

int64_t parcel_send(uint64_t box, uint64_t *number, struct file *f)
{
    struct exo_message m = {0, {box, *number, 0, 0}};
    struct exo_utcb *utcb = exo_utcb();
    struct parcel p;
    uint32_t caps = 0;
    int64_t result;

    if (f->ops->parcel == PARCEL_NONE)
        return -EOPNOTSUPP;
    parcel_fill(&p, f);
    while (caps < EXO_MSG_CAPS && p.caps[caps]) {
        utcb->send[caps] = (struct exo_send){p.caps[caps], EXO_SEND_COPY};
        caps++;
    }
    memcpy(utcb->msg, &p.text, sizeof p.text);
    m.tag = EXO_TAG(FS_PARCEL_PUT, sizeof p.text, caps);
    result = server_call(current()->fs, &m);
    if (result < 0)
        ofd_return(p.text.ofd);
    else
        *number = m.w[1];
    return result;
}

/* ---- receiving ----------------------------------------------------------------------------------- */

struct search {
    uint32_t ofd;
    struct file *found;
};

static void search_visit(struct file *f, uint64_t argument)
{
    struct search *s = (struct search *)argument;

    if (ofd_number(f->ofd) == s->ofd)
        s->found = f;
}

/* A file that this address space has open already: it is the same one. */
static struct file *file_at_home(const struct parcel_text *text)
{
    struct search s = {text->ofd, 0};

    if (text->lineage == ofd_lineage())
        file_each(search_visit, (uint64_t)&s);
    return s.found ? file_get(s.found) : 0;
}

static struct file *file_made(struct parcel *p)
{
    const struct parcel_text *text = &p->text;
    struct file *f = file_new(&path_ops, text->kind, text->flags);
    struct ofd *shared = text->lineage == ofd_lineage() ? ofd_arrive(text->ofd) : 0;

    if (f && shared) {
        ofd_put(f->ofd);
        f->ofd = shared;
    } else if (shared) {
        ofd_put(shared);
    }
    if (!f)
        return 0;
    if (!shared)
        atomic_store(&f->ofd->offset, text->offset);
    f->number = text->number;
    f->rdev = text->rdev;
    f->ino = text->ino;
    file_name_set(f, text->name);
    if (unpackers[text->what](f, p) < 0) {
        f->ops = &path_ops;
        file_put(f);
        return 0;
    }
    return f;
}

int64_t parcel_receive(uint64_t box, uint64_t number, struct file **out)
{
    struct exo_message m = {EXO_TAG(FS_PARCEL_TAKE, 0, 0), {box, number, 0, 0}};
    struct parcel p;
    int64_t result = server_call_caps(current()->fs, &m, p.caps, EXO_MSG_CAPS);

    if (result < 0)
        return result;
    memcpy(&p.text, exo_utcb()->msg, sizeof p.text);
    p.text.name[sizeof p.text.name - 1] = 0;
    *out = 0;
    if (EXO_TAG_BYTES(m.tag) == sizeof p.text && p.text.what < PARCEL_KINDS &&
        unpackers[p.text.what]) {
        *out = file_at_home(&p.text);
        if (*out)
            ofd_return(p.text.ofd);
        else
            *out = file_made(&p);
    }
    for (uint32_t i = 0; i < EXO_MSG_CAPS; i++)
        cap_drop(&p.caps[i]);
    return *out ? 0 : -ENFILE;
}
