/* SPDX-License-Identifier: MIT */
// links: lib/undo.c
/*
 * The undo log, with death at every step of it, and once more with death after every instruction:
 * a child process that runs the request is single-stepped, and after each instruction we look what its
 * kept memory would be after a recovery.
 */
#define _DEFAULT_SOURCE 1 /* kill */
#include "test_framework.h"

#include "death.h"
#include <lib/undo.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

KEPT static struct state {
    uint8_t byte;
    uint32_t word;
    uint64_t balance[4];
    char text[24];
    uint64_t rest;
} state;

static void begin(void)
{
    undo_begin();
    state = (struct state){.byte = 1, .word = 2, .balance = {3, 4, 5, 6}, .text = "before"};
}

static void change(void)
{
    SET(state.byte, 10);
    undo_save(state.balance, sizeof state.balance);
    for (unsigned i = 0; i < 4; i++)
        state.balance[i] += 100;
    SET(state.word, state.word + 20);
    undo_save(state.text, sizeof state.text);
    strcpy(state.text, "after, and longer");
    SET(state.byte, 11); /* again */
}

static void request(void)
{
    change();
    undo_commit();
}

static bool same(const struct state *a, const struct state *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static void test_every_step(void)
{
    TEST_BEGIN("death at any step of a request, and at any step of each recovery")
    struct state before, after;
    unsigned n, taken_back = 0;

    begin();
    before = state;
    request();
    after = state;
    for (n = 1; begin(), dies(request, n); n++) {
        bool done = undo_is_empty() && same(&state, &after);
        uint64_t *dead = kept_copy();
        unsigned k = 1;

        while (dies(undo_recover, k)) {
            dies(undo_recover, 2); /* and the next life dies early as well */
            undo_recover();
            ASSERT_TRUE(undo_is_empty());
            ASSERT_TRUE(same(&state, done ? &after : &before));
            kept_restore(dead);
            k++;
        }
        ASSERT_TRUE(same(&state, done ? &after : &before));
        taken_back += !done;
        free(dead);
    }
    ASSERT_GT(taken_back, 10);
    ASSERT_GT(n, taken_back + 1);
    TEST_END();
}

/* ---- death after every instruction --------------------------------------------------------------- */

/* The child: stops itself, does the request, stops again. */
static pid_t child_start(void)
{
    pid_t child = fork();

    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0)
            _exit(1);
        raise(SIGSTOP);
        request();
        raise(SIGSTOP);
        _exit(0);
    }
    return child;
}

/* One instruction on. False: the child is at its end. */
static bool child_step(pid_t child)
{
    int status;

    if (ptrace(PTRACE_SINGLESTEP, child, 0, 0) != 0 || waitpid(child, &status, 0) != child)
        return false;
    return WIFSTOPPED(status) && WSTOPSIG(status) == SIGTRAP;
}

static void peek(pid_t child, void *at, size_t bytes)
{
    for (uintptr_t a = (uintptr_t)at & ~(uintptr_t)7; a < (uintptr_t)at + bytes; a += 8) {
        long word = ptrace(PTRACE_PEEKDATA, child, a, 0);

        memcpy((void *)a, &word, sizeof word);
    }
}

/* Makes the child's kept memory ours. */
static void child_look(pid_t child)
{
    peek(child, &undo_log.next, sizeof undo_log.next);
    peek(child, undo_log.entries,
         (size_t)(undo_log.next - undo_log.entries) * sizeof undo_log.entries[0]);
    peek(child, &state, sizeof state);
}

static void test_every_instruction(void)
{
    TEST_BEGIN("death after any instruction of a request")
    struct state before, after;
    unsigned taken_back = 0, done = 0;
    int status;

    begin();
    before = state;
    request();
    after = state;
    begin();
    pid_t child = child_start();
    ASSERT_EQ(waitpid(child, &status, 0), child);
    if (!WIFSTOPPED(status)) {
        printf("# skipped: this machine does not let a process trace its child\n");
    } else {
        while (child_step(child)) {
            child_look(child);
            undo_recover();
            bool old = same(&state, &before), new = same(&state, &after);
            ASSERT_TRUE(old || new);
            ASSERT_FALSE(old && done); /* never back */
            taken_back += old;
            done += new;
        }
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        ASSERT_GT(taken_back, 100);
        ASSERT_GT(done, 0);
    }
    TEST_END();
}

/* ---- the rest ------------------------------------------------------------------------------------ */

static void test_rest(void)
{
    TEST_BEGIN("a change that was not saved is found")
    begin();
    uint64_t *before = kept_copy();
    change();
    ASSERT_NULL(kept_unsaved(before, NULL));
    state.rest = 1;
    ASSERT_NOT_NULL(kept_unsaved(before, NULL));
    free(before);
    TEST_END();

    TEST_BEGIN("a request that gives up leaves what was")
    begin();
    struct state old = state;
    change();
    ASSERT_FALSE(undo_is_empty());
    undo_recover();
    ASSERT_TRUE(undo_is_empty());
    ASSERT_TRUE(same(&state, &old));
    TEST_END();

    TEST_BEGIN("a transaction without end ends the program, and is taken back")
    int status;
    begin();
    pid_t child = fork();
    if (child == 0) {
        signal(SIGTRAP, SIG_DFL);
        signal(SIGILL, SIG_DFL);
        for (unsigned i = 0; i < UNDO_ENTRIES + 1; i++)
            SET(state.word, i);
        _exit(0);
    }
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
    TEST_END();
}

int main(void)
{
    test_every_step();
    test_every_instruction();
    test_rest();
}
