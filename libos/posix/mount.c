/* SPDX-License-Identifier: MIT */
/* mount and umount: the arguments on their way to fs. */
#include "files.h"
#include "posix.h"

#include <lib/linux/mount.h>
#include <lib/string.h>

#define CWD        ((uint64_t)AT_FDCWD)
#define TYPE_BYTES 16u

/* Nothing is known of any option in text: those that mount(8) has are flags by now. */
static int64_t options_ok(uint64_t data)
{
    char text[2];

    return data == 0 || user_string(text, data, sizeof text) == 0 ? 0 : -EINVAL;
}

DEFINE_CALL5(mount, source_user, target_user, type_user, flags, data)
{
    uint8_t *msg = (uint8_t *)exo_utcb()->msg;
    struct path source, target;
    int64_t first = 0, type = 0, second;
    struct exo_message m;

    if ((flags & MS_MAGIC_MASK) == MS_MAGIC)
        flags &= ~(uint64_t)MS_MAGIC_MASK;
    path_from(&source, CWD, source_user);
    path_from(&target, CWD, target_user);
    if ((second = options_ok(data)) < 0)
        return second;
    if (!(flags & MS_REMOUNT) && (first = path_put(&source, 0, false)) < 0)
        return first;
    if (!(flags & MS_REMOUNT) &&
        (type = user_string((char *)msg + first, type_user, TYPE_BYTES)) < 0)
        return type;
    if ((second = path_put(&target, (uint64_t)(first + type), false)) < 0)
        return second;
    m = (struct exo_message){
        EXO_TAG(FS_MOUNT, first + type + second, 0),
        {target.base, source.base, (uint64_t)first, (uint32_t)flags | (uint64_t)type << 32}};
    return server_call(current()->fs, &m);
}

DEFINE_CALL2(umount2, user, flags)
{
    struct path path;

    path_from(&path, CWD, user);
    return path_call(&path, FS_UMOUNT, (uint32_t)flags, 0, 0);
}
