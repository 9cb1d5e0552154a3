// SPDX-License-Identifier: MIT
/*
 * rs.h in an ordinary program of the Linux ABI (static, -lexo): services that it registers and starts come
 * back; what must not be is refused, with the error that rs.h names; what init does between lives.
 * The services are those of tests/guest/services. Prints TAP. Runs as root.
 *
 *     resurrect register NAME PATH     only that
 */
#include <exo/boot.h>
#include <rs.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <time.h>

#include "tap.h"

#define ODD   "/usr/lib/exo/service/odd"
#define OWNER "/usr/lib/exo/service/owner"
#define MS    1000000u
#define LONG  20000 /* looks, of a millisecond each */

static struct exo_service_info info;

static uint32_t registered(const char *name, const char *path, uint32_t policy)
{
    uint32_t id = EXO_SERVICE_ANY;

    CHECK(rs_register_service(name, path, policy, &id) == EXO_OK);
    return id;
}

static uint32_t started(const char *name, const char *path, uint32_t policy)
{
    uint32_t id = registered(name, path, policy);

    CHECK(rs_start_service(id) == EXO_OK);
    return id;
}

/* Until the service is in this state, in at least this life. */
static bool comes_to(uint32_t id, uint32_t state, uint64_t lives)
{
    for (unsigned i = 0; i < LONG; i++) {
        if (rs_info(id, &info) != EXO_OK)
            return false;
        if (info.state == state && info.lives >= lives)
            return true;
        usleep(1000);
    }
    printf("# %s is in state %u, life %d, trouble %d\n", info.name, info.state, (int)info.lives,
           info.trouble);
    return false;
}

static void removed(uint32_t id)
{
    CHECK(rs_stop_service(id) == EXO_OK);
    for (unsigned i = 0; i < LONG && rs_remove_service(id) == EXO_EBUSY; i++)
        usleep(1000);
    CHECK(rs_info(id, &info) == EXO_ENOENT);
}

static void a_service_comes_back(void)
{
    begin("a registered service comes back");
    uint32_t id = registered("sleeper", ODD, RS_POLICY_ALWAYS);

    CHECK(rs_info(id, &info) == EXO_OK && info.state == EXO_SERVICE_REGISTERED && info.limit == 5);
    CHECK(rs_start_service(id) == EXO_OK);
    CHECK(comes_to(id, EXO_SERVICE_RUNNING, 1));
    struct exo_service_info seen = info;
    CHECK(rs_wait(id, &seen, 1) == EXO_ETIMEDOUT);
    CHECK(rs_kill_service(id) == EXO_OK);
    CHECK(rs_wait(id, &seen, EXO_FOREVER) == EXO_OK);
    CHECK(comes_to(id, EXO_SERVICE_RUNNING, 2));
    CHECK(info.cause == EXO_DESTROYED && info.recovery_ns > 0);
    CHECK(rs_restart_service(id) == EXO_OK);
    CHECK(comes_to(id, EXO_SERVICE_RUNNING, 3) && info.cause == EXO_RESTARTED);
    CHECK(rs_stop_service(id) == EXO_OK && comes_to(id, EXO_SERVICE_STOPPED, 3));
    CHECK(rs_unload_service(id) == EXO_OK && rs_start_service(id) == EXO_OK);
    CHECK(comes_to(id, EXO_SERVICE_RUNNING, 4) && info.loaded);
    removed(id);
    end();
}

static void the_example_of_the_header(void)
{
    begin("the driver of rs.h's example finds its capabilities");
    uint32_t driver;

    CHECK(rs_register_service("owner", OWNER, RS_POLICY_ON_FAILURE, &driver) == EXO_OK);
    CHECK(rs_start_service(driver) == EXO_OK);
    CHECK(comes_to(driver, EXO_SERVICE_STOPPED, 3));
    CHECK(info.cause == EXO_EXITED && info.status == 0);
    removed(driver);
    end();
}

/* ---- what init does ---------------------------------------------------------------------------- */

static void limits(void)
{
    begin("who crashes on start stops at the limit");
    uint32_t id = started("crasher", ODD, RS_POLICY_ALWAYS), needs = registered("needs", ODD, 0);

    CHECK(rs_add_dependency(needs, id) == EXO_OK);
    CHECK(comes_to(id, EXO_SERVICE_FAILED, 6));
    CHECK(info.lives == 6 && info.cause == EXO_CRASHED && info.fault_pc != 0);
    CHECK(info.died - info.born < 1000 * MS);
    CHECK(rs_set_limit(id, 1, 60 * 1000 * (uint64_t)MS) == EXO_OK);
    CHECK(rs_start_service(id) == EXO_OK); /* a new chance */
    CHECK(comes_to(id, EXO_SERVICE_FAILED, 8) && info.lives == 8);
    removed(needs);
    removed(id);
    end();
}

static void waits(void)
{
    begin("back-off: 100, 200, 400 ms, then it has failed");
    uint32_t id = started("slow", ODD, RS_POLICY_ALWAYS);

    CHECK(comes_to(id, EXO_SERVICE_FAILED, 4));
    CHECK(info.lives == 4);
    CHECK(info.recovery_ns >= 400 * MS);
    CHECK(info.recovery_total_ns >= 700 * MS);
    removed(id);
    end();
}

static void hangs(void)
{
    begin("a hung service counts as crashed");
    uint32_t id = started("hung", ODD, RS_POLICY_ALWAYS);

    CHECK(comes_to(id, EXO_SERVICE_RUNNING, 3));
    CHECK(info.cause == EXO_HUNG && info.period == 300 * MS);
    usleep(1000000);
    CHECK(rs_info(id, &info) == EXO_OK && info.lives <= 4); /* it gives signs of life now */
    removed(id);
    end();
}

static void repairs(void)
{
    begin("a recovery program runs between lives, and decides");
    uint32_t id = started("repaired", ODD, RS_POLICY_ALWAYS);
    uint32_t broken = started("broken", ODD, RS_POLICY_ALWAYS);
    uint32_t none = started("unrepaired", ODD, RS_POLICY_ALWAYS);

    CHECK(comes_to(id, EXO_SERVICE_RUNNING, 2));
    CHECK(info.cause == EXO_CRASHED && info.fault_address == 16);
    CHECK(comes_to(broken, EXO_SERVICE_FAILED, 1) && info.trouble == EXO_EDEAD && info.lives == 1);
    CHECK(comes_to(none, EXO_SERVICE_FAILED, 1) && info.trouble == EXO_ENOENT && info.lives == 1);
    removed(id);
    removed(broken);
    removed(none);
    end();
}

static void escalates(void)
{
    begin("failure goes on to those that need it, as the rights file says");
    uint32_t base = registered("base", ODD, RS_POLICY_ALWAYS);
    uint32_t above = registered("above", ODD, RS_POLICY_ALWAYS);
    uint32_t pillar = registered("pillar", ODD, RS_POLICY_ALWAYS);

    CHECK(rs_start_service(above) == EXO_OK && comes_to(above, EXO_SERVICE_RUNNING, 1));
    CHECK(rs_add_dependency(above, base) == EXO_OK);
    CHECK(rs_start_service(base) == EXO_OK);
    CHECK(comes_to(base, EXO_SERVICE_FAILED, 3) && info.lives == 3);
    CHECK(comes_to(above, EXO_SERVICE_STOPPED, 1) && info.cause == EXO_STOPPED);
    removed(above);
    removed(base);
    above = started("above", ODD, RS_POLICY_ALWAYS);
    CHECK(comes_to(above, EXO_SERVICE_RUNNING, 1));
    CHECK(rs_add_dependency(above, pillar) == EXO_OK);
    CHECK(rs_start_service(pillar) == EXO_OK);
    CHECK(comes_to(pillar, EXO_SERVICE_FAILED, 6) && info.lives == 6); /* one more chance */
    CHECK(rs_info(above, &info) == EXO_OK && info.cause == EXO_RESTARTED);
    removed(above);
    removed(pillar);
    end();
}

static void cannot_start(void)
{
    static const struct {
        const char *name, *path;
        int32_t trouble;
    } cases[] = {
        {"missing", "/usr/sbin/missing", EXO_ENOENT},
        {"relative", "odd", EXO_ENOENT},
        {"text", "/usr/lib/exo/rights/slow", EXO_EINVAL},
        {"greedy", ODD, EXO_ERIGHTS},
        {"unclear", ODD, EXO_EINVAL},
    };

    begin("what cannot be started says why");
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t id = started(cases[i].name, cases[i].path, RS_POLICY_ALWAYS);

        CHECK(comes_to(id, EXO_SERVICE_FAILED, 0));
        CHECK(info.trouble == cases[i].trouble && info.lives == 0);
        removed(id);
    }
    end();
}

/* ---- errors ------------------------------------------------------------------------------------ */

static void errors(void)
{
    begin("every error of rs.h");
    char name[EXO_SERVICE_NAME + 1] = "", path[EXO_SERVICE_PATH + 1] = "";
    uint32_t id = registered("one", ODD, 0), other = registered("two", ODD, 0), made = 99;

    memset(name, 'x', EXO_SERVICE_NAME);
    memset(path, '/', EXO_SERVICE_PATH);
    CHECK(rs_register_service("one", ODD, 0, &made) == EXO_EEXIST);
    CHECK(rs_register_service("", ODD, 0, &made) == EXO_EINVAL);
    CHECK(rs_register_service("x", "", 0, &made) == EXO_EINVAL);
    CHECK(rs_register_service(name, ODD, 0, &made) == EXO_EINVAL);
    CHECK(rs_register_service("x", path, 0, &made) == EXO_EINVAL);
    CHECK(rs_register_service("x", ODD, 3, &made) == EXO_EINVAL && made == 99);
    CHECK(rs_add_dependency(id, other) == EXO_OK);
    CHECK(rs_add_dependency(other, id) == EXO_EINVAL); /* a cycle */
    CHECK(rs_add_follower(id, id) == EXO_EINVAL);
    CHECK(rs_add_dependency(id, 63) == EXO_ENOENT && rs_add_dependency(63, id) == EXO_ENOENT);
    CHECK(rs_remove_service(other) == EXO_EBUSY); /* needed */
    CHECK(rs_remove_service(63) == EXO_ENOENT && rs_start_service(63) == EXO_ENOENT);
    CHECK(rs_stop_service(63) == EXO_ENOENT && rs_restart_service(64) == EXO_ENOENT);
    CHECK(rs_kill_service(EXO_SERVICE_ANY) == EXO_ENOENT);
    CHECK(rs_set_policy(id, 3) == EXO_EINVAL && rs_set_policy(63, 0) == EXO_ENOENT);
    CHECK(rs_set_limit(id, EXO_SERVICE_LIMIT_MOST + 1, 1) == EXO_EINVAL);
    CHECK(rs_set_limit(id, 1, 0) == EXO_EINVAL && rs_set_limit(63, 1, 1) == EXO_ENOENT);
    CHECK(rs_hold_service(id, 3) == EXO_EINVAL && rs_hold_service(63, 0) == EXO_ENOENT);
    CHECK(rs_set_heartbeat(63, 1) == EXO_ENOENT);
    CHECK(rs_fail_service(id, 0) == EXO_EINVAL && rs_fail_service(id, EXO_ENOENT) == EXO_EBUSY);
    CHECK(rs_fail_service(63, EXO_ENOENT) == EXO_ENOENT && rs_unload_service(63) == EXO_ENOENT);
    CHECK(rs_info(63, &info) == EXO_ENOENT && rs_wait(63, &info, 0) == EXO_ENOENT);
    CHECK(rs_info(id, (struct exo_service_info *)8) == EXO_EFAULT);
    CHECK(rs_watch(id, 0, 1) == EXO_ECAP && rs_watch(63, 0, 1) == EXO_ENOENT);
    CHECK(rs_attach(id, EXO_HANDLE(4000, 7)) == EXO_ECAP && rs_attach(63, 0) == EXO_ENOENT);
    CHECK(rs_attach(id, 0) == EXO_EINVAL); /* itself */
    CHECK(rs_start_service(id) == EXO_OK && comes_to(id, EXO_SERVICE_RUNNING, 1));
    CHECK(rs_remove_service(id) == EXO_EBUSY && rs_unload_service(id) == EXO_EBUSY);
    removed(id);
    removed(other);
    CHECK(rs_checkpoint() == EXO_EINVAL && rs_heartbeat(EXO_FOREVER) == EXO_EINVAL);
    CHECK(rs_preserve(1, 1) == EXO_EINVAL && rs_preserve(0x1000, 1) == EXO_ENOENT);
    CHECK(rs_keep(EXO_HANDLE(4000, 7)) == EXO_ECAP);
    rs_use(EXO_HANDLE(4000, 7));
    CHECK(rs_start_service(0) == EXO_ECAP);
    rs_use(EXO_CAP_ENV);
    CHECK(rs_start_service(0) == EXO_ETYPE);
    rs_use(0);
    CHECK(rs_info(0, &info) == EXO_OK);
    end();
}

static void full_table(void)
{
    begin("the table is full with 64");
    uint32_t ids[EXO_SERVICES], count = 0;
    char name[16];
    int64_t st = EXO_OK;

    while (count < EXO_SERVICES && st == EXO_OK) {
        snprintf(name, sizeof name, "n%u", count);
        if ((st = rs_register_service(name, ODD, 0, &ids[count])) == EXO_OK)
            count++;
    }
    CHECK(st == EXO_EOBJECTS && count > 32);
    while (count-- > 0)
        CHECK(rs_remove_service(ids[count]) == EXO_OK);
    end();
}

static void others_look_only(void)
{
    begin("who is not root looks only");
    pid_t pid = fork();
    int status = 1;

    if (pid == 0) {
        rs_use(0);
        if (setuid(1000) != 0 || rs_info(0, &info) != EXO_OK ||
            rs_register_service("x", ODD, 0, &(uint32_t){0}) != EXO_ERIGHTS ||
            rs_start_service(0) != EXO_ERIGHTS || rs_kill_service(0) != EXO_ERIGHTS)
            _exit(1);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid && status == 0);
    end();
}

int main(int argc, char **argv)
{
    uint32_t id;

    if (argc == 4 && strcmp(argv[1], "register") == 0)
        return rs_register_service(argv[2], argv[3], RS_POLICY_ALWAYS, &id) != EXO_OK;
    a_service_comes_back();
    the_example_of_the_header();
    limits();
    waits();
    hangs();
    repairs();
    escalates();
    cannot_start();
    errors();
    full_table();
    others_look_only();
    return finish();
}
