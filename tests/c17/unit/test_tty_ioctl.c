/* SPDX-License-Identifier: MIT */
/* Requests on terminals, with job control that says what the test wants. */
// links: servers/tty/ioctl.c servers/tty/discipline.c servers/tty/editing.c servers/tty/output.c lib/undo.c
#include <lib/linux/errno.h>
#include <lib/linux/signal.h>

#include "test_framework.h"

#include "servers/tty/terminal.h"

/* ---- the rest of tty ----------------------------------------------------------------------------- */

static int64_t check_result;
static int last_signal;
static struct caller asking = {.slot = 5, .pid = 7, .pgid = 7, .sid = 7, .tty = TTY_PTS};

int64_t job_check(struct terminal *t, uint64_t word, int32_t signo)
{
    (void)t, (void)word, (void)signo;
    return check_result;
}
void job_signal_foreground(struct terminal *t, int32_t signo)
{
    (void)t;
    last_signal = signo;
}
int64_t job_set_foreground(struct terminal *t, const struct caller *c, int64_t pgid)
{
    (void)c;
    t->foreground = (int32_t)pgid;
    return 0;
}
int64_t job_give_up(struct terminal *t, const struct caller *c)
{
    (void)t, (void)c;
    return 0;
}
int64_t open_peer(struct request *r, struct terminal *t, uint64_t flags)
{
    (void)r, (void)t, (void)flags;
    return 0;
}
void terminal_hangup(struct terminal *t)
{
    t->epoch++;
}
bool caller_find(uint64_t slot, struct caller *out)
{
    *out = asking;
    return slot == asking.slot;
}

/* ---- asking ---------------------------------------------------------------------------------------- */

static struct terminal pty;
static struct end slave = {.terminal = &pty}, master = {.terminal = &pty, .is_master = true};
static uint8_t out[256];
static uint32_t out_bytes;

static int64_t ask(struct end *e, uint32_t request, uint64_t argument, const void *in,
                   uint32_t bytes)
{
    struct request r = {.w = {request, argument, 0, 5}, .data = in, .bytes = bytes, .out = out};
    int64_t result = ioctl_serve(&r, e);

    out_bytes = r.out_bytes;
    return result;
}

static int32_t number(void)
{
    int32_t n;

    memcpy(&n, out, sizeof n);
    return out_bytes == sizeof n ? n : -99;
}

static void fresh(void)
{
    memset(&pty, 0, sizeof pty);
    undo_begin();
    discipline_init(&pty.line);
    pty.minor = TTY_PTS;
    pty.session = 7;
    pty.foreground = 7;
    check_result = 0;
    last_signal = 0;
}

int main(void)
{
    struct termios t;

    TEST_BEGIN("settings are read and written whole, and a short structure is refused")
    fresh();
    ASSERT_EQ(ask(&slave, TCGETS, 0, 0, 0), 0);
    ASSERT_EQ(out_bytes, 36);
    memcpy(&t, out, sizeof t);
    t.lflag &= ~ECHO;
    ASSERT_EQ(ask(&slave, TCSETS, 0, &t, sizeof t - 1), -EINVAL);
    ASSERT_EQ(ask(&master, TCSETSW, 0, &t, sizeof t), 0);
    ASSERT_FALSE(pty.line.termios.lflag & ECHO);
    ASSERT_EQ(ask(&slave, TCGETA, 0, 0, 0), 0);
    ASSERT_EQ(out_bytes, 18);
    struct termio old;
    memcpy(&old, out, sizeof old);
    old.cc[VINTR] = 'x';
    ASSERT_EQ(ask(&slave, TCSETA, 0, &old, sizeof old), 0);
    ASSERT_EQ(pty.line.termios.cc[VINTR], 'x');
    TEST_END();

    TEST_BEGIN("in the background nothing is changed, but everything can be asked")
    fresh();
    check_result = -EINTR;
    t = pty.line.termios;
    t.lflag = 0;
    ASSERT_EQ(ask(&slave, TCSETS, 0, &t, sizeof t), -EINTR);
    ASSERT_EQ(ask(&slave, TCFLSH, TCIFLUSH, 0, 0), -EINTR);
    int32_t pgid = 9;
    ASSERT_EQ(ask(&slave, TIOCSPGRP, 0, &pgid, 4), -EINTR);
    ASSERT_EQ(ask(&slave, TCGETS, 0, 0, 0), 0);
    ASSERT_EQ(ask(&slave, TIOCGPGRP, 0, 0, 0), 0);
    ASSERT_EQ(number(), 7);
    ASSERT_EQ(ask(&slave, FIONREAD, 0, 0, 0), 0);
    ASSERT_EQ(ask(&slave, TIOCGWINSZ, 0, 0, 0), 0);
    TEST_END();

    TEST_BEGIN("a new window size is told to the foreground once")
    fresh();
    struct winsize w = {.rows = 25, .columns = 80};
    ASSERT_EQ(ask(&master, TIOCSWINSZ, 0, &w, sizeof w), 0);
    ASSERT_EQ(last_signal, SIGWINCH);
    last_signal = 0;
    ASSERT_EQ(ask(&slave, TIOCSWINSZ, 0, &w, sizeof w), 0);
    ASSERT_EQ(last_signal, 0);
    TEST_END();

    TEST_BEGIN("groups and sessions are told to those whose terminal it is")
    fresh();
    ASSERT_EQ(ask(&slave, TIOCGSID, 0, 0, 0), 0);
    ASSERT_EQ(number(), 7);
    asking.sid = 8;
    ASSERT_EQ(ask(&slave, TIOCGPGRP, 0, 0, 0), -ENOTTY);
    ASSERT_EQ(ask(&master, TIOCGPGRP, 0, 0, 0), 0);
    asking.sid = 7;
    ASSERT_EQ(ask(&slave, TIOCSCTTY, 0, 0, 0), -EPERM);
    TEST_END();

    TEST_BEGIN("buffers: what is input here is output there")
    fresh();
    discipline_write(&pty.line, (const uint8_t *)"12345", 5);
    discipline_receive(&pty.line, (const uint8_t *)"\x16", 1);
    discipline_flush_output(&pty.line);
    discipline_write(&pty.line, (const uint8_t *)"12345", 5);
    ASSERT_EQ(ask(&slave, TIOCOUTQ, 0, 0, 0), 0);
    ASSERT_EQ(number(), 5);
    ASSERT_EQ(ask(&master, FIONREAD, 0, 0, 0), 0);
    ASSERT_EQ(number(), 5);
    ASSERT_EQ(ask(&master, TCFLSH, TCIFLUSH, 0, 0), 0);
    ASSERT_EQ(discipline_output_count(&pty.line), 0);
    ASSERT_EQ(ask(&slave, TCFLSH, 7, 0, 0), -EINVAL);
    ASSERT_EQ(ask(&slave, TCSBRK, 1, 0, 0), 0);
    TEST_END();

    TEST_BEGIN("ptys: number, lock and packets are the master's")
    int32_t one = 1;
    fresh();
    ASSERT_EQ(ask(&master, TIOCGPTN, 0, 0, 0), 0);
    ASSERT_EQ(number(), 0);
    ASSERT_EQ(ask(&slave, TIOCGPTN, 0, 0, 0), -ENOTTY);
    ASSERT_EQ(ask(&master, TIOCSPTLCK, 0, &one, 4), 0);
    ASSERT_TRUE(pty.locked);
    ASSERT_EQ(ask(&master, TIOCPKT, 0, &one, 4), 0);
    ASSERT_TRUE(pty.packets);
    TEST_END();

    TEST_BEGIN("the console waits for its output, and unknown requests are refused")
    fresh();
    pty.minor = TTY_CONSOLE;
    discipline_write(&pty.line, (const uint8_t *)"x", 1);
    ASSERT_EQ(ask(&slave, TCSBRK, 1, 0, 0), -EAGAIN);
    ASSERT_EQ(ask(&slave, TCSETSW, 0, &pty.line.termios, sizeof(struct termios)), -EAGAIN);
    ASSERT_EQ(ask(&slave, TIOCSTI, 0, "x", 1), -EIO);
    ASSERT_EQ(ask(&slave, 0x1234, 0, 0, 0), -ENOTTY);
    slave.epoch = 3;
    ASSERT_EQ(ask(&slave, TCGETS, 0, 0, 0), -EIO);
    TEST_END();
}
