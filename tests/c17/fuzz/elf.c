// SPDX-License-Identifier: MIT
/* Any bytes as the beginning of a program: what elf_parse accepts keeps what elf.h says. */
// links: lib/elf.c
#include <stdlib.h>

#include "lib/elf.h"

#define PAGE       4096u
#define FILE_BYTES (16u << 20) /* of the whole file */

#define HOLDS(condition)  \
    do {                  \
        if (!(condition)) \
            abort();      \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct elf_image image;
    uint64_t end = 0;

    if (elf_parse(bytes, size < FILE_BYTES ? size : FILE_BYTES, FILE_BYTES, &image) != ELF_OK)
        return 0;
    HOLDS(image.segment_count >= 1 && image.segment_count <= ELF_SEGMENTS);
    HOLDS(image.low % PAGE == 0 && image.high % PAGE == 0 && image.low < image.high);
    HOLDS(image.align >= PAGE && (image.align & (image.align - 1)) == 0);
    for (uint32_t i = 0; i < image.segment_count; i++) {
        const struct elf_segment *s = &image.segments[i];

        HOLDS(s->file_bytes <= s->bytes);
        HOLDS(s->offset <= FILE_BYTES && s->file_bytes <= FILE_BYTES - s->offset);
        HOLDS(s->va >= end && s->bytes <= UINT64_MAX - s->va);
        end = s->va + s->bytes;
        HOLDS(s->va >= image.low && end <= image.high);
    }
    HOLDS(image.interpreter_bytes == 0 ||
          (image.interpreter_offset <= FILE_BYTES &&
           image.interpreter_bytes <= FILE_BYTES - image.interpreter_offset));
    return 0;
}
