/* SPDX-License-Identifier: MIT */
/*
 * Four threads read a table of sixteen million bytes that never exists as a whole: word i of it is
 * i squared, computed when its page is touched, and at most TINY_RESIDENT pages are kept. They are
 * preempted while they do so.
 */
#include <lib/string.h>
#include <libos/exo/log.h>
#include <libos/tiny/tiny.h>

#define TABLE_VA   0x0000300000000000u
#define PAGES      4096u
#define PAGE_WORDS (EXO_PAGE_SIZE / sizeof(uint64_t))
#define WORDS      (PAGES * PAGE_WORDS)
#define THREADS    4u
#define STRIDE     61u /* one word in so many is read */

static uint64_t sums[THREADS];

static void fill_squares(void *page, size_t index)
{
    uint64_t *words = page, first = index * PAGE_WORDS;

    for (uint64_t i = 0; i < PAGE_WORDS; i++)
        words[i] = (first + i) * (first + i);
}

static struct tiny_pager squares = {.va = TABLE_VA, .pages = PAGES, .fill = fill_squares};

static void add_up(uint64_t which)
{
    const uint64_t *table = (const uint64_t *)TABLE_VA;

    for (uint64_t i = which; i < WORDS; i += THREADS * STRIDE)
        sums[which] += table[i];
}

static uint64_t expected_sum(uint64_t which)
{
    uint64_t sum = 0;

    for (uint64_t i = which; i < WORDS; i += THREADS * STRIDE)
        sum += i * i;
    return sum;
}

static int program(void)
{
    struct tiny_thread *threads[THREADS];
    int wrong = 0;

    tiny_pager_add(&squares);
    for (uint64_t i = 0; i < THREADS; i++) {
        threads[i] = tiny_thread(add_up, i);
        if (threads[i] == NULL)
            return 2;
    }
    for (unsigned i = 0; i < THREADS; i++)
        tiny_join(threads[i]);
    for (uint64_t i = 0; i < THREADS; i++)
        wrong += sums[i] != expected_sum(i);
    log_line("%u threads, %d wrong sums, %s preemptions, %s faults", THREADS, wrong,
             tiny_preemptions() >= THREADS ? "many" : "few",
             squares.faults >= PAGES ? "many" : "few");
    return wrong != 0 || tiny_preemptions() < THREADS || squares.faults < PAGES;
}

int main(void)
{
    return tiny_run(program);
}
