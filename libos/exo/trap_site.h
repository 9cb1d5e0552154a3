/* SPDX-License-Identifier: MIT */
/* A program built with EXO_TRAP_SITES has a table of its trap instructions: libos/posix/trace_native.c. */
#ifndef EXO_TRAP_SITE

#ifdef EXO_TRAP_SITES
#define EXO_TRAP_SITE \
    ".pushsection .rodata.trap_sites, \"a\"\n.balign 8\n.quad 7777f\n.popsection\n7777: "
#else
#define EXO_TRAP_SITE ""
#endif

#endif
