/* SPDX-License-Identifier: MIT */
/*
 * Memory of a native program: the heap grows upwards from NATIVE_HEAP_VA.
 *
 * The whole range is reserved once, which costs nothing: the kernel fills a page with zeros at its
 * first touch and charges it then. A server must learn that memory is out when it asks, not when
 * it writes, so a piece is touched here, after a look at the account; a few pages are kept back for
 * the stack and page tables.
 */
#include <exo.h>

#include <libos/exo/layout.h>
#include <libos/exo/memory.h>

#define KEPT_BACK 24u /* frames */

static char *next, *end;

static uint64_t frames_left(void)
{
    uint64_t words[4];

    if (exo_account_info(EXO_CAP_ACCOUNT, words) != EXO_OK)
        return 0;
    return words[0] - words[1];
}

static void reserve(void)
{
    if (exo_map(0, NATIVE_HEAP_VA, NATIVE_HEAP_BYTES / EXO_PAGE_SIZE, 0, 0,
                EXO_MAP_READ | EXO_MAP_WRITE) != EXO_OK)
        return;
    next = (char *)NATIVE_HEAP_VA;
    end = next + NATIVE_HEAP_BYTES;
}

void *memory_more(size_t *bytes)
{
    size_t pages = (*bytes + EXO_PAGE_SIZE - 1) / EXO_PAGE_SIZE;
    char *piece;

    if (next == NULL)
        reserve();
    piece = next;
    if (pages > (size_t)(end - next) / EXO_PAGE_SIZE || frames_left() < pages + KEPT_BACK)
        return NULL;
    for (; pages > 0; pages--, next += EXO_PAGE_SIZE)
        *(volatile char *)next = 0;
    *bytes = (size_t)(next - piece);
    return piece;
}
