/* SPDX-License-Identifier: MIT */
/* servers/init/rights.c: what a rights file may say, and that nothing else passes. */
// links: servers/init/rights.c
#include "servers/init/rights.h"
#include "test_framework.h"

static struct rights r;

/* Parses a copy without a NUL behind it, so that the sanitizer sees reads beyond the end. */
static unsigned parse(const char *text)
{
    size_t bytes = strlen(text);
    char *copy = malloc(bytes ? bytes : 1);

    memcpy(copy, text, bytes);
    unsigned line = rights_parse(copy, bytes, &r);
    free(copy);
    return line;
}

static void grants(void)
{
    TEST_BEGIN("an empty file grants nothing, with the usual account and priority");
    ASSERT_EQ(parse(""), 0);
    ASSERT_FALSE(r.endpoint || r.log || r.archive || r.options);
    ASSERT_FALSE(r.table_read || r.table_write || r.call[SERVER_FS] || r.mint[SERVER_TTY]);
    ASSERT_EQ(r.device_count, 0);
    ASSERT_EQ(r.memory, RIGHTS_MEMORY);
    ASSERT_EQ(r.priority, RIGHTS_PRIORITY);
    TEST_END();

    TEST_BEGIN("every line grants its right and no other");
    ASSERT_EQ(parse("endpoint\nlog\narchive\noptions\n"), 0);
    ASSERT_TRUE(r.endpoint && r.log && !r.log_read && r.archive && r.options);
    ASSERT_EQ(parse("log-read"), 0);
    ASSERT_TRUE(r.log && r.log_read);
    ASSERT_EQ(parse("call fs\nmint tty"), 0);
    ASSERT_TRUE(r.call[SERVER_FS] && r.mint[SERVER_TTY]);
    ASSERT_FALSE(r.call[SERVER_PROC] || r.call[SERVER_TTY] || r.mint[SERVER_FS]);
    ASSERT_EQ(parse("table read"), 0);
    ASSERT_TRUE(r.table_read && !r.table_write);
    ASSERT_EQ(parse("table write"), 0);
    ASSERT_TRUE(r.table_read && r.table_write);
    ASSERT_EQ(parse("memory 40\npriority 23"), 0);
    ASSERT_EQ(r.memory, 40);
    ASSERT_EQ(r.priority, 23);
    TEST_END();

    TEST_BEGIN("devices keep their order, numbers may be hexadecimal");
    ASSERT_EQ(parse("irq 4 # the console\nioport 0x3f8 8\n"), 0);
    ASSERT_EQ(r.device_count, 2);
    ASSERT_EQ(r.devices[0].kind, DEVICE_IRQ);
    ASSERT_EQ(r.devices[0].first, 4);
    ASSERT_EQ(r.devices[1].kind, DEVICE_IOPORT);
    ASSERT_EQ(r.devices[1].first, 0x3f8);
    ASSERT_EQ(r.devices[1].count, 8);
    TEST_END();

    TEST_BEGIN("what happens between lives");
    ASSERT_EQ(parse("limit 3 10\nheartbeat 250\nbackoff 100\nrecovery /a/b\nfollow fs\n"
                    "escalate restart\n"),
              0);
    ASSERT_TRUE(r.limited && r.limit == 3 && r.window == 10 && r.heartbeat == 250);
    ASSERT_TRUE(r.backoff == 100 && r.follow[SERVER_FS] && r.escalate == ESCALATE_RESTART);
    ASSERT_EQ(strcmp(r.recovery, "/a/b"), 0);
    ASSERT_EQ(parse("limit 17 10\n"), 1);
    ASSERT_EQ(parse("limit 1 0\n"), 1);
    ASSERT_EQ(parse("heartbeat 0\n"), 1);
    ASSERT_EQ(parse("backoff 3600001\n"), 1);
    ASSERT_EQ(parse("recovery a\n"), 1);
    ASSERT_EQ(parse("recovery /0123456789012345678901234567890123456789012345678\n"), 1);
    ASSERT_EQ(parse("follow me\n"), 1);
    ASSERT_EQ(parse("escalate always\n"), 1);
    TEST_END();

    TEST_BEGIN("the console is two capabilities");
    ASSERT_EQ(parse("console\nirq 9\n"), 0);
    ASSERT_EQ(r.device_count, 3);
    ASSERT_EQ(r.devices[0].kind, DEVICE_CONSOLE_REGISTERS);
    ASSERT_EQ(r.devices[1].kind, DEVICE_CONSOLE_IRQ);
    ASSERT_EQ(r.devices[2].first, 9);
    TEST_END();

    TEST_BEGIN("the PCI bus is its configuration, its window and 16 lines");
    ASSERT_EQ(parse("pci\n"), 0);
    ASSERT_EQ(r.device_count, 2 + RIGHTS_PCI_IRQS);
    ASSERT_EQ(r.devices[0].kind, DEVICE_PCI_CONFIG);
    ASSERT_EQ(r.devices[1].kind, DEVICE_PCI_WINDOW);
    ASSERT_EQ(r.devices[17].kind, DEVICE_PCI_IRQ);
    ASSERT_EQ(r.devices[17].first, 15);
    TEST_END();

    TEST_BEGIN("an account may be a number of frames");
    ASSERT_EQ(parse("frames 384\ncall pci\ncall virtio_blk"), 0);
    ASSERT_EQ(r.frames, 384);
    ASSERT_TRUE(r.call[SERVER_PCI] && r.call[SERVER_VIRTIO_BLK]);
    TEST_END();

    TEST_BEGIN("comments, spaces and empty lines mean nothing");
    ASSERT_EQ(parse("# all\n\n  \t\n  log\t# to the kernel's log\r\n#endpoint\nendpoint#"), 0);
    ASSERT_TRUE(r.log && r.endpoint);
    TEST_END();
}

static void refusals(void)
{
    static const char *const bad[] = {
        "everything",
        "Log",
        "lo",
        "logs",
        "log now",
        "call",
        "call init",
        "call proc fs",
        "mint",
        "mint disk",
        "table",
        "table all",

        "notify proc",
        "irq",
        "irq x",
        "irq 1024",
        "irq -1",
        "ioport 0x3f8",
        "ioport 0x10000 1",
        "ioport 0xffff 2",
        "ioport 1 0",
        "ioport 0xg 1",
        "priority 0",
        "priority 24",
        "priority 99999999999999999999",
        "memory 0",
        "memory 91",
        "memory 4%",
        "frames 0",
        "frames 65537",
        "pci 1",
        "irq 0x",
    };

    TEST_BEGIN("what is not understood is refused with its line");
    ASSERT_EQ(parse("log\n\nnonsense\nendpoint\n"), 3);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (parse(bad[i]) != 1)
            test_fail(__FILE__, __LINE__, bad[i]);
    }
    TEST_END();

    TEST_BEGIN("there is an end to devices");
    ASSERT_EQ(parse("pci\nirq 1\nirq 1\nirq 1\nirq 1\nirq 1\nirq 1\n"), 0);
    ASSERT_EQ(parse("pci\nirq 1\nirq 1\nirq 1\nirq 1\nirq 1\nirq 1\nirq 1\n"), 8);
    ASSERT_EQ(parse("pci\npci\n"), 2);
    TEST_END();
}

int main(void)
{
    grants();
    refusals();
}
