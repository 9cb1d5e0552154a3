/* SPDX-License-Identifier: MIT */
/* Interrupts, ports, device memory, and the machine as a whole: see device.h. */
#include <kernel/env/env.h>
#include <kernel/ipc/event.h>
#include <kernel/irq/device.h>
#include <kernel/mem/frame.h>
#include <kernel/mem/region.h>
#include <kernel/sched/lock.h>
#include <kernel/sched/sched.h>
#include <kernel/sys.h>
#include <kernel/trace/log.h>

static struct irq *lines[HAL_IRQS];

void kernel_interrupt(unsigned line)
{
    kernel_enter();
    if (line < HAL_IRQS && lines[line] && lines[line]->target)
        notification_raise(lines[line]->target, lines[line]->bits);
    if (this_cpu()->current)
        kernel_leave();
    else
        kernel_lock_give(); /* to idle, which picks by itself */
}

void irq_destroy(struct irq *irq)
{
    hal_irq_mask(irq->line);
    lines[irq->line] = 0;
    if (irq->target)
        object_unref(&irq->target->object);
}

/* ---- calls ------------------------------------------------------------------------------------- */

static int64_t platform(exo_cap cap, uint32_t rights)
{
    void *ignored;

    return env_object(env_current(), cap, EXO_PLATFORM, rights, &ignored);
}

int64_t sys_irq_create(exo_cap platform_cap, uint32_t line)
{
    void *made;
    int64_t st = platform(platform_cap, EXO_R_CONTROL);

    if (st != EXO_OK)
        return st;
    if (line >= HAL_IRQS)
        return EXO_EINVAL;
    if (lines[line])
        return EXO_EBUSY;
    if ((st = object_create(EXO_IRQ, env_current()->account, &made)) != EXO_OK)
        return st;
    lines[line] = made;
    lines[line]->line = line;
    return env_grant_new(env_current(), made, EXO_R_ALL);
}

int64_t sys_irq_bind(exo_cap irq_cap, exo_cap notification, uint32_t bits)
{
    struct env *self = env_current();
    struct irq *irq;
    struct notification *n;
    int64_t st;

    if ((st = env_object(self, irq_cap, EXO_IRQ, EXO_R_CONTROL, (void **)&irq)) != EXO_OK ||
        (st = env_object(self, notification, EXO_NOTIFICATION, EXO_R_SIGNAL, (void **)&n)) !=
            EXO_OK)
        return st;
    if (bits & EXO_EVENT_KERNEL)
        return EXO_EINVAL;
    object_ref(&n->object);
    if (irq->target)
        object_unref(&irq->target->object);
    irq->target = n;
    irq->bits = bits;
    hal_irq_unmask(irq->line);
    return EXO_OK;
}

int64_t sys_irq_ack(exo_cap irq_cap)
{
    struct irq *irq;
    int64_t st = env_object(env_current(), irq_cap, EXO_IRQ, EXO_R_CONTROL, (void **)&irq);

    if (st == EXO_OK)
        hal_irq_unmask(irq->line);
    return st;
}

int64_t sys_irq_message(exo_cap irq_cap, uint64_t *out)
{
    struct irq *irq;
    uint64_t words[2];
    uint32_t value;
    int64_t st = env_object(env_current(), irq_cap, EXO_IRQ, EXO_R_CONTROL, (void **)&irq);

    if (st != EXO_OK)
        return st;
    if (!hal_irq_message(irq->line, &words[0], &value))
        return EXO_ENOENT;
    words[1] = value;
    return hal_copy_out((uintptr_t)out, words, sizeof words) ? EXO_OK : EXO_EFAULT;
}

int64_t sys_ioport_create(exo_cap platform_cap, uint32_t first, uint32_t count)
{
    void *made;
    int64_t st = platform(platform_cap, EXO_R_CONTROL);

    if (st != EXO_OK)
        return st;
    if (count == 0 || first >= HAL_PORTS || count > HAL_PORTS - first)
        return EXO_EINVAL;
    if ((st = object_create(EXO_IOPORT, env_current()->account, &made)) != EXO_OK)
        return st;
    struct ioport *p = made;
    p->first = first;
    p->count = count;
    return env_grant_new(env_current(), made, EXO_R_ALL);
}

/* Checks an access of `width` bytes at `offset` and answers the port. */
static int64_t port_of(exo_cap ports, uint32_t offset, uint32_t width, uint32_t rights,
                       uint32_t *port)
{
    struct ioport *p;
    int64_t st = env_object(env_current(), ports, EXO_IOPORT, rights, (void **)&p);

    if (st != EXO_OK)
        return st;
    if ((width != 1 && width != 2 && width != 4) || offset >= p->count || width > p->count - offset)
        return EXO_EINVAL;
    *port = p->first + offset;
    return EXO_OK;
}

int64_t sys_port_read(exo_cap ports, uint32_t offset, uint32_t width)
{
    uint32_t port;
    int64_t st = port_of(ports, offset, width, EXO_R_READ, &port);

    return st == EXO_OK ? (int64_t)hal_port_read(port, width) : st;
}

int64_t sys_port_write(exo_cap ports, uint32_t offset, uint32_t width, uint32_t value)
{
    uint32_t port;
    int64_t st = port_of(ports, offset, width, EXO_R_WRITE, &port);

    if (st == EXO_OK)
        hal_port_write(port, width, value);
    return st;
}

int64_t sys_device_frame(exo_cap platform_cap, uint64_t physical, uint64_t pages)
{
    struct extent *e;
    int64_t st = platform(platform_cap, EXO_R_CONTROL);

    if (st != EXO_OK)
        return st;
    if ((physical & (EXO_PAGE_SIZE - 1)) != 0 || pages == 0 || pages > 1 << 20 ||
        physical >> EXO_PAGE_SHIFT > PFN_NONE - pages)
        return EXO_EINVAL;
    if (!frame_are_device((pfn_t)(physical >> EXO_PAGE_SHIFT), pages))
        return EXO_EINVAL;
    if ((st = extent_create(env_current()->account, (pfn_t)(physical >> EXO_PAGE_SHIFT), pages,
                            true, &e)) != EXO_OK)
        return st;
    return env_grant_new(env_current(), &e->source.object, EXO_R_ALL & ~EXO_R_EXEC);
}

int64_t sys_frame_part(exo_cap frame, uint64_t first, uint64_t pages)
{
    struct extent *whole, *part;
    int64_t st = env_object(env_current(), frame, EXO_FRAME, EXO_R_READ | EXO_R_WRITE | EXO_R_GRANT,
                            (void **)&whole);

    if (st != EXO_OK)
        return st;
    if (!whole->device || pages == 0 || first >= whole->source.pages ||
        pages > whole->source.pages - first)
        return EXO_EINVAL;
    if ((st = extent_create(env_current()->account, whole->first + (pfn_t)first, pages, true,
                            &part)) != EXO_OK)
        return st;
    return env_grant_new(env_current(), &part->source.object, EXO_R_ALL & ~EXO_R_EXEC);
}

#define LOG_MAX 1024u

int64_t sys_log(exo_cap platform_cap, const char *text, uint64_t bytes)
{
    static char line[LOG_MAX];
    int64_t st = platform(platform_cap, EXO_R_WRITE);

    if (st != EXO_OK)
        return st;
    if (bytes > LOG_MAX)
        return EXO_EINVAL;
    if (!hal_copy_in(line, (uintptr_t)text, bytes))
        return EXO_EFAULT;
    log_write(line, bytes);
    return (int64_t)bytes;
}

int64_t sys_log_read(exo_cap platform_cap, char *to, uint64_t bytes)
{
    int64_t st = platform(platform_cap, EXO_R_READ);
    uint64_t end = log_end(), at = end < EXO_LOG_BYTES ? 0 : end - EXO_LOG_BYTES, done = 0;

    if (st != EXO_OK)
        return st;
    if (bytes < end - at)
        at = end - bytes;
    while (at < end) {
        char piece[256];
        size_t wanted = end - at < sizeof piece ? end - at : sizeof piece;
        size_t got = log_kept(at, piece, wanted);

        if (!hal_copy_out((uintptr_t)to + done, piece, got))
            return EXO_EFAULT;
        at += got;
        done += got;
    }
    return (int64_t)done;
}

int64_t sys_power_off(exo_cap platform_cap, uint32_t status)
{
    int64_t st = platform(platform_cap, EXO_R_CONTROL);

    if (st != EXO_OK)
        return st;
    kernel_power_off(status & 0xff);
}

int64_t sys_entropy(uint64_t *out)
{
    uint64_t bits = hal_entropy();

    return hal_copy_out((uintptr_t)out, &bits, sizeof bits) ? EXO_OK : EXO_EFAULT;
}
