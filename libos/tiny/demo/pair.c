/* SPDX-License-Identifier: MIT */
/*
 * Two environments, an endpoint and a shared page. The second one serves: it turns text in the page
 * into capitals when called, and on request it writes where it may not. The first one sees the work
 * done, and then the death: its call fails, and the record says at which address.
 */
#include <lib/string.h>
#include <libos/exo/ipc.h>
#include <libos/exo/log.h>
#include <libos/tiny/tiny.h>

#define PAGE_VA 0x0000300000000000u
#define SERVICE EXO_WELL_KNOWN(4) /* the endpoint, in the twin's table */
#define ROUNDS  1000u
#define WILD_VA 0x1000u

enum { CAPITALS = 1, CRASH };

static void serve(uint64_t argument)
{
    struct exo_message m = {.tag = EXO_NO_REPLY};
    char *text = (char *)PAGE_VA;

    (void)argument;
    for (;;) {
        int64_t tag = exo_reply_wait(SERVICE, &m);
        uint64_t changed = 0;

        if (tag < 0)
            return;
        if (EXO_TAG_LABEL(tag) == CRASH)
            *(volatile char *)WILD_VA = 1;
        for (char *c = text; *c != '\0'; c++) {
            changed += *c >= 'a' && *c <= 'z';
            *c = *c >= 'a' && *c <= 'z' ? (char)(*c - 'a' + 'A') : *c;
        }
        m = ipc_message(0, changed, 0, 0, 0);
    }
}

static bool serves_well(exo_cap endpoint)
{
    static const char lower[] = "no page is copied", upper[] = "NO PAGE IS COPIED";
    char *text = (char *)PAGE_VA;

    for (unsigned i = 0; i < ROUNDS; i++) {
        struct exo_message m = ipc_message(CAPITALS, 0, 0, 0, 0);

        memcpy(text, lower, sizeof lower);
        if (ipc_call(endpoint, &m) != 14 || memcmp(text, upper, sizeof upper) != 0)
            return false;
    }
    return true;
}

static bool dies_in_public(exo_cap endpoint, const struct tiny_twin *twin)
{
    struct exo_message m = ipc_message(CRASH, 0, 0, 0, 0);
    struct exo_env_info info;

    if (exo_call(endpoint, &m) != EXO_EDEAD || tiny_twin_wait(twin, &info) != EXO_OK)
        return false;
    return info.cause == EXO_CRASHED && info.fault_address == WILD_VA &&
           info.fault_kind == EXO_UP_PAGE;
}

static int64_t share_page(const struct tiny_twin *twin)
{
    int64_t region = exo_region_create(0, 1, 1);
    int64_t result;

    if (region < 0)
        return region;
    result = exo_map(0, PAGE_VA, 1, (exo_cap)region, 0, EXO_MAP_READ | EXO_MAP_WRITE);
    if (result != EXO_OK)
        return result;
    return exo_map(twin->env, PAGE_VA, 1, (exo_cap)region, 0, EXO_MAP_READ | EXO_MAP_WRITE);
}

static int program(void)
{
    struct tiny_twin twin;
    int64_t endpoint = exo_endpoint_create(0);

    if (endpoint < 0 || tiny_twin_make(&twin) != EXO_OK || share_page(&twin) != EXO_OK ||
        tiny_twin_give(&twin, SERVICE, (exo_cap)endpoint, EXO_R_RECV) != EXO_OK ||
        tiny_twin_run(&twin, serve, 0) != EXO_OK) {
        log_line("could not make the pair");
        return 2;
    }
    bool served = serves_well((exo_cap)endpoint);
    bool died = dies_in_public((exo_cap)endpoint, &twin);
    log_line("%u calls %s, death %s", ROUNDS, served ? "served" : "not served",
             died ? "seen" : "not seen");
    tiny_twin_end(&twin);
    return !(served && died);
}

int main(void)
{
    return tiny_run(program);
}
