/* SPDX-License-Identifier: MIT */
/*
 * Messages to servers, and how paths get into them.
 *
 * A path is copied once, from the program straight into the message. A relative one starts at a
 * directory number, which fs gave us when we opened that directory; nobody can guess one, so the
 * number is the proof.
 */
#include "files.h"

/* A native failure of the call itself: the server is gone, or we lost the capability. */
static int64_t call_errno(int64_t error)
{
    switch (error) {
    case EXO_ENOMEM:
    case EXO_ENOSLOT:
    case EXO_EOBJECTS: return -ENOMEM;
    case EXO_ECAP: return -EBADF;
    default: return -EIO;
    }
}

int64_t server_call(exo_cap endpoint, struct exo_message *m)
{
    int64_t tag = ipc_call_again(endpoint, m);

    return tag < 0 ? call_errno(tag) : (int64_t)m->w[0];
}

int64_t server_call_caps(exo_cap endpoint, struct exo_message *m, exo_cap *caps, uint32_t count)
{
    struct exo_utcb *utcb = exo_utcb();
    int64_t result;
    uint32_t came;

    utcb->recv_caps = count;
    result = server_call(endpoint, m);
    utcb->recv_caps = 0;
    came = result == -EIO && (int64_t)m->tag < 0 ? 0 : EXO_TAG_CAPS(m->tag);
    for (uint32_t i = 0; i < count; i++) {
        caps[i] = i < came ? utcb->received[i] : 0;
        if (result < 0)
            cap_drop(&caps[i]);
    }
    return result;
}

/* ---- paths ------------------------------------------------------------------------------------- */

/* 0 is the root of the file system. */
static uint64_t directory_number(const struct file *directory)
{
    return directory ? directory->number : 0;
}

void path_from(struct path *path, uint64_t dirfd, uint64_t user)
{
    struct file *f;

    path->user = user;
    path->text = 0;
    if ((int32_t)dirfd == AT_FDCWD) {
        path->base = directory_number(current()->cwd);
        path->base_error = 0;
        return;
    }
    f = fd_file(dirfd);
    path->base = f ? f->number : 0;
    /* An absolute path does not care: path_put decides. */
    path->base_error = !f ? -EBADF : f->number == 0 ? -ENOTDIR : 0;
}

void path_from_text(struct path *path, const char *text)
{
    path->user = 0;
    path->text = text;
    path->base = directory_number(current()->cwd);
    path->base_error = 0;
}

int64_t path_put(struct path *path, uint64_t at, bool empty)
{
    char *to = (char *)exo_utcb()->msg + at;
    uint64_t limit = EXO_MSG_BYTES - at < PATH_BYTES ? EXO_MSG_BYTES - at : PATH_BYTES;
    int64_t length;

    if (path->text) {
        length = (int64_t)strnlen(path->text, limit);
        if ((uint64_t)length == limit)
            return -ENAMETOOLONG;
        memcpy(to, path->text, (size_t)length + 1);
    } else {
        length = user_string(to, path->user, limit);
    }
    if (length < 0)
        return length;
    path->length = (uint64_t)length;
    if (length == 0 && !empty)
        return -ENOENT;
    if (length > 0 && to[0] == '/')
        path->base = directory_number(current()->root);
    else if (path->base_error)
        return path->base_error;
    return length;
}

static int64_t path_send(struct path *path, uint32_t op, uint64_t w1, uint64_t w2, uint64_t w3,
                         bool empty)
{
    int64_t length = path_put(path, 0, empty);
    struct exo_message m;

    if (length < 0)
        return length;
    m = (struct exo_message){EXO_TAG(op, length, 0), {path->base, w1, w2, w3}};
    return server_call(current()->fs, &m);
}

int64_t path_call(struct path *path, uint32_t op, uint64_t w1, uint64_t w2, uint64_t w3)
{
    return path_send(path, op, w1, w2, w3, false);
}

int64_t path_call_empty(struct path *path, uint32_t op, uint64_t w1, uint64_t w2, uint64_t w3)
{
    return path_send(path, op, w1, w2, w3, true);
}

int64_t number_call(uint64_t number, uint32_t op, uint64_t w1, uint64_t w2, uint64_t w3)
{
    struct exo_message m = {EXO_TAG(op, 0, 0), {number, w1, w2, w3}};

    return server_call(current()->fs, &m);
}
