/* SPDX-License-Identifier: MIT */
// links: lib/undo.c
/*
 * The undo log, with death at every step of it, and once more with death after every instruction:
 * a child process that runs the request is single-stepped, and after each instruction its arena, which
 * is shared with us, is recovered (in a copy) and looked at.
 */
#define _DEFAULT_SOURCE 1 /* kill, MAP_ANONYMOUS */
#include "test_framework.h"

#include <lib/undo.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOG_BYTES 1024u

struct state {
    uint8_t byte;
    uint32_t word;
    uint64_t balance[4];
    char text[23];
    uint8_t free_space[8];
};

struct arena {
    struct undo log;
    uint8_t entries[LOG_BYTES - sizeof(struct undo)];
    struct state state;
};

static struct arena *arena; /* shared with the child that is stepped */

static void arena_make(void)
{
    memset(arena, 0, sizeof *arena);
    undo_init(&arena->log, LOG_BYTES);
    arena->state = (struct state){.byte = 1, .word = 2, .balance = {3, 4, 5, 6}, .text = "before"};
}

static void change(void)
{
    struct undo *log = &arena->log;
    struct state *s = &arena->state;

    UNDO_SET(log, s->byte, 10);
    undo_save(log, s->balance, sizeof s->balance);
    for (unsigned i = 0; i < 4; i++)
        s->balance[i] += 100;
    UNDO_SET(log, s->word, s->word + 20);
    undo_save(log, s->text, sizeof s->text);
    strcpy(s->text, "after, and longer");
    UNDO_SET(log, s->byte, 11); /* again */
}

static void request(void)
{
    change();
    undo_commit(&arena->log);
}

/* ---- death at the n-th step ---------------------------------------------------------------------- */

static unsigned steps_left; /* 0: for ever */
static jmp_buf death;

void undo_step(void)
{
    if (steps_left != 0 && --steps_left == 0)
        longjmp(death, 1);
}

/* Runs it, dying at step n. False: it ended before. */
static bool dies(void (*run)(void), unsigned n)
{
    steps_left = n;
    if (setjmp(death) != 0)
        return true;
    run();
    steps_left = 0;
    return false;
}

static void recover(void)
{
    undo_recover(&arena->log);
}

static bool same(const struct state *a, const struct state *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

static void test_every_step(void)
{
    TEST_BEGIN("death at any step of a request, and at any step of each recovery")
    struct state before, after;

    arena_make();
    before = arena->state;
    request();
    after = arena->state;
    unsigned n;
    for (n = 1;; n++) {
        arena_make();
        if (!dies(request, n))
            break;
        bool committed = arena->log.used == 0 && same(&arena->state, &after);
        struct arena dead = *arena;
        for (unsigned k = 1;; k++) {
            bool again;

            *arena = dead;
            again = dies(recover, k);
            while (again && dies(recover, 1)) { /* and it dies at each further start */
                if (arena->log.used == 0)
                    break;
                dies(recover, 2);
            }
            recover();
            ASSERT_EQ(arena->log.used, 0);
            ASSERT_TRUE(same(&arena->state, committed ? &after : &before));
            if (!again)
                break;
        }
    }
    ASSERT_GT(n, 12);
    TEST_END();
}

/* ---- death after every instruction --------------------------------------------------------------- */

/* The child: stops itself, does the request, ends. */
static pid_t child_start(void)
{
    pid_t child = fork();

    if (child == 0) {
        if (ptrace(PTRACE_TRACEME, 0, 0, 0) != 0)
            _exit(1);
        raise(SIGSTOP);
        request();
        raise(SIGSTOP); /* where we stop looking */
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

static void test_every_instruction(void)
{
    TEST_BEGIN("death after any instruction of a request")
    struct state before, after;
    unsigned steps = 0, taken_back = 0, done = 0;
    int status;

    arena_make();
    before = arena->state;
    request();
    after = arena->state;
    arena_make();
    pid_t child = child_start();
    ASSERT_EQ(waitpid(child, &status, 0), child);
    if (!WIFSTOPPED(status)) {
        printf("# skipped: this machine does not let a process trace its child\n");
    } else {
        struct arena alive;

        while (child_step(child)) {
            alive = *arena;
            undo_recover(&arena->log);
            bool old = same(&arena->state, &before), new = same(&arena->state, &after);
            *arena = alive;
            ASSERT_TRUE(old || new);
            ASSERT_TRUE(!(old && done)); /* never back */
            taken_back += old;
            done += new;
            steps++;
        }
        kill(child, SIGKILL);
        waitpid(child, &status, 0);
        ASSERT_GT(taken_back, 100);
        ASSERT_GT(done, 0);
        printf("# %u instructions\n", steps);
    }
    TEST_END();
}

/* ---- the rest ------------------------------------------------------------------------------------ */

static void test_uncovered(void)
{
    TEST_BEGIN("a change that was not saved is found")
    struct arena before;

    arena_make();
    before = *arena;
    request();
    ASSERT_EQ(undo_uncovered(&arena->log, &before, 0, sizeof *arena), sizeof *arena);

    arena_make();
    change();
    arena->state.free_space[3] = 1;
    arena->state.balance[2]++; /* saved: no matter when it changes */
    undo_commit(&arena->log);
    size_t missed = offsetof(struct arena, state.free_space) + 3;
    ASSERT_EQ(undo_uncovered(&arena->log, &before, 0, sizeof *arena), missed);
    ASSERT_EQ(undo_uncovered(&arena->log, &before, missed + 1, sizeof *arena), sizeof *arena);
    TEST_END();

    TEST_BEGIN("a request that gives up leaves what was")
    struct state old;

    arena_make();
    old = arena->state;
    change();
    ASSERT_TRUE(undo_pending(&arena->log));
    undo_recover(&arena->log);
    ASSERT_FALSE(undo_pending(&arena->log));
    ASSERT_TRUE(same(&arena->state, &old));
    TEST_END();

    TEST_BEGIN("the log's room is what its head says")
    arena_make();
    uint64_t room = arena->log.room;
    ASSERT_EQ(room, LOG_BYTES - sizeof(struct undo));
    ASSERT_TRUE(undo_room(&arena->log, room));
    ASSERT_FALSE(undo_room(&arena->log, room + 1));
    UNDO_SET(&arena->log, arena->state.byte, 3);
    ASSERT_TRUE(undo_room(&arena->log, room - UNDO_COST(1)));
    ASSERT_FALSE(undo_room(&arena->log, room - UNDO_COST(1) + 1));
    TEST_END();

    TEST_BEGIN("a save beyond the end takes everything back and traps")
    arena_make();
    struct state old = arena->state;
    int status;
    pid_t child = fork();
    if (child == 0) {
        signal(SIGTRAP, SIG_DFL);
        signal(SIGILL, SIG_DFL);
        for (;;)
            UNDO_SET(&arena->log, arena->state.word, arena->state.word + 1);
    }
    ASSERT_EQ(waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFSIGNALED(status) || WEXITSTATUS(status) != 0);
    ASSERT_FALSE(undo_pending(&arena->log));
    ASSERT_TRUE(same(&arena->state, &old));
    TEST_END();
}

int main(void)
{
    arena = mmap(NULL, sizeof *arena, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (arena == MAP_FAILED)
        return 1;
    test_every_step();
    test_every_instruction();
    test_uncovered();
}
