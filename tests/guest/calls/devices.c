// SPDX-License-Identifier: MIT
/* irq_create, irq_bind, irq_ack, ioport_create, port_read, port_write, device_frame, frame_part,
 * irq_message, log, log_read, power_off, entropy. (That power_off works shows at the end of every one of these programs.) */
#include "devices.h"

#include <lib/string.h>

static void device_frame_shows_registers(void)
{
    exo_cap device = OK(exo_device_frame(EXO_CAP_PLATFORM, chip, 1));
    struct exo_cap_info info;

    OK(exo_cap_info(device, &info));
    EXPECT(info.size, PAGE);
    OK(exo_map(0, page(0), 1, device, 0, EXO_MAP_READ));
    EXPECT(WORD(page(0) + chip_word) & 0xff, chip_value);
    OK(exo_protect(0, page(0), 1, 0));
    OK(exo_protect(0, page(0), 1, EXO_MAP_READ));
    EXPECT(WORD(page(0) + chip_word) & 0xff, chip_value);
    EXPECT(exo_map(0, page(0), 1, device, 0, EXO_MAP_EXEC), EXO_ERIGHTS);
    EXPECT(exo_map(0, page(0), 1, device, 0, RW | EXO_MAP_PRIVATE), EXO_EINVAL); /* a copy of it? */
    drop(device);
}

static void device_frame_never_shows_ram(void)
{
    uint64_t end = ram_start + exo_view()->frames_total * PAGE;
    static const uint64_t bad[] = {0, 0x1000, 0x100000, 0xff000, 0x200000, 0xfff000};

    for (unsigned i = 0; i < COUNT(bad); i++)
        EXPECT(exo_device_frame(EXO_CAP_PLATFORM, ram_start + bad[i], 1), EXO_EINVAL);
    for (uint64_t at = ram_start + 0x1000000; at < end - 0x200000; at += 0x345000)
        EXPECT(exo_device_frame(EXO_CAP_PLATFORM, at, 1), EXO_EINVAL);
    EXPECT(exo_device_frame(EXO_CAP_PLATFORM, end - 0x400000, 1 << 16), EXO_EINVAL);
    EXPECT(exo_device_frame(EXO_CAP_PLATFORM, chip + 1, 1), EXO_EINVAL);
    EXPECT(exo_device_frame(EXO_CAP_PLATFORM, chip, 0), EXO_EINVAL);
    EXPECT(exo_device_frame(EXO_CAP_PLATFORM, chip, UINT64_MAX), EXO_EINVAL);
    EXPECT(exo_device_frame(EXO_CAP_PLATFORM, (uint64_t)UINT32_MAX << 12, 2), EXO_EINVAL);
    EXPECT(exo_device_frame(EXO_CAP_PLATFORM, (uint64_t)1 << 60, 1), EXO_EINVAL);
    CAP_ERRORS(exo_device_frame(C, chip, 1), some_frame, EXO_CAP_PLATFORM, EXO_R_CONTROL);
}

static void frame_part_shows_no_more(void)
{
    exo_cap whole = OK(exo_device_frame(EXO_CAP_PLATFORM, chip, 3)), part, ram;
    struct exo_cap_info info;

    part = OK(exo_frame_part(whole, 0, 1));
    OK(exo_cap_info(part, &info));
    EXPECT(info.size, PAGE);
    OK(exo_map(0, page(0), 1, part, 0, EXO_MAP_READ));
    EXPECT(WORD(page(0) + chip_word) & 0xff, chip_value);
    EXPECT(exo_map(0, page(1), 2, part, 0, EXO_MAP_READ), EXO_EINVAL);
    EXPECT(exo_frame_part(part, 1, 1), EXO_EINVAL);
    EXPECT(exo_frame_part(part, 0, 2), EXO_EINVAL);
    EXPECT(exo_frame_part(whole, 2, 2), EXO_EINVAL);
    EXPECT(exo_frame_part(whole, 0, 0), EXO_EINVAL);
    EXPECT(exo_frame_part(whole, UINT64_MAX, 2), EXO_EINVAL);
    EXPECT(exo_frame_part(whole, 1, UINT64_MAX), EXO_EINVAL);
    ram = OK(exo_frame_alloc(0, 2));
    EXPECT(exo_frame_part(ram, 0, 1), EXO_EINVAL);
    CAP_ERRORS(exo_frame_part(C, 0, 1), EXO_CAP_PLATFORM, whole, EXO_R_WRITE);
    drop(ram);
    drop(part);
    drop(whole);
}

static void messages_are_told_of_lines_without_a_wire(void)
{
    exo_cap wire = OK(exo_irq_create(EXO_CAP_PLATFORM, 9));
    uint64_t out[2], other[2];

    EXPECT(exo_irq_message(wire, out), EXO_ENOENT);
    CAP_ERRORS(exo_irq_message(C, out), some_frame, wire, EXO_R_CONTROL);
    drop(wire);
    if (message_lines == 0)
        return;
    exo_cap a = OK(exo_irq_create(EXO_CAP_PLATFORM, irq_lines - 1));
    exo_cap b = OK(exo_irq_create(EXO_CAP_PLATFORM, irq_lines - message_lines));
    EXPECT(exo_irq_message(a, out), EXO_OK);
    EXPECT(exo_irq_message(b, other), EXO_OK);
    EXPECT_TRUE(out[0] != other[0] || out[1] != other[1]);
    EFAULTS(exo_irq_message(a, (uint64_t *)P));
    exo_cap n = OK(exo_notification_create(0));
    EXPECT(exo_irq_bind(a, n, 1), EXO_OK);
    EXPECT(exo_irq_ack(a), EXO_OK);
    drop(n);
    drop(a);
    drop(b);
}

/* Beyond what the processor can address: refused, or a fault, but no end of the machine. */
static void physical_addresses_beyond_the_processor_are_survived(void)
{
    for (unsigned bit = 39; bit < 44; bit++) {
        int64_t device = exo_device_frame(EXO_CAP_PLATFORM, (uint64_t)1 << bit, 1);

        if (device < 0)
            continue;
        OK(exo_map(0, page(0), 1, (exo_cap)device, 0, EXO_MAP_READ));
        exo_entropy((uint64_t *)page(0));
        exo_region_harvest((exo_cap)device, 0, 1, (uint64_t *)page(0), 0);
        int64_t st = exo_account_info(0, (uint64_t *)page(0));
        EXPECT(st, EXO_EFAULT);
        exo_wake((void *)page(0), 1);
        exo_thread_create(0, (struct exo_thread_args *)page(0)); /* the kernel reads there */
        drop((exo_cap)device);
    }
}

static void irq_calls_check_their_arguments(void)
{
    exo_cap irq = OK(exo_irq_create(EXO_CAP_PLATFORM, 9)), n = OK(exo_notification_create(0));

    EXPECT(exo_irq_create(EXO_CAP_PLATFORM, 9), EXO_EBUSY);
    EXPECT(exo_irq_create(EXO_CAP_PLATFORM, irq_lines), EXO_EINVAL);
    EXPECT(exo_irq_create(EXO_CAP_PLATFORM, UINT32_MAX), EXO_EINVAL);
    CAP_ERRORS(exo_irq_create(C, 10), some_frame, EXO_CAP_PLATFORM, EXO_R_CONTROL);
    CAP_ERRORS(exo_irq_bind(C, n, 1), some_frame, irq, EXO_R_CONTROL);
    CAP_ERRORS(exo_irq_bind(irq, C, 1), some_frame, n, EXO_R_SIGNAL);
    CAP_ERRORS(exo_irq_ack(C), some_frame, irq, EXO_R_CONTROL);
    EXPECT(exo_irq_bind(irq, n, EXO_EVENT_REVOKE), EXO_EINVAL);
    EXPECT(exo_irq_bind(irq, n, 1), EXO_OK);
    EXPECT(exo_irq_bind(irq, n, 1), EXO_OK);
    EXPECT(exo_irq_ack(irq), EXO_OK);
    drop(n); /* the line keeps it */
    drop(irq);
    drop(OK(exo_irq_create(EXO_CAP_PLATFORM, 9))); /* free again */
}

/* The alarm's interrupt comes, stays masked until it is acknowledged, and comes again. */
static void interrupts_arrive(void)
{
    static exo_cap bound;
    exo_cap irq = OK(exo_irq_create(EXO_CAP_PLATFORM, alarm_line));

    if (!bound) {
        bound = OK(exo_notification_create(0));
        EXPECT(exo_notification_bind(bound), EXO_OK);
    }
    EXPECT(exo_irq_bind(irq, bound, 0x4), EXO_OK);
    alarm_open();
    for (unsigned i = 0; i < 5; i++) {
        alarm_raise();
        EXPECT(exo_wait(0, 0, now() + 1000 * (exo_time)MS), EXO_EINTR);
        EXPECT(exo_utcb()->pending, 0x4);
        exo_utcb()->pending = 0;
        EXPECT(exo_wait(0, 0, now() + 2 * MS), EXO_ETIMEDOUT); /* masked */
        alarm_lower();
        EXPECT(exo_irq_ack(irq), EXO_OK);
    }
    alarm_close();
    drop(irq);
    exo_wait(0, 0, now() + MS);
    exo_utcb()->pending = 0;
}

static void log_checks_its_arguments(void)
{
    static char text[1025];

    EXPECT(exo_log(EXO_CAP_PLATFORM, "# a line of the log\n", 20), 20);
    EXPECT(exo_log(EXO_CAP_PLATFORM, text, 0), 0);
    EXPECT(exo_log(EXO_CAP_PLATFORM, text, 1025), EXO_EINVAL);
    EXPECT(exo_log(EXO_CAP_PLATFORM, text, UINT64_MAX), EXO_EINVAL);
    EFAULTS(exo_log(EXO_CAP_PLATFORM, P, 8));
    CAP_ERRORS(exo_log(C, text, 1), some_frame, EXO_CAP_PLATFORM, EXO_R_WRITE);
    static char log[EXO_LOG_BYTES + 1];
    int64_t bytes = exo_log_read(EXO_CAP_PLATFORM, log, sizeof log);

    EXPECT_TRUE(bytes > 40 && bytes <= (int64_t)EXO_LOG_BYTES);
    EXPECT(memcmp(log + bytes - 20, "# a line of the log\n", 20), 0);
    EXPECT(memcmp(log, "<6>[", 4), 0);
    EXPECT(exo_log_read(EXO_CAP_PLATFORM, log, 5), 5);
    EXPECT(memcmp(log, " log\n", 5), 0);
    EXPECT(exo_log_read(EXO_CAP_PLATFORM, log, 0), 0);
    for (unsigned i = 0; i < 20; i++) /* more than is kept */
        OK(exo_log(EXO_CAP_PLATFORM, "#\n", 2));
    EXPECT_TRUE(exo_log_read(EXO_CAP_PLATFORM, log, UINT64_MAX) <= (int64_t)EXO_LOG_BYTES);
    EFAULTS(exo_log_read(EXO_CAP_PLATFORM, P, 40));
    CAP_ERRORS(exo_log_read(C, log, 1), some_frame, EXO_CAP_PLATFORM, EXO_R_READ);
    CAP_ERRORS(exo_power_off(C, 1), some_frame, EXO_CAP_PLATFORM, EXO_R_CONTROL);
}

static void entropy_differs(void)
{
    uint64_t a = 0, b = 0;

    EXPECT(exo_entropy(&a), EXO_OK);
    EXPECT(exo_entropy(&b), EXO_OK);
    EXPECT_TRUE(a != b);
    EFAULTS(exo_entropy((uint64_t *)P));
}

static int64_t make_devices(uint64_t unused)
{
    int64_t st = 0;

    (void)unused;
    for (unsigned i = 0; st >= 0 && i < 1000; i++)
        st = i % 2 && HAS_PORTS ? exo_ioport_create(EXO_WELL_KNOWN(10), 0x80, 1)
                                : exo_device_frame(EXO_WELL_KNOWN(10), chip, 1);
    if (st != EXO_EOBJECTS || exo_irq_create(EXO_WELL_KNOWN(10), 10) != EXO_EOBJECTS)
        return 1;
    return exo_device_frame(EXO_WELL_KNOWN(10), chip, 1) == EXO_EOBJECTS ? 0 : 2;
}

static void device_objects_are_charged(void)
{
    struct child c;

    child_make(&c, CHILD_FRAMES, 20);
    OK(exo_cap_copy(EXO_CAP_PLATFORM, c.env, EXO_WELL_KNOWN(10)));
    child_go(&c, make_devices, 0);
    EXPECT(child_wait(&c).status, 0);
    child_drop(&c);
    drop(OK(exo_irq_create(EXO_CAP_PLATFORM, 10))); /* the line is not left taken */
}

int main(void)
{
    static const struct test tests[] = {
        T(device_frame_shows_registers),
        T(device_frame_never_shows_ram),
        T(ports_are_read_and_written_in_their_range),
        T(frame_part_shows_no_more),
        T(irq_calls_check_their_arguments),
        T(messages_are_told_of_lines_without_a_wire),
        T(interrupts_arrive),
        T(log_checks_its_arguments),
        T(entropy_differs),
        T(device_objects_are_charged),
        T(physical_addresses_beyond_the_processor_are_survived),
    };
    return contract_run(tests, COUNT(tests));
}
