/* SPDX-License-Identifier: MIT */
/* Empty: libfdt asks for this header, and uses nothing of it. */
