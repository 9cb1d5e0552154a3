/* SPDX-License-Identifier: MIT */
/*
 * Reading rights files. A line is cut into words; a table says for each first word how many words
 * follow and what they mean. A line that is not in the table is an error, never a warning: a server
 * with a right it should not have is worse than one that does not start.
 *
 * Tests: tests/c17/unit/test_init_rights.c
 */
#include <exo/service.h>

#include <lib/string.h>
#include <servers/init/rights.h>

#define WORDS 4u

const char *const server_names[SERVERS] = {"pci", "virtio_blk", "proc", "fs", "tty"};

struct word {
    const char *text;
    size_t length;
};

static bool word_is(const struct word *w, const char *text)
{
    return w->length == strlen(text) && memcmp(w->text, text, w->length) == 0;
}

static bool word_number(const struct word *w, uint32_t most, uint32_t *out)
{
    bool hex = w->length > 2 && w->text[0] == '0' && w->text[1] == 'x';
    uint64_t number = 0;

    for (size_t i = hex ? 2 : 0; i < w->length; i++) {
        char c = w->text[i];
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                                : 16;

        if (digit >= (hex ? 16u : 10u))
            return false;
        number = number * (hex ? 16 : 10) + digit;
        if (number > most)
            return false;
    }
    *out = (uint32_t)number;
    return true;
}

static bool word_server(const struct word *w, enum server *out)
{
    for (unsigned i = 0; i < SERVERS; i++) {
        if (word_is(w, server_names[i])) {
            *out = (enum server)i;
            return true;
        }
    }
    return false;
}

/* ---- the lines: each takes the words after the first ------------------------------------------- */

static bool line_endpoint(struct rights *r, const struct word *w)
{
    (void)w;
    r->endpoint = true;
    return true;
}

static bool line_log(struct rights *r, const struct word *w)
{
    (void)w;
    r->log = true;
    return true;
}

static bool line_log_read(struct rights *r, const struct word *w)
{
    (void)w;
    r->log = r->log_read = true;
    return true;
}

static bool line_archive(struct rights *r, const struct word *w)
{
    (void)w;
    r->archive = true;
    return true;
}

static bool line_options(struct rights *r, const struct word *w)
{
    (void)w;
    r->options = true;
    return true;
}

static bool line_call(struct rights *r, const struct word *w)
{
    enum server server;

    if (!word_server(w, &server))
        return false;
    r->call[server] = true;
    return true;
}

static bool line_mint(struct rights *r, const struct word *w)
{
    enum server server;

    if (!word_server(w, &server))
        return false;
    r->mint[server] = true;
    return true;
}

static bool line_table(struct rights *r, const struct word *w)
{
    bool write = word_is(w, "write");

    r->table_read = true;
    r->table_write = r->table_write || write;
    return write || word_is(w, "read");
}

static bool add_device(struct rights *r, struct device device)
{
    if (r->device_count == RIGHTS_DEVICES)
        return false;
    r->devices[r->device_count++] = device;
    return true;
}

static bool line_ioport(struct rights *r, const struct word *w)
{
    struct device d = {.kind = DEVICE_IOPORT};

    return word_number(&w[0], 0xffff, &d.first) && word_number(&w[1], 0x10000, &d.count) &&
           d.count > 0 && d.first + d.count <= 0x10000 && add_device(r, d);
}

static bool line_irq(struct rights *r, const struct word *w)
{
    struct device d = {.kind = DEVICE_IRQ, .count = 1};

    return word_number(&w[0], 1023, &d.first) && add_device(r, d);
}

/* Where it is, is the boot record's to say. */
static bool line_console(struct rights *r, const struct word *w)
{
    (void)w;
    return add_device(r, (struct device){.kind = DEVICE_CONSOLE_REGISTERS}) &&
           add_device(r, (struct device){.kind = DEVICE_CONSOLE_IRQ});
}

static bool line_pci(struct rights *r, const struct word *w)
{
    bool room = add_device(r, (struct device){.kind = DEVICE_PCI_CONFIG}) &&
                add_device(r, (struct device){.kind = DEVICE_PCI_WINDOW});

    (void)w;
    for (uint32_t i = 0; i < RIGHTS_PCI_IRQS && room; i++)
        room = add_device(r, (struct device){.kind = DEVICE_PCI_IRQ, .first = i});
    return room;
}

static bool line_frames(struct rights *r, const struct word *w)
{
    return word_number(w, 65536, &r->frames) && r->frames > 0;
}

static bool line_memory(struct rights *r, const struct word *w)
{
    return word_number(w, 90, &r->memory) && r->memory > 0;
}

static bool line_priority(struct rights *r, const struct word *w)
{
    return word_number(w, RIGHTS_PRIORITY_MOST, &r->priority) && r->priority > 0;
}

static bool line_services(struct rights *r, const struct word *w)
{
    bool control = word_is(w, "control");

    r->services_read = true;
    r->services_control = r->services_control || control;
    return control || word_is(w, "read");
}

static bool line_reborn(struct rights *r, const struct word *w)
{
    r->policy = word_is(w, "always") ? RS_POLICY_ALWAYS : RS_POLICY_ON_FAILURE;
    return word_is(w, "always") || word_is(w, "on-failure");
}

static bool line_limit(struct rights *r, const struct word *w)
{
    r->limited = true;
    return word_number(&w[0], EXO_SERVICE_LIMIT_MOST, &r->limit) &&
           word_number(&w[1], 1000000, &r->window) && r->window > 0;
}

#define MS_MOST 3600000u

static bool line_heartbeat(struct rights *r, const struct word *w)
{
    return word_number(w, MS_MOST, &r->heartbeat) && r->heartbeat > 0;
}

static bool line_backoff(struct rights *r, const struct word *w)
{
    return word_number(w, MS_MOST, &r->backoff) && r->backoff > 0;
}

static bool line_recovery(struct rights *r, const struct word *w)
{
    if (w->length >= sizeof r->recovery || w->text[0] != '/')
        return false;
    memcpy(r->recovery, w->text, w->length);
    r->recovery[w->length] = '\0';
    return true;
}

static bool line_follow(struct rights *r, const struct word *w)
{
    enum server server;

    if (!word_server(w, &server))
        return false;
    r->follow[server] = true;
    return true;
}

static bool line_escalate(struct rights *r, const struct word *w)
{
    static const char *const ways[] = {"leave", "restart", "stop"};

    for (unsigned i = 0; i < 3; i++) {
        if (word_is(w, ways[i])) {
            r->escalate = (enum escalate)i;
            return true;
        }
    }
    return false;
}

static const struct {
    const char *name;
    unsigned words; /* after the name */
    bool (*take)(struct rights *, const struct word *);
} lines[] = {
    {"endpoint", 0, line_endpoint},
    {"log", 0, line_log},
    {"archive", 0, line_archive},
    {"options", 0, line_options},
    {"call", 1, line_call},
    {"mint", 1, line_mint},
    {"table", 1, line_table},
    {"ioport", 2, line_ioport},
    {"irq", 1, line_irq},
    {"pci", 0, line_pci},
    {"frames", 1, line_frames},
    {"console", 0, line_console},
    {"log-read", 0, line_log_read},
    {"memory", 1, line_memory},
    {"priority", 1, line_priority},
    {"services", 1, line_services},
    {"reborn", 1, line_reborn},
    {"limit", 2, line_limit},
    {"heartbeat", 1, line_heartbeat},
    {"backoff", 1, line_backoff},
    {"recovery", 1, line_recovery},
    {"follow", 1, line_follow},
    {"escalate", 1, line_escalate},
};

/* ---- the file ---------------------------------------------------------------------------------- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* Cuts [at, end) into words, up to a comment. Counts those beyond WORDS too. */
static unsigned split(const char *at, const char *end, struct word words[WORDS])
{
    unsigned count = 0;

    for (;;) {
        while (at < end && is_space(*at))
            at++;
        if (at == end || *at == '#')
            return count;
        const char *start = at;
        while (at < end && !is_space(*at) && *at != '#')
            at++;
        if (count < WORDS)
            words[count] = (struct word){start, (size_t)(at - start)};
        count++;
    }
}

static bool take_line(struct rights *r, const char *start, const char *end)
{
    struct word words[WORDS];
    unsigned count = split(start, end, words);

    if (count == 0)
        return true;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (word_is(&words[0], lines[i].name))
            return count == lines[i].words + 1 && lines[i].take(r, words + 1);
    return false;
}

unsigned rights_parse(const char *text, size_t bytes, struct rights *out)
{
    const char *at = text, *end = text + bytes;
    unsigned number = 0;

    *out = (struct rights){.memory = RIGHTS_MEMORY, .priority = RIGHTS_PRIORITY};
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));

        if (line_end == NULL)
            line_end = end;
        number++;
        if (!take_line(out, at, line_end))
            return number;
        at = line_end < end ? line_end + 1 : end;
    }
    return 0;
}
