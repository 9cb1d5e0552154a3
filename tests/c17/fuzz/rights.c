// SPDX-License-Identifier: MIT
/* Any text as a rights file: what is understood is in range; what is not has a line that is there. */
// links: servers/init/rights.c
#include <stdlib.h>

#include "servers/init/rights.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static struct rights rights;
    unsigned lines = 1, wrong = rights_parse((const char *)bytes, size, &rights);

    for (size_t i = 0; i < size; i++)
        lines += bytes[i] == '\n';
    if (wrong > lines)
        abort();
    if (wrong == 0 && (rights.priority > RIGHTS_PRIORITY_MOST || rights.memory > 100 ||
                       rights.device_count > RIGHTS_DEVICES || rights.escalate > ESCALATE_STOP))
        abort();
    for (uint32_t i = 0; wrong == 0 && i < rights.device_count; i++) {
        if (rights.devices[i].kind > DEVICE_PCI_IRQ)
            abort();
    }
    return 0;
}
