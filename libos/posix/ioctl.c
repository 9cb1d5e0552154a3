/* SPDX-License-Identifier: MIT */
/* ioctl: what every descriptor knows is here, the rest is its file's (tty.c, pipe.c ...). */
#include "files.h"

#define FIONBIO  0x5421u
#define FIONCLEX 0x5450u
#define FIOCLEX  0x5451u
#define FIOASYNC 0x5452u

/* Sets or clears a status flag as the int at `user` says. */
static int64_t flag_set(struct file *f, uint32_t flag, uint64_t user)
{
    uint32_t on;

    if (user_read32(&on, user) < 0)
        return -EFAULT;
    if (on)
        atomic_fetch_or(&f->ofd->flags, flag);
    else
        atomic_fetch_and(&f->ofd->flags, ~flag);
    return 0;
}

DEFINE_CALL3(ioctl, fd, request, argument)
{
    struct file *f = fd_file(fd);
    uint32_t what = (uint32_t)request, on;

    if (!f || (file_flags(f) & O_PATH))
        return -EBADF;
    switch (what) {
    case FIOCLEX:
    case FIONCLEX: current()->fds[(uint32_t)fd].cloexec = what == FIOCLEX; return 0;
    case FIONBIO: return flag_set(f, O_NONBLOCK, argument);
    case FIOASYNC: /* there is no SIGIO: it can only be switched off */
        if (user_read32(&on, argument) < 0)
            return -EFAULT;
        return on ? -ENOTTY : 0;
    default: return f->ops->ioctl ? f->ops->ioctl(f, what, argument) : -ENOTTY;
    }
}
