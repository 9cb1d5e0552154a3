/* SPDX-License-Identifier: MIT */
/* One more than the highest number in numbers.def; entry.S needs it as a plain number. */
#define NUMBER_LIMIT 451
