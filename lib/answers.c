/* SPDX-License-Identifier: MIT */
/* Answers that may not have arrived; see answers.h. Tests: tests/c17/unit/test_lib_answers.c */
#include <lib/answers.h>
#include <lib/string.h>

KEPT static struct {
    /* The low half: bit i: record i waits for its caller to ask again. The high half: 1 + the record of
     * the answer committed last, or 0 when it was delivered. One word, so that an answer is always
     * in one place. */
    uint64_t state;
    uint64_t victim; /* the record that makes place when all wait */
    struct answer records[ANSWERS];
} answers;

#define WAITING(state)      ((uint32_t)(state))
#define STATE(waiting, out) ((uint64_t)(out) << 32 | (waiting))

static uint32_t committed(void)
{
    return (uint32_t)(answers.state >> 32);
}

void answers_begin(void)
{
    answers.state = WAITING(answers.state);
    UNDO_ORDER();
}

void answers_recover(bool serving, uint64_t badge)
{
    uint32_t out = committed(), waiting = WAITING(answers.state);

    if (out != 0 && serving && badge == EXO_NO_BADGE)
        waiting |= 1u << (out - 1);
    answers.state = waiting;
    UNDO_ORDER();
}

/* Tells what a request brought from what another one did; nobody but the caller could profit from a
 * collision. */
static uint64_t hash(const uint8_t *bytes, uint32_t count)
{
    uint64_t h = count, word;

    for (; count >= 8; bytes += 8, count -= 8) {
        memcpy(&word, bytes, 8);
        h = (h ^ word) * 0x9e3779b97f4a7c15u;
        h ^= h >> 32;
    }
    for (; count > 0; bytes++, count--)
        h = (h ^ *bytes) * 0x9e3779b97f4a7c15u;
    return h;
}

static bool same_words(const uint64_t a[4], const uint64_t b[4])
{
    return a[0] == b[0] && a[1] == b[1] && a[2] == b[2] && a[3] == b[3];
}

const struct answer *answers_find(volatile uint64_t *utcb_badge, uint64_t *tag,
                                  const uint64_t words[4], const void *bytes)
{
    uint64_t badge = *utcb_badge;
    uint32_t waiting = WAITING(answers.state);

    if (!(*tag & EXO_LABEL_AGAIN) || EXO_TAG_LABEL(*tag) == EXO_LABEL_EVENT)
        return 0;
    *tag &= ~(uint64_t)EXO_LABEL_AGAIN;
    for (uint32_t i = 0; i < ANSWERS; i++) {
        const struct answer *a = &answers.records[i];

        if (!(waiting & 1u << i) || a->badge != badge || a->asked != *tag ||
            !same_words(a->asked_words, words) || a->asked_hash != hash(bytes, EXO_TAG_BYTES(*tag)))
            continue;
        *utcb_badge = EXO_NO_BADGE;
        UNDO_ORDER();
        answers.state = STATE(waiting & ~(1u << i), i + 1);
        UNDO_ORDER();
        return a;
    }
    return 0;
}

struct answer *answers_keep(uint64_t badge, uint64_t tag, const uint64_t words[4],
                            const void *bytes)
{
    uint32_t waiting = WAITING(answers.state), i = 0;

    while (i < ANSWERS && (waiting & 1u << i))
        i++;
    if (i == ANSWERS) {
        i = (uint32_t)(answers.victim % ANSWERS);
        SET(answers.victim, answers.victim + 1);
    }
    SET(answers.state, STATE(waiting & ~(1u << i), i + 1));
    struct answer *a = &answers.records[i];
    a->badge = badge;
    a->asked = tag;
    a->asked_hash = hash(bytes, EXO_TAG_BYTES(tag));
    memcpy(a->asked_words, words, sizeof a->asked_words);
    return a;
}

void answers_commit(volatile uint64_t *utcb_badge)
{
    *utcb_badge = EXO_NO_BADGE;
    undo_commit();
}

const struct answer *answers_waiting(uint32_t i)
{
    return WAITING(answers.state) & 1u << i ? &answers.records[i] : 0;
}

void answers_forget(uint64_t badge)
{
    for (uint32_t i = 0; i < ANSWERS; i++) {
        if ((WAITING(answers.state) & 1u << i) && answers.records[i].badge == badge)
            SET(answers.state, answers.state & ~(uint64_t)(1u << i));
    }
}
