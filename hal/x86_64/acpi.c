/* SPDX-License-Identifier: MIT */
/*
 * The one ACPI table the kernel needs itself: the MADT, which says which processors there are, where
 * the interrupt controllers are and how the old ISA lines are wired to them (ACPI 6.5, 5.2.12). Everything else in ACPI is a
 * matter for user space. Without tables the addresses are those that every PC has.
 */
#include "machine.h"

struct header { /* ACPI 5.2.6 */
    char signature[4];
    uint32_t bytes;
    uint8_t rest[28];
};

struct rsdp { /* ACPI 5.2.5.3 */
    char signature[8];
    uint8_t checksum, oem[6], revision;
    uint32_t rsdt_pa, bytes;
    uint64_t xsdt_pa;
} __attribute__((packed));

struct madt {
    struct header header;
    uint32_t lapic_pa, flags;
};

struct madt_cpu { /* entry type 0 */
    uint8_t type, bytes, processor, apic_id;
    uint32_t flags; /* bit 0: it is there */
};

struct madt_ioapic { /* entry type 1 */
    uint8_t type, bytes, id, reserved;
    uint32_t pa, first;
};

struct madt_override { /* entry type 2 */
    uint8_t type, bytes, bus, line;
    uint32_t gsi;
    uint16_t flags; /* bits 0-1 polarity, 2-3 trigger; 0 as the bus, 1 high/edge, 3 low/level */
} __attribute__((packed));

static void defaults(struct acpi_info *info)
{
    info->lapic_pa = 0xfee00000;
    info->ioapic_pa = 0xfec00000;
    for (unsigned line = 0; line < 16; line++)
        info->isa[line].gsi = line;
}

/* The table at pa if it is one, whole, and within reach. */
static const struct header *table_at(uint64_t pa)
{
    const struct header *table = early_ptr(pa);

    if (!early_reachable(pa, sizeof *table) || !early_reachable(pa, table->bytes) ||
        table->bytes < sizeof *table)
        return 0;
    return table;
}

static bool signature_is(const struct header *table, const char *name)
{
    return table->signature[0] == name[0] && table->signature[1] == name[1] &&
           table->signature[2] == name[2] && table->signature[3] == name[3];
}

/* Entry `i` of the root table: 4 bytes each in the RSDT, 8 (unaligned) in the XSDT. */
static uint64_t root_entry(const struct header *root, unsigned width, unsigned i)
{
    const uint8_t *entry = (const uint8_t *)(root + 1) + i * width;
    uint64_t pa = 0;

    for (unsigned byte = width; byte-- > 0;)
        pa = pa << 8 | entry[byte];
    return pa;
}

static const struct madt *madt_find(uint64_t rsdp_pa)
{
    const struct rsdp *rsdp = early_ptr(rsdp_pa);

    if (!early_reachable(rsdp_pa, sizeof *rsdp))
        return 0;
    unsigned width = rsdp->revision >= 2 && table_at(rsdp->xsdt_pa) ? 8 : 4;
    const struct header *root = table_at(width == 8 ? rsdp->xsdt_pa : rsdp->rsdt_pa);
    if (!root)
        return 0;
    for (unsigned i = 0; i < (root->bytes - sizeof *root) / width; i++) {
        const struct header *table = table_at(root_entry(root, width, i));
        if (table && signature_is(table, "APIC") && table->bytes >= sizeof(struct madt))
            return (const struct madt *)table;
    }
    return 0;
}

static void madt_entry(const uint8_t *entry, struct acpi_info *info)
{
    if (entry[0] == 0) {
        const struct madt_cpu *cpu = (const struct madt_cpu *)entry;
        if (cpu->flags & 1 && info->cpu_count < HAL_CPUS)
            info->cpu_apic_id[info->cpu_count++] = cpu->apic_id;
    } else if (entry[0] == 1) {
        const struct madt_ioapic *ioapic = (const struct madt_ioapic *)entry;
        if (ioapic->first == 0) { /* a second controller's lines lie beyond HAL_IRQS */
            info->ioapic_pa = ioapic->pa;
        }
    } else if (entry[0] == 2) {
        const struct madt_override *override = (const struct madt_override *)entry;
        if (override->line < 16) {
            info->isa[override->line].gsi = override->gsi;
            info->isa[override->line].low = (override->flags & 3) == 3;
            info->isa[override->line].level = (override->flags >> 2 & 3) == 3;
        }
    }
}

void acpi_read(uint64_t rsdp_pa, struct acpi_info *info)
{
    defaults(info);
    const struct madt *madt = madt_find(rsdp_pa);
    if (!madt)
        return;
    info->lapic_pa = madt->lapic_pa;
    const uint8_t *entry = (const uint8_t *)(madt + 1);
    const uint8_t *end = (const uint8_t *)madt + madt->header.bytes;
    while (end - entry >= 2 && entry[1] >= 2 && entry[1] <= end - entry) {
        madt_entry(entry, info);
        entry += entry[1];
    }
}
