/* SPDX-License-Identifier: MIT */
/* drivers/pci/config.c: sizing and placing registers, on a function that the test plays. */
// links: drivers/pci/config.c
#include "drivers/pci/config.h"
#include "test_framework.h"

static uint8_t space[256];
static uint32_t writable[PCI_BARS]; /* the bits of each base address register that stick */
static bool decoded_while_sizing;

static uint32_t get(pci_function f, uint32_t offset, uint32_t width)
{
    uint32_t value = 0;

    (void)f;
    ASSERT_TRUE(offset % width == 0 && offset + width <= sizeof space);
    memcpy(&value, space + offset, width);
    return value;
}

static void set(pci_function f, uint32_t offset, uint32_t width, uint32_t value)
{
    (void)f;
    ASSERT_TRUE(offset % width == 0 && offset + width <= sizeof space);
    if (offset >= CONFIG_BAR && offset < CONFIG_BAR + 4 * PCI_BARS) {
        uint32_t bar = (offset - CONFIG_BAR) / 4, old = get(f, offset, 4);

        decoded_while_sizing |= (get(f, CONFIG_COMMAND, 2) & COMMAND_MEMORY) != 0;
        value = (value & writable[bar]) | (old & ~writable[bar]);
    }
    memcpy(space + offset, &value, width);
}

static const struct config_access access = {get, set};
static struct pci_bar bars[PCI_BARS];

static void fresh(void)
{
    memset(space, 0, sizeof space);
    memset(writable, 0, sizeof writable);
    memset(bars, 0xee, sizeof bars);
    decoded_while_sizing = false;
    space[CONFIG_COMMAND] = 7;
}

static void bar(unsigned number, uint32_t flags, uint64_t bytes)
{
    space[CONFIG_BAR + 4 * number] = (uint8_t)flags;
    writable[number] = (uint32_t) ~(bytes - 1) & ~15u;
    if (flags & 4)
        writable[number + 1] = (uint32_t)(~(bytes - 1) >> 32);
}

static uint32_t bar_word(unsigned number)
{
    return get(0, CONFIG_BAR + 4 * number, 4);
}

int main(void)
{
    struct pci_window window;

    TEST_BEGIN("sizes are found, of 32 and 64 bits, and ports are left alone");
    fresh();
    bar(0, 0, 16);
    bar(1, 0xc, 0x4000);
    bar(3, 0xc, 0x200000000);
    space[CONFIG_BAR + 4 * 5] = 0xc1;
    space[CONFIG_BAR + 4 * 5 + 1] = 0xd0;
    writable[5] = ~3u;
    config_size(&access, 0, bars);
    ASSERT_EQ(bars[0].bytes, 16);
    ASSERT_EQ(bars[1].bytes, 0x4000);
    ASSERT_TRUE(bars[1].wide && !bars[0].wide);
    ASSERT_EQ(bars[2].bytes, 0);
    ASSERT_EQ(bars[3].bytes, 0x200000000);
    ASSERT_EQ(bars[5].bytes, 0);
    ASSERT_EQ(bar_word(5), 0xd0c1);
    ASSERT_FALSE(decoded_while_sizing);
    ASSERT_EQ(space[CONFIG_COMMAND], 0);
    TEST_END();

    TEST_BEGIN("places are multiples of size and page, in the window and apart");
    fresh();
    bar(0, 0, 16);
    bar(1, 0xc, 0x4000);
    bar(3, 0, 0x1000);
    config_size(&access, 0, bars);
    window = (struct pci_window){0x40001000, 0x40010000};
    ASSERT_TRUE(config_place(&access, 0, bars, &window));
    ASSERT_EQ(bars[0].base, 0x40001000);
    ASSERT_EQ(bars[1].base, 0x40004000);
    ASSERT_EQ(bars[3].base, 0x40008000);
    ASSERT_EQ(bar_word(0), 0x40001000);
    ASSERT_EQ(bar_word(1), 0x4000400c);
    ASSERT_EQ(bar_word(2), 0);
    ASSERT_EQ(space[CONFIG_COMMAND], COMMAND_MEMORY);
    ASSERT_EQ(window.next, 0x40009000);
    TEST_END();

    TEST_BEGIN("what does not fit stays switched off");
    fresh();
    bar(0, 0xc, 0x200000000);
    config_size(&access, 0, bars);
    window = (struct pci_window){0x40000000, 0x80000000};
    ASSERT_FALSE(config_place(&access, 0, bars, &window));
    ASSERT_EQ(space[CONFIG_COMMAND], 0);
    window = (struct pci_window){UINT64_MAX - 4096, UINT64_MAX};
    ASSERT_FALSE(config_place(&access, 0, bars, &window));
    TEST_END();

    TEST_BEGIN("a list of capabilities is followed, and a circle of them ends");
    fresh();
    ASSERT_EQ(config_capability(&access, 0, 0x11), 0);
    space[CONFIG_STATUS] = STATUS_HAS_LIST;
    space[CONFIG_CAPABILITIES] = 0x43; /* the low bits do not count */
    space[0x40] = 9, space[0x41] = 0x50;
    space[0x50] = 0x11, space[0x51] = 0x40;
    ASSERT_EQ(config_capability(&access, 0, 0x11), 0x50);
    ASSERT_EQ(config_capability(&access, 0, 5), 0);
    space[0x41] = 0xff; /* the end of the space */
    ASSERT_EQ(config_capability(&access, 0, 5), 0);
    space[CONFIG_CAPABILITIES] = 0x20; /* not where they may lie */
    ASSERT_EQ(config_capability(&access, 0, 9), 0);
    TEST_END();
}
