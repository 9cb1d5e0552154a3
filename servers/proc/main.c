/* SPDX-License-Identifier: MIT */
/*
 * proc, the server of process identity: who is whose child, who may signal whom, who has died.
 *
 * One thread, one loop: a call comes, is served without waiting, and answered while waiting for the
 * next. Deaths of environments arrive as event bits. Policy is in table.c, jobs.c, wait.c, signal.c,
 * life.c and credentials.c, which make no kernel calls; port.c makes them all.
 */
#include "servers/proc/after.h"
#include "servers/proc/life.h"
#include "servers/proc/port_own.h"
#include "servers/proc/request.h"
#include "servers/proc/table.h"
#include <lib/answers.h>
#include <libos/exo/kept.h>
#include <libos/exo/log.h>

#define TABLE_VA    0x0000300100000000u
#define TABLE_PAGES (PROC_MAX * sizeof(struct proc_entry) / EXO_PAGE_SIZE)

/* Each bit stands for the slots that leave it as remainder. Our own destroying of an environment
 * raises it too, so most looks find nothing; there are few slots to look at. */
static void serve_deaths(uint32_t bits)
{
    for (uint32_t bit = 0; bit < DEATH_BITS; bit++) {
        if (bits & 1u << bit)
            life_check(bit, DEATH_BITS);
    }
    undo_commit();
    after_run();
}

/* Events raised while a call was served are looked at here, which saves a round through the kernel. */
static void serve_pending(void)
{
    struct exo_utcb *utcb = exo_utcb();

    if (atomic_load_explicit(&utcb->pending, memory_order_relaxed) != 0)
        serve_deaths(atomic_exchange(&utcb->pending, 0));
}

/* A process takes some sixty frames before it has done anything, of the third of the machine that
 * processes have. */
#define FRAMES_A_PROCESS 288u
#define PROCESSES_LEAST  96u

static uint32_t process_limit(void)
{
    uint64_t fit = exo_view()->frames_total / FRAMES_A_PROCESS;

    return fit < PROCESSES_LEAST ? PROCESSES_LEAST : fit > PROC_MAX ? PROC_MAX : (uint32_t)fit;
}

KEPT static bool founded; /* pid 1 is there: the first life, or one of the first, got so far */

static int64_t found(void)
{
    int64_t st;

    port_sweep();
    if ((st = port_init()) < 0)
        return st;
    table_init((struct proc_entry *)TABLE_VA);
    SET(founded, true);
    undo_commit();
    return 0;
}

/* Environments that died meanwhile have raised bits at nobody. */
static int64_t go_on(void)
{
    int64_t st = port_recover();

    if (st < 0)
        return st;
    after_run();
    life_check(0, 1);
    undo_commit();
    after_run();
    return 0;
}

static int64_t begin(void)
{
    int64_t st = exo_map(0, TABLE_VA, TABLE_PAGES, EXO_SRV_TABLE, 0, EXO_MAP_READ | EXO_MAP_WRITE);

    kept_begin();
    if (undo_log.next == NULL)
        undo_begin();
    if (st < 0)
        return st;
    table_recover((struct proc_entry *)TABLE_VA);
    answers_recover(rs_life()->served, exo_utcb()->badge);
    kept_served();
    return founded ? go_on() : found();
}

int main(void)
{
    struct exo_message m = {.tag = EXO_NO_REPLY};
    int64_t st = begin();

    if (st < 0) {
        log_line("cannot start: %s", exo_error_text(st));
        return 1;
    }
    table_process_limit = process_limit();
    exo_utcb()->recv_caps = 3;
    for (;;) {
        int64_t tag = exo_reply_wait(EXO_SRV_ENDPOINT, &m);

        if (tag < 0) {
            log_line("reply_wait: %s", exo_error_text(tag));
            return 1;
        }
        answers_begin();
        if (EXO_TAG_LABEL(tag) == EXO_LABEL_EVENT) {
            serve_deaths((uint32_t)m.w[0]);
            m.tag = EXO_NO_REPLY;
            continue;
        }
        request_serve(&m);
        serve_pending();
    }
}
