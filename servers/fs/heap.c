/* SPDX-License-Identifier: MIT */
/* The heap of fs is one of its records: it outlives fs, and changes in transactions (lib/undo.h). */
#define HEAP_LOGGED 1
#include "lib/heap.c"
