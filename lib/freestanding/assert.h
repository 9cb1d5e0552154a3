/* SPDX-License-Identifier: MIT
 *
 * The part of <assert.h> that freestanding code needs: static_assert. Clang brings the other
 * headers of a freestanding C17, but not this one. */
#pragma once

#define static_assert _Static_assert
