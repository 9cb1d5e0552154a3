/* SPDX-License-Identifier: MIT */
/*
 * What init wants to be told: event bits at its notification, which proc holds with the right to
 * signal (EXO_SRV_INIT). Nothing calls init; calls run downwards only.
 *
 * init is the parent of the first process and of orphans: proc takes PROC_WAIT with the badge
 * PROC_SERVER_INIT for a wait of that parent, and raises INIT_EVENT_CHILD whenever such a child has
 * ended.
 */
#ifndef PROTO_INIT_H
#define PROTO_INIT_H

#define INIT_EVENT_CHILD     0x1u /* a child of init ended: PROC_WAIT tells which */
#define INIT_EVENT_POWER_OFF 0x2u /* PROC_REBOOT was called with root's authority */

#endif
