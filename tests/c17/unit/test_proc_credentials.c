/* SPDX-License-Identifier: MIT */
/* Who may become whom, and signal whom: Linux's rules. */
// links: servers/proc/credentials.c
#include "test_framework.h"

#include <lib/linux/errno.h>

#include "servers/proc/credentials.h"

#define KEEP UINT32_MAX

static struct proc_entry user(uint32_t real, uint32_t effective, uint32_t saved)
{
    return (struct proc_entry){.ruid = real, .euid = effective, .suid = saved, .fsuid = effective};
}

static bool is(const struct proc_entry *e, uint32_t r, uint32_t eff, uint32_t s, uint32_t f)
{
    return e->ruid == r && e->euid == eff && e->suid == s && e->fsuid == f;
}

int main(void)
{
    struct proc_entry e;

    TEST_BEGIN("setuid by root changes all ids, by others only the effective one")
    e = user(0, 0, 0);
    ASSERT_EQ(credentials_set(&e, PROC_ID_UID, 1000, 0, 0), 0);
    ASSERT_TRUE(is(&e, 1000, 1000, 1000, 1000));
    ASSERT_EQ(credentials_set(&e, PROC_ID_UID, 0, 0, 0), -EPERM);
    e = user(1000, 2000, 3000);
    ASSERT_EQ(credentials_set(&e, PROC_ID_UID, 3000, 0, 0), 0);
    ASSERT_TRUE(is(&e, 1000, 3000, 3000, 3000));
    ASSERT_EQ(credentials_set(&e, PROC_ID_UID, 2000, 0, 0), -EPERM);
    ASSERT_EQ(credentials_set(&e, PROC_ID_UID, KEEP, 0, 0), -EINVAL);
    TEST_END();

    TEST_BEGIN("setreuid saves the new effective id")
    e = user(1000, 1000, 2000);
    ASSERT_EQ(credentials_set(&e, PROC_ID_REUID, KEEP, 2000, 0), 0);
    ASSERT_TRUE(is(&e, 1000, 2000, 2000, 2000));
    ASSERT_EQ(credentials_set(&e, PROC_ID_REUID, 2000, 1000, 0), 0);
    ASSERT_TRUE(is(&e, 2000, 1000, 1000, 1000));
    ASSERT_EQ(credentials_set(&e, PROC_ID_REUID, 5, KEEP, 0), -EPERM);
    ASSERT_EQ(credentials_set(&e, PROC_ID_REUID, KEEP, 5, 0), -EPERM);
    e = user(1000, 2000, 3000);
    ASSERT_EQ(credentials_set(&e, PROC_ID_REUID, 3000, KEEP, 0), -EPERM);
    ASSERT_EQ(credentials_set(&e, PROC_ID_REUID, KEEP, 1000, 0), 0);
    ASSERT_TRUE(is(&e, 1000, 1000, 3000, 1000));
    TEST_END();

    TEST_BEGIN("setresuid moves among the three, or anywhere for root")
    e = user(1, 2, 3);
    ASSERT_EQ(credentials_set(&e, PROC_ID_RESUID, 3, 1, 2), 0);
    ASSERT_TRUE(is(&e, 3, 1, 2, 1));
    ASSERT_EQ(credentials_set(&e, PROC_ID_RESUID, KEEP, KEEP, 9), -EPERM);
    ASSERT_EQ(credentials_set(&e, PROC_ID_RESUID, KEEP, KEEP, KEEP), 0);
    e = user(0, 0, 0);
    ASSERT_EQ(credentials_set(&e, PROC_ID_RESUID, KEEP, 7, 8), 0);
    ASSERT_TRUE(is(&e, 0, 7, 8, 7));
    TEST_END();

    TEST_BEGIN("setfsuid answers the old id, whether it may or not")
    e = user(1, 2, 3);
    ASSERT_EQ(credentials_set(&e, PROC_ID_FSUID, 9, 0, 0), 2);
    ASSERT_EQ(credentials_set(&e, PROC_ID_FSUID, 3, 0, 0), 2);
    ASSERT_EQ(credentials_set(&e, PROC_ID_FSUID, KEEP, 0, 0), 3);
    TEST_END();

    TEST_BEGIN("group ids follow the same rules, by the effective user")
    e = user(0, 0, 0);
    ASSERT_EQ(credentials_set(&e, PROC_ID_RESGID, 5, 6, 7), 0);
    ASSERT_TRUE(e.rgid == 5 && e.egid == 6 && e.sgid == 7 && e.fsgid == 6);
    e.euid = 1;
    ASSERT_EQ(credentials_set(&e, PROC_ID_GID, 9, 0, 0), -EPERM);
    ASSERT_EQ(credentials_set(&e, PROC_ID_REGID, 6, 7, 0), 0);
    ASSERT_TRUE(e.rgid == 6 && e.egid == 7 && e.sgid == 7);
    ASSERT_EQ(credentials_set(&e, 99, 0, 0, 0), -EINVAL);
    TEST_END();

    TEST_BEGIN("setgroups is root's")
    uint32_t ids[PROC_GROUPS + 1] = {4, 5};
    e = user(0, 0, 0);
    ASSERT_EQ(credentials_set_groups(&e, ids, PROC_GROUPS + 1), -EINVAL);
    ASSERT_EQ(credentials_set_groups(&e, ids, 2), 0);
    ASSERT_EQ(e.group_count, 2);
    e.euid = 3;
    ASSERT_EQ(credentials_set_groups(&e, ids, 1), -EPERM);
    TEST_END();

    TEST_BEGIN("signals go to one's own, and from root to all")
    struct proc_entry root = user(0, 0, 0), a = user(1, 1, 1), b = user(2, 2, 1);
    ASSERT_TRUE(credentials_may_signal(&root, &a));
    ASSERT_FALSE(credentials_may_signal(&a, &root));
    ASSERT_TRUE(credentials_may_signal(&a, &b)); /* by its saved id */
    ASSERT_FALSE(credentials_may_signal(&b, &a));
    TEST_END();
}
