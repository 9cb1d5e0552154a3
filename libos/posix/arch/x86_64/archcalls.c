// SPDX-License-Identifier: MIT
/* Calls that only x86_64 has. */
#include "core.h"

enum { ARCH_SET_GS = 0x1001, ARCH_SET_FS, ARCH_GET_FS, ARCH_GET_GS };

/* The gs base is the UTCB's, and so not the program's. */
DEFINE_CALL2(arch_prctl, code, value)
{
    switch (code) {
    case ARCH_SET_FS:
        if (value >= USER_TOP)
            return -EPERM;
        machine_set_tls(value);
        return 0;
    case ARCH_GET_FS: return user_write64(value, machine_tls());
    default: return -EINVAL;
    }
}
