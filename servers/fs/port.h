/* SPDX-License-Identifier: MIT */
/*
 * The kernel, as fs needs it: everything that is more than computing. port.c makes the native
 * calls; a unit test puts its own functions here. Results are >= 0 or a negative Linux errno.
 */
#ifndef FS_PORT_H
#define FS_PORT_H

#include <exo/service.h>
#include <exo/types.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

uint64_t port_now(void);    /* nanoseconds since 1970 */
uint64_t port_uptime(void); /* nanoseconds since the start */

/* Maps what fs was given, and the heap. `again`: the last life has left a heap, and all that is kept;
 * else whatever there is of it goes. */
int64_t port_start(uint8_t **archive, uint64_t *archive_bytes, bool again);
uint64_t port_own_pages(void); /* that fs itself may still take: its heap */
void port_request_done(void);  /* lets go of what was kept for one request */

/* ---- regions: what files are made of ---- */
/** `spare`: if the store is full, fs itself pays, so that the programs of the archive still run. */
int64_t port_region_make(uint64_t pages, bool spare);
int64_t port_region_write(exo_cap region, uint64_t offset, const void *from, uint64_t bytes);
int64_t port_region_read(exo_cap region, uint64_t offset, void *to, uint64_t bytes);
/* Touching a page at index `pages` or behind is an error from now on, not a fresh page. */
void port_region_limit(exo_cap region, uint64_t pages);
int64_t port_region_punch(exo_cap region, uint64_t page, uint64_t pages);
/* Which of at most 512 pages were written by mappings since the last time: a bit each. @return how many. */
int64_t port_region_harvest(exo_cap region, uint64_t page, uint64_t pages, uint64_t *dirty);
/* Moves pages of the boot archive into a region. */
int64_t port_region_adopt(exo_cap region, uint64_t page, uint64_t archive_page, uint64_t pages);
/* A capability to give away: a child with these EXO_R_* rights. */
int64_t port_region_loan(exo_cap region, uint32_t rights);
/* How many capabilities to it there are; 1: nobody but fs. */
uint32_t port_region_holders(exo_cap region);
/* Maps one page of a region for fs itself, until port_unmap; 0: cannot. */
void *port_region_map(exo_cap region, uint64_t page);
/* Maps it once more where it was in the last life. */
void port_region_remap(exo_cap region, uint64_t page, void *where);
void port_unmap(void *page);
void port_wake(const void *word);

/* ---- capabilities ---- */
/* An endpoint for open file `id`. */
int64_t port_file_handle(uint32_t id);
/* It is to outlive this life of fs. `lender`: fs is told when the last holder is gone. */
void port_keep(exo_cap cap, bool lender);
/* Does anybody hold what was lent of it? */
bool port_is_lent(exo_cap cap);
void port_drop(exo_cap cap);
uint32_t port_slot(exo_cap cap);

/* Disks (disk.c): an extent, for one opening of a block device. */
int64_t port_extent(uint64_t rdev, bool write);
struct ext4_device;
/* A disk or partition for ext4 (disk_volume.c), and the memory for its blocks. -EROFS: it can be read only.
 * `number`, below DISK_VOLUMES, is not in use. */
int64_t port_volume(uint32_t number, uint64_t rdev, bool write, struct ext4_device *device,
                    void **memory, size_t *bytes);
void port_volume_close(uint32_t number); /* nothing is under way */
/* fs gets EXO_EVENT_TIMER after `ns`. */
void port_timer(uint64_t ns);

/* ---- what procfs and statfs tell ---- */
/* Pages that files may take, and have taken; the archive's in both. */
void port_store_usage(uint64_t *limit, uint64_t *used);
/* Reads `bytes` at `offset` of what process `slot` publishes (struct proc_shared). */
/** The end of the kernel's log. @return bytes. */
int64_t port_log(char *to, uint64_t bytes);
/** What the kernel's table says of service `i`; negative: there is none. */
int64_t port_service(uint32_t i, struct exo_service_info *info);
/** Ends its life with this enum exo_cause; EXO_ALIVE: starts it. It may be fs's own life. */
void port_service_end(uint32_t i, uint32_t cause);
/** Takes its program away. -EBUSY: it runs. */
int64_t port_service_unload(uint32_t i);
/** -EINVAL: no such policy or limit. */
int64_t port_service_policy(uint32_t i, uint32_t policy);
int64_t port_service_limit(uint32_t i, uint32_t rebirths, uint64_t window);
/** A capability of the table to give away. */
int64_t port_service_table(bool control);
/** Pages of a process's range that are in memory: all, private, written, both. */
void port_resident(uint32_t slot, uint64_t va, uint64_t pages, uint64_t count[4]);
int64_t port_published(uint32_t slot, uint64_t offset, void *to, uint64_t bytes);
/* Running processes and all that ever were. */
void port_process_counts(uint64_t *processes, uint64_t *forks);
const struct exo_view *port_view(void);
/** The same once the kernel has tidied up after the dead and brought its counters up to date. */
const struct exo_view *port_view_now(void);
const char *port_command_line(void); /* the kernel's */

#endif
