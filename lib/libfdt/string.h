/* SPDX-License-Identifier: MIT */
/* The standard's name for lib/string.h, for libfdt. */
#include "lib/string.h"
