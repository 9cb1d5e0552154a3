/* SPDX-License-Identifier: MIT */
/*
 * proc dies at every step of every kind of request, once more at some step of its recovery, and the
 * caller asks again: in the end everything is as if nothing had happened, and each signal was sent once.
 */
// links: servers/proc/table.c servers/proc/jobs.c servers/proc/wait.c
// links: servers/proc/life.c servers/proc/signal.c servers/proc/credentials.c
// links: servers/proc/after.c lib/answers.c lib/undo.c
/* Before the host's headers, which know some of the names as well. */
#include <lib/linux/errno.h>
#include <lib/linux/signal.h>

#include "test_framework.h"

#include "proc_fake.h"

#define SLOTS 12u /* that the tests use */

/* ---- a small world ------------------------------------------------------------------------------- */

/* init -- sh (leads the session) -- a (leads a group) -- c, d (in it; d is stopped)
 *                                -- b (has ended)
 *                                -- v (a vfork context in sh) */
static uint32_t sh, a, b, c, d, v;

static void world_make(void)
{
    fake_reset();
    sh = born(INIT_SLOT, false, true);
    a = born(sh, false, false);
    jobs_setpgid(sh, entries[a].pid, 0);
    b = born(sh, false, false);
    v = born(sh, true, false);
    c = born(a, false, false);
    d = born(a, false, false);
    jobs_set_tty(processes[sh].session, 3);
    SET(sessions[processes[sh].session].foreground, entries[a].pid);
    life_end(b, STATUS_EXITED(9));
    signal_stop(d, SIGTSTP);
    settle();
}

/* What processes and init do meanwhile: take what came, and count it. */
static unsigned taken[SLOTS][65];
static void take_signals(void)
{
    for (uint32_t slot = 1; slot < SLOTS; slot++) {
        struct proc_shared *s = &fake_kernel[slot].shared;

        for (int signo = 1; signo <= 64; signo++) {
            uint64_t bit = SIGNAL_BIT(signo);

            if (!(s->pending & bit))
                continue;
            atomic_store(&s->seen[signo], s->posted[signo]); /* as libos/posix/signal.c */
            s->pending &= ~bit;
            taken[slot][signo]++;
        }
        for (; s->head != s->tail; s->head++)
            taken[slot][s->queue[s->head % PROC_SIGQUEUE].signo]++;
    }
}

/* ---- requests ------------------------------------------------------------------------------------ */

static struct wait_result waited;

static void do_fork(void)
{
    const struct body body = {.env = 1, .thread = 2, .base = 4};

    life_fork(a, &body, SIGCHLD, false);
}
static void do_vfork(void)
{
    const struct body body = {.env = 1, .thread = 2, .base = 4, .context = true};

    life_fork(a, &body, SIGCHLD, false);
}
static void do_boot(void)
{
    const struct body body = {.env = 1, .thread = 2, .base = 4};

    life_fork(INIT_SLOT, &body, SIGCHLD, true);
}
static void do_start(void)
{
    life_start(sh, entries[v].pid);
}
static void do_move(void)
{
    const struct body body = {.env = 3, .thread = 4, .base = 4};

    life_move(v, &body);
}
static void do_exec(void)
{
    life_exec(a);
}
static void do_exit_leaf(void)
{
    life_end(c, STATUS_EXITED(5));
}
static void do_exit_parent(void)
{
    life_end(a, STATUS_KILLED(SIGSEGV));
}
static void do_exit_leader(void)
{
    life_end(sh, STATUS_EXITED(1));
}
static void do_wait(void)
{
    if (wait_for(sh, -1, WEXITED, &waited) == 1)
        life_reap(waited.reaped);
}
static void do_kill_one(void)
{
    signal_kill(sh, entries[c].pid, SIGUSR1, 0, 0);
}
static void do_kill_queue(void)
{
    signal_kill(sh, entries[c].pid, 40, SI_QUEUE, 7);
    signal_kill(sh, entries[c].pid, 40, SI_QUEUE, 8);
}
static void do_kill_thread(void)
{
    signal_kill_thread(sh, entries[c].pid, SIGUSR1, 0, 0);
    signal_kill_thread(sh, entries[c].pid, 40, SI_QUEUE, 9);
}
static void do_kill_group(void)
{
    signal_kill(sh, -entries[a].pid, SIGTERM, 0, 0);
}
static void do_kill_group_hard(void)
{
    signal_kill(sh, -entries[a].pid, SIGKILL, 0, 0);
}
static void do_kill_all(void)
{
    signal_kill(sh, -1, SIGHUP, 0, 0);
}
static void do_stop(void)
{
    life_stop(c, STATUS_STOPPED(SIGTSTP), 1);
}
static void do_continue(void)
{
    signal_kill(sh, -entries[a].pid, SIGCONT, 0, 0);
}
static void do_setpgid(void)
{
    jobs_setpgid(a, entries[c].pid, 0);
}
static void do_setsid(void)
{
    jobs_setsid(c);
}
static void do_crash(void)
{
    fake_kernel[c].dead = true;
    life_check(0, 1);
}
static void do_init_signals(void)
{
    signal_kill(sh, 1, SIGTERM, 0, 0);
    signal_take_init();
}

/* ---- death --------------------------------------------------------------------------------------- */

struct world {
    uint64_t *kept;
    struct proc_entry published[SLOTS];
    struct fake kernel[SLOTS];
    unsigned told_init, told_tty;
    unsigned taken[SLOTS][65];
};

/* `kept`: memory for that part, from an earlier copy, or NULL. */
static struct world world_copy(uint64_t *kept)
{
    struct world w = {.kept = kept, .told_init = told_init, .told_tty = told_tty};

    if (kept)
        kept_words(kept, (const uint64_t *)(void *)__start_kept);
    else
        w.kept = kept_copy();
    memcpy(w.published, published, sizeof w.published);
    memcpy(w.kernel, fake_kernel, sizeof w.kernel);
    memcpy(w.taken, taken, sizeof w.taken);
    return w;
}

static void world_restore(const struct world *w)
{
    kept_restore(w->kept);
    memcpy(published, w->published, sizeof w->published);
    memcpy(fake_kernel, w->kernel, sizeof w->kernel);
    memcpy(taken, w->taken, sizeof w->taken);
    told_init = w->told_init;
    told_tty = w->told_tty;
}

/* What may be more often than without a death: being told to look. */
static void world_level(struct world *w)
{
    w->told_init = w->told_init != 0;
    w->told_tty = w->told_tty != 0;
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        w->published[slot].sequence = 0;
        w->kernel[slot].releases = w->kernel[slot].releases != 0;
        w->kernel[slot].shared.child_events = w->kernel[slot].shared.child_events != 0;
        memset(w->kernel[slot].shared.posted, 0, sizeof w->kernel[slot].shared.posted);
        memset(w->kernel[slot].shared.seen, 0, sizeof w->kernel[slot].shared.seen);
    }
}

KEPT static uint64_t answered; /* as request.c does with lib/answers */
static void (*request)(void);
static const struct world *then;
static const char *unsaved;

static bool is_in(const uint64_t *word, const void *start, size_t bytes)
{
    return (uintptr_t)word - (uintptr_t)start < bytes;
}

static bool after_owns(const uint64_t *word)
{
    size_t bytes;
    const void *notes = after_notes(&bytes);

    return is_in(word, notes, bytes);
}

/* A slot that is free has nothing to be saved but that it is. */
static bool free_in(const struct world *w, const uint64_t *word)
{
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        if (is_in(word, &processes[slot], sizeof processes[slot]) ||
            is_in(word, &published[slot], sizeof published[slot]))
            return w->published[slot].state == PROC_FREE;
    }
    return false;
}

static void check_saved(void)
{
    const uint64_t *now = (const uint64_t *)(const void *)published;
    const uint64_t *old = (const uint64_t *)(const void *)then->published;

    for (uint64_t *at = kept_unsaved(then->kept, NULL); at; at = kept_unsaved(then->kept, at + 1)) {
        if (!free_in(then, at) && !after_owns(at))
            unsaved = "a kept word";
    }
    for (size_t i = 0; i < sizeof then->published / 8; i++) {
        bool sequence = i % (sizeof published[0] / 8) == 0;

        if (now[i] != old[i] && !sequence && !word_saved(&now[i]) && !free_in(then, &now[i]))
            unsaved = "a published word";
    }
    for (const struct undo_entry *e = undo_log.entries; e < undo_log.next; e++) {
        if (!is_in(e->at, __start_kept, KEPT_BYTES) && !is_in(e->at, published, sizeof published))
            unsaved = "saved a word that is not kept";
    }
}

static bool checking;
static void serve(void)
{
    request();
    SET(answered, 1);
    if (checking)
        check_saved();
    settle();
}

static void live(void)
{
    table_recover(published);
    after_run();
}

/* Standard signals do not queue, so how many arrive depends on when the process looks. */
static unsigned most[SLOTS][65];

/* Everything that is not as it must be. */
static const char *difference(const struct world *got, const struct world *want)
{
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        if (want->published[slot].state != PROC_FREE &&
            memcmp(&got->published[slot], &want->published[slot], sizeof got->published[slot]) != 0)
            return "the published table";
        if (got->published[slot].state != want->published[slot].state)
            return "a state";
    }
    for (unsigned i = 0; i < SLOTS * 65; i++) {
        if (got->taken[i / 65][i % 65] < want->taken[i / 65][i % 65] ||
            got->taken[i / 65][i % 65] > most[i / 65][i % 65])
            return "what signals were taken";
    }
    if (memcmp(got->kernel, want->kernel, sizeof got->kernel) != 0)
        return "environments";
    if (got->told_init != want->told_init || got->told_tty != want->told_tty)
        return "who was told";
    return NULL;
}

static bool seqs_even(void)
{
    for (uint32_t slot = 0; slot < SLOTS; slot++) {
        if (published[slot].sequence & 1)
            return false;
    }
    return true;
}

/* Lists, counts and hash chains, by the words of the kept state. */
static bool kept_same(const struct world *want)
{
    for (uint64_t *at = kept_differs(want->kept, NULL); at; at = kept_differs(want->kept, at + 1)) {
        if (!after_owns(at) && !free_in(want, at))
            return false;
    }
    return true;
}

static void test_request(const char *name, void (*what)(void))
{
    const char *wrong = NULL;
    unsigned n;

    TEST_BEGIN(name)
    request = what;
    memset(taken, 0, sizeof taken);
    memset(fake_kernel, 0, sizeof fake_kernel);
    answered = 0;
    world_make();
    take_signals();
    memset(taken, 0, sizeof taken);
    struct world before = world_copy(NULL), end = world_copy(NULL);
    then = &before;
    checking = true;
    unsaved = NULL;
    serve();
    checking = false;
    if (unsaved)
        printf("# %s\n", unsaved);
    ASSERT_NULL(unsaved);
    take_signals();
    struct world after = world_copy(NULL);
    world_level(&after);
    world_restore(&before);
    meanwhile = take_signals;
    serve();
    meanwhile = NULL;
    take_signals();
    memcpy(most, taken, sizeof most);
    for (n = 1; !wrong; n++) {
        world_restore(&before);
        if (!dies(serve, n))
            break;
        take_signals(); /* the processes do not wait for proc */
        if (dies(live, 1 + n % 7))
            live();
        if (!seqs_even())
            wrong = "a sequence";
        if (!answered) /* the caller asks again */
            serve();
        take_signals();
        end = world_copy(end.kept);
        world_level(&end);
        if (!wrong)
            wrong = difference(&end, &after);
        if (!wrong && !kept_same(&after))
            wrong = "the kept state";
    }
    if (wrong)
        printf("# death at step %u: %s is different\n", n - 1, wrong);
    ASSERT_NULL(wrong);
    printf("# %u steps\n", n - 1);
    free(before.kept);
    free(after.kept);
    free(end.kept);
    TEST_END();
}

int main(void)
{
    test_request("fork", do_fork);
    test_request("vfork", do_vfork);
    test_request("boot", do_boot);
    test_request("start", do_start);
    test_request("move", do_move);
    test_request("exec", do_exec);
    test_request("exit of a leaf", do_exit_leaf);
    test_request("exit of a parent of a stopped child", do_exit_parent);
    test_request("exit of a session's leader", do_exit_leader);
    test_request("wait", do_wait);
    test_request("kill", do_kill_one);
    test_request("queued signals", do_kill_queue);
    test_request("signals for a thread", do_kill_thread);
    test_request("kill of a group", do_kill_group);
    test_request("SIGKILL of a group", do_kill_group_hard);
    test_request("kill of all", do_kill_all);
    test_request("stop", do_stop);
    test_request("continue", do_continue);
    test_request("setpgid", do_setpgid);
    test_request("setsid", do_setsid);
    test_request("an environment that dies by itself", do_crash);
    test_request("a signal for init, and its taking", do_init_signals);
}
