/* SPDX-License-Identifier: MIT */
/* The line discipline: what is typed, what is seen, what is read. */
// links: servers/tty/discipline.c servers/tty/editing.c servers/tty/output.c lib/undo.c
#include <lib/linux/errno.h>
#include <lib/linux/signal.h>

#include "test_framework.h"

#include <proto/tty.h>

#include "servers/tty/discipline.h"
#include <lib/undo.h>

static struct discipline d;
static char text[OUTPUT_BYTES + 1];
static uint32_t patience;

static void fresh(void)
{
    undo_begin();
    discipline_init(&d);
}

static void type(const char *keys)
{
    discipline_receive(&d, (const uint8_t *)keys, strlen(keys));
}

/* What the terminal has shown since the last look. */
static const char *seen(void)
{
    size_t n = discipline_take(&d, (uint8_t *)text, OUTPUT_BYTES);

    text[n] = 0;
    return text;
}

static const char *line(size_t size)
{
    int64_t n = discipline_read(&d, (uint8_t *)text, size, TTY_READ_WAIT, &patience);

    if (n == -EAGAIN)
        return "(again)";
    text[n] = 0;
    return text;
}

static void set_flags(uint32_t lflag_on, uint32_t lflag_off)
{
    struct termios t = d.termios;

    t.lflag = (t.lflag | lflag_on) & ~lflag_off;
    discipline_set(&d, &t);
}

static void raw(uint8_t min, uint8_t time)
{
    struct termios t = d.termios;

    t.lflag &= ~(uint32_t)(ICANON | ECHO | ISIG | IEXTEN);
    t.iflag &= ~(uint32_t)(ICRNL | IXON);
    t.cc[VMIN] = min;
    t.cc[VTIME] = time;
    discipline_set(&d, &t);
}

static void test_lines(void)
{
    TEST_BEGIN("a line is read when it is whole, and seen as it is typed")
    fresh();
    type("ls");
    ASSERT_STREQ(seen(), "ls");
    ASSERT_STREQ(line(100), "(again)");
    ASSERT_FALSE(discipline_readable(&d));
    type("\r");
    ASSERT_STREQ(seen(), "\r\n");
    ASSERT_TRUE(discipline_readable(&d));
    ASSERT_EQ(discipline_input_count(&d), 3);
    ASSERT_STREQ(line(100), "ls\n");
    ASSERT_STREQ(line(100), "(again)");
    TEST_END();

    TEST_BEGIN("one read gives one line, or as much of it as fits")
    fresh();
    type("abc\nde\n");
    ASSERT_STREQ(line(2), "ab");
    ASSERT_STREQ(line(100), "c\n");
    ASSERT_STREQ(line(100), "de\n");
    TEST_END();

    TEST_BEGIN("end of file ends a line without a character, or alone is the end")
    fresh();
    type("abc\x04");
    ASSERT_EQ(discipline_input_count(&d), 3);
    ASSERT_STREQ(line(100), "abc");
    type("\x04");
    ASSERT_TRUE(discipline_readable(&d));
    ASSERT_STREQ(line(100), "");
    ASSERT_STREQ(line(100), "(again)");
    type("xyz\x04");
    ASSERT_STREQ(line(3), "xyz"); /* exactly filled: the mark goes with it */
    ASSERT_STREQ(line(3), "(again)");
    ASSERT_STREQ(seen(), "abcxyz");
    TEST_END();

    TEST_BEGIN("a line that is too long can still be ended")
    fresh();
    for (uint32_t i = 0; i < INPUT_BYTES + 10; i++)
        type("x");
    ASSERT_TRUE(discipline_has_room(&d));
    type("\n");
    ASSERT_FALSE(discipline_has_room(&d));
    ASSERT_EQ(discipline_receive(&d, (const uint8_t *)"y", 1), 0);
    static uint8_t big[INPUT_BYTES + 1];
    ASSERT_EQ(discipline_read(&d, big, sizeof big, TTY_READ_WAIT, &patience), INPUT_BYTES);
    ASSERT_EQ(big[INPUT_BYTES - 1], '\n');
    ASSERT_TRUE(discipline_has_room(&d));
    TEST_END();

    TEST_BEGIN("EOL and EOL2 end lines too, and stay in them")
    fresh();
    d.termios.cc[VEOL] = ';';
    d.termios.cc[VEOL2] = '!';
    type("a;b!");
    ASSERT_STREQ(line(10), "a;");
    ASSERT_STREQ(line(10), "b!");
    TEST_END();

    TEST_BEGIN("carriage returns and newlines change as told")
    fresh();
    d.termios.iflag = IGNCR;
    type("a\rb\n");
    ASSERT_STREQ(line(10), "ab\n");
    d.termios.iflag = INLCR;
    type("c\n");
    ASSERT_STREQ(line(10), "(again)");
    d.termios.iflag = ISTRIP;
    type("\xe1\n");
    ASSERT_STREQ(line(10), "c\ra\n");
    TEST_END();
}

static void test_editing(void)
{
    TEST_BEGIN("erase takes one character back, also one of several bytes")
    fresh();
    type("ab\x7f");
    ASSERT_STREQ(seen(), "ab\b \b");
    type("\xc3\xa4\x7f\x7f\x7f\n");
    ASSERT_STREQ(seen(), "\xc3\xa4\b \b\b \b\r\n");
    ASSERT_STREQ(line(10), "\n");
    TEST_END();

    TEST_BEGIN("a control character is shown, and erased, as two columns")
    fresh();
    type("\x01\x7f");
    ASSERT_STREQ(seen(), "^A\b \b\b \b");
    TEST_END();

    TEST_BEGIN("erasing a tab goes back to where it began")
    fresh();
    discipline_write(&d, (const uint8_t *)"$ ", 2);
    type("abc\t");
    seen();
    type("\x7f");
    ASSERT_STREQ(seen(), "\b\b\b"); /* from column 8 to 5 */
    fresh();
    type("a\tb\t");
    seen();
    type("\x7f");
    ASSERT_STREQ(seen(), "\b\b\b\b\b\b\b");
    TEST_END();

    TEST_BEGIN("word erase and kill")
    fresh();
    type("one two  \x17");
    ASSERT_STREQ(seen(), "one two  \b \b\b \b\b \b\b \b\b \b");
    type("\x15");
    ASSERT_STREQ(seen(), "\b \b\b \b\b \b\b \b");
    type("x\n");
    ASSERT_STREQ(line(10), "x\n");
    set_flags(0, ECHOKE);
    seen();
    type("abc\x15");
    ASSERT_STREQ(seen(), "abc^U\r\n");
    TEST_END();

    TEST_BEGIN("reprint shows the line again")
    fresh();
    type("ab\x01\x12");
    ASSERT_STREQ(seen(), "ab^A^R\r\nab^A");
    TEST_END();

    TEST_BEGIN("the next character can be taken literally")
    fresh();
    type("\x16\x03\x16\x7f\n");
    ASSERT_EQ(d.signals, 0);
    ASSERT_STREQ(seen(), "^\b^C^\b^?\r\n");
    ASSERT_STREQ(line(10), "\x03\x7f\n");
    TEST_END();

    TEST_BEGIN("a printing terminal shows what is erased")
    fresh();
    set_flags(ECHOPRT, 0);
    type("abc\x7f\x7fx\n");
    ASSERT_STREQ(seen(), "abc\\cb/x\r\n");
    TEST_END();

    TEST_BEGIN("without echo nothing is seen, but newlines if asked")
    fresh();
    set_flags(0, ECHO);
    type("secret\x7f\n");
    ASSERT_STREQ(seen(), "");
    ASSERT_STREQ(line(10), "secre\n");
    set_flags(ECHONL, 0);
    type("s\n");
    ASSERT_STREQ(seen(), "\r\n");
    TEST_END();
}

static void test_signals_and_flow(void)
{
    TEST_BEGIN("interrupt, quit and suspend are signals, and flush")
    fresh();
    type("junk\x03");
    ASSERT_EQ(d.signals, SIGNAL_BIT(SIGINT));
    ASSERT_STREQ(seen(), "^C"); /* the echo of junk was flushed with the output */
    type("x\n");
    ASSERT_STREQ(line(10), "x\n");
    type("\x1c\x1a");
    ASSERT_EQ(d.signals, SIGNAL_BIT(SIGINT) | SIGNAL_BIT(SIGQUIT) | SIGNAL_BIT(SIGTSTP));
    TEST_END();

    TEST_BEGIN("NOFLSH keeps what was typed; without ISIG the keys are data")
    fresh();
    set_flags(NOFLSH, 0);
    type("ab\x03"
         "c\n");
    ASSERT_STREQ(line(10), "abc\n");
    d.signals = 0;
    set_flags(0, ISIG);
    type("\x03\n");
    ASSERT_EQ(d.signals, 0);
    ASSERT_STREQ(line(10), "\x03\n");
    TEST_END();

    TEST_BEGIN("STOP holds output back, START and signals let it go")
    fresh();
    type("\x13");
    discipline_write(&d, (const uint8_t *)"hello", 5);
    ASSERT_STREQ(seen(), "");
    type("\x11");
    ASSERT_STREQ(seen(), "hello");
    ASSERT_TRUE(d.packet & TIOCPKT_START);
    type("\x13");
    d.termios.iflag |= IXANY;
    type("z");
    ASSERT_STREQ(seen(), "z");
    TEST_END();

    TEST_BEGIN("TCXONC holds output, whatever is typed")
    fresh();
    ASSERT_TRUE(discipline_flow(&d, TCOOFF));
    type("a\x11");
    ASSERT_STREQ(seen(), "");
    ASSERT_TRUE(discipline_flow(&d, TCOON));
    ASSERT_STREQ(seen(), "a");
    ASSERT_FALSE(discipline_flow(&d, 9));
    TEST_END();

    TEST_BEGIN("IXOFF tells the sender to stop, and to go on")
    fresh();
    raw(1, 0);
    d.termios.iflag |= IXOFF;
    static uint8_t much[INPUT_BYTES];
    ASSERT_EQ(discipline_receive(&d, much, sizeof much), INPUT_BYTES - 1);
    ASSERT_STREQ(seen(), "\x13");
    ASSERT_EQ(discipline_read(&d, much, sizeof much, TTY_READ_WAIT, &patience), INPUT_BYTES - 1);
    ASSERT_STREQ(seen(), "\x11");
    TEST_END();
}

static void test_raw(void)
{
    uint8_t b[16];

    TEST_BEGIN("raw reads wait for VMIN characters")
    fresh();
    raw(3, 0);
    type("ab");
    ASSERT_EQ(discipline_read(&d, b, 16, TTY_READ_WAIT, &patience), -EAGAIN);
    ASSERT_EQ(patience, 0);
    ASSERT_FALSE(discipline_readable(&d));
    ASSERT_EQ(discipline_read(&d, b, 2, TTY_READ_WAIT, &patience), 2);
    type("cde\r");
    ASSERT_EQ(discipline_read(&d, b, 16, TTY_READ_WAIT, &patience), 4);
    ASSERT_EQ(b[3], '\r');
    type("f");
    ASSERT_EQ(discipline_read(&d, b, 16, TTY_READ_NONBLOCK, &patience), 1);
    ASSERT_EQ(discipline_read(&d, b, 16, TTY_READ_NONBLOCK, &patience), -EAGAIN);
    TEST_END();

    TEST_BEGIN("VTIME counts from the read, or between characters")
    fresh();
    raw(0, 5);
    ASSERT_EQ(discipline_read(&d, b, 16, TTY_READ_WAIT, &patience), -EAGAIN);
    ASSERT_EQ(patience, 500);
    ASSERT_EQ(discipline_read(&d, b, 16, TTY_READ_EXPIRED, &patience), 0);
    raw(3, 1);
    ASSERT_EQ(discipline_read(&d, b, 16, TTY_READ_WAIT, &patience), -EAGAIN);
    ASSERT_EQ(patience, 0);
    type("a");
    ASSERT_EQ(discipline_read(&d, b, 16, TTY_READ_WAIT, &patience), -EAGAIN);
    ASSERT_EQ(patience, 100);
    ASSERT_EQ(discipline_read(&d, b, 16, TTY_READ_EXPIRED, &patience), 1);
    raw(0, 0);
    ASSERT_EQ(discipline_read(&d, b, 16, TTY_READ_WAIT, &patience), 0);
    TEST_END();

    TEST_BEGIN("what was typed survives the change between the modes")
    fresh();
    type("half");
    raw(1, 0);
    ASSERT_EQ(discipline_read(&d, b, 2, TTY_READ_WAIT, &patience), 2);
    set_flags(ICANON, 0);
    ASSERT_STREQ(line(10), "lf");
    ASSERT_STREQ(line(10), "(again)");
    TEST_END();
}

static void test_output(void)
{
    TEST_BEGIN("output is processed as oflag says")
    fresh();
    discipline_write(&d, (const uint8_t *)"a\nb", 3);
    ASSERT_STREQ(seen(), "a\r\nb");
    d.termios.oflag |= XTABS;
    discipline_write(&d, (const uint8_t *)"\tc\r\t", 4);
    ASSERT_STREQ(seen(), "       c\r        ");
    d.termios.oflag = OPOST | OCRNL | ONOCR | ONLRET;
    discipline_write(&d, (const uint8_t *)"\r\n\rx", 4);
    ASSERT_STREQ(seen(), "\n\nx");
    d.termios.oflag = 0;
    discipline_write(&d, (const uint8_t *)"\n\t", 2);
    ASSERT_STREQ(seen(), "\n\t");
    TEST_END();

    TEST_BEGIN("a full output takes no more, tells when it has room, and loses nothing")
    fresh();
    static uint8_t much[OUTPUT_BYTES * 2];
    memset(much, 'x', sizeof much);
    size_t taken = discipline_write(&d, much, sizeof much);
    ASSERT_GT(taken, OUTPUT_BYTES / 2);
    ASSERT_LE(taken, OUTPUT_BYTES - ECHO_BYTES);
    ASSERT_FALSE(discipline_writable(&d));
    ASSERT_EQ(discipline_write(&d, much, 100), 0);
    type("y"); /* echo still has room */
    ASSERT_EQ(discipline_output_count(&d), taken + 1);
    ASSERT_FALSE(discipline_is_drained(&d));
    uint32_t before = d.drained;
    ASSERT_EQ(strlen(seen()), taken + 1);
    ASSERT_NE(d.drained, before);
    ASSERT_TRUE(discipline_writable(&d));
    ASSERT_TRUE(discipline_is_drained(&d));
    TEST_END();

    TEST_BEGIN("any bytes and any settings keep the rings whole, and can be taken back")
    static struct discipline before_it;
    uint32_t seed = 7;
    fresh();
    for (int i = 0; i < 200000; i++) {
        uint8_t b[8];
        seed = seed * 1664525 + 1013904223;
        for (int k = 0; k < 8; k++)
            b[k] = (uint8_t)(seed >> (k * 3));
        undo_commit();
        undo_save(&d, offsetof(struct discipline, input)); /* as terminal_save */
        if (i % 16 == 0)
            before_it = d;
        switch (seed >> 28) {
        case 0: {
            struct termios t = d.termios;
            t.iflag = seed >> 3;
            t.oflag = seed >> 5;
            t.lflag = seed >> 7;
            t.cc[(seed >> 9) % NCCS] = b[0];
            discipline_set(&d, &t);
            break;
        }
        case 1: discipline_take(&d, (uint8_t *)text, seed >> 8 & 0xfff); break;
        case 2: discipline_read(&d, (uint8_t *)text, seed >> 8 & 0xff, seed & 1, &patience); break;
        case 3: discipline_write(&d, b, 8); break;
        case 4: discipline_flow(&d, seed >> 8 & 3); break;
        default: discipline_receive(&d, b, 8); break;
        }
        ASSERT_LE(d.head - d.tail, INPUT_BYTES);
        ASSERT_LE(d.canon - d.tail, d.head - d.tail);
        ASSERT_LE(d.out_head - d.out_tail, OUTPUT_BYTES);
        if (i % 16 != 0)
            continue;
        undo_recover();
        ASSERT_EQ(memcmp(&d, &before_it, sizeof d), 0);
    }
    TEST_END();
}

int main(void)
{
    test_lines();
    test_editing();
    test_signals_and_flow();
    test_raw();
    test_output();
}
