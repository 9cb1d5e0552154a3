// SPDX-License-Identifier: MIT
/* cap_copy, cap_derive, cap_delete, cap_revoke, cap_info, cap_flags, cap_clone, next_childless. */
#include "contract.h"

static struct exo_cap_info info_of(exo_cap cap)
{
    struct exo_cap_info info = {0};

    OK(exo_cap_info(cap, &info));
    return info;
}

static void null_answers_0(void)
{
    EXPECT(exo_null(), EXO_OK);
}

static void unknown_numbers_are_enosys(void)
{
    EXPECT(exo_trap3(EXO_NR_BASE + EXO_NR_LIMIT - 1, 0, 0, 0), EXO_ENOSYS);
    EXPECT(exo_trap3(EXO_NR_BASE + 0x0f, 0, 0, 0), EXO_ENOSYS);
}

/* ---- copy and derive --------------------------------------------------------------------------- */

static void copy_is_a_sibling_with_the_same_rights(void)
{
    exo_cap frame = OK(exo_frame_alloc(0, 3));
    exo_cap narrow = OK(exo_cap_derive(frame, EXO_R_READ, 0, 0, 0));
    exo_cap copy = OK(exo_cap_copy(narrow, 0, 0));

    EXPECT_TRUE(copy != narrow);
    EXPECT(info_of(copy).type, EXO_FRAME);
    EXPECT(info_of(copy).rights, EXO_R_READ);
    EXPECT(info_of(copy).size, 3 * PAGE);
    EXPECT(info_of(frame).holders, 3);
    EXPECT(exo_cap_revoke(narrow), EXO_OK); /* the copy did not come from it */
    EXPECT(info_of(frame).holders, 3);
    EXPECT(exo_cap_revoke(frame), EXO_OK); /* but both came from the frame */
    EXPECT(exo_cap_delete(copy, 0), EXO_ECAP);
    EXPECT(exo_cap_delete(narrow, 0), EXO_ECAP);
    drop(frame);
}

static void copy_goes_where_it_is_wanted(void)
{
    exo_cap want = EXO_HANDLE(777, 5);

    EXPECT(exo_cap_copy(some_note, 0, want), want);
    EXPECT(exo_cap_copy(some_note, 0, want), EXO_EEXIST);
    EXPECT(exo_cap_copy(some_note, 0, EXO_HANDLE(777, 6)), EXO_EEXIST);
    EXPECT(exo_cap_derive(some_note, EXO_R_ALL, 0, 0, want), EXO_EEXIST);
    drop(want);
    EXPECT(exo_cap_delete(want, 0), EXO_ECAP);
    EXPECT(exo_cap_copy(some_note, 0, EXO_HANDLE(777, 9)), EXO_HANDLE(777, 9));
    EXPECT(exo_cap_info(want, 0), EXO_ECAP); /* an older generation of the slot */
    drop(EXO_HANDLE(777, 9));
}

static void places_out_of_range_are_refused(void)
{
    static const exo_cap bad[] = {EXO_HANDLE(0, 1),   EXO_HANDLE(EXO_CAP_SLOTS, 1),
                                  EXO_HANDLE(777, 0), EXO_HANDLE(777, 0x80000000u),
                                  UINT64_MAX,         UINT32_MAX};

    for (unsigned i = 0; i < COUNT(bad); i++) {
        EXPECT(exo_cap_copy(some_note, 0, bad[i]), EXO_ENOSLOT);
        EXPECT(exo_cap_derive(some_note, EXO_R_ALL, 0, 0, bad[i]), EXO_ENOSLOT);
    }
}

static void copy_checks_its_capabilities(void)
{
    struct child c;

    child_make(&c, 16, 8);
    EXPECT(exo_cap_copy(stale, 0, 0), EXO_ECAP);
    EXPECT(exo_cap_copy(0, 0, 0), EXO_ECAP);
    CAP_ERRORS(exo_cap_copy(some_note, C, 0), some_frame, c.env, EXO_R_CONTROL);
    exo_cap kept = without(some_note, EXO_R_GRANT);
    EXPECT(exo_cap_copy(kept, c.env, 0), EXO_ERIGHTS);
    drop(OK(exo_cap_copy(kept, 0, 0))); /* but at home it may be copied */
    drop(kept);
    exo_cap given = OK(exo_cap_copy(some_note, c.env, 0));
    EXPECT(exo_cap_delete(given, c.env), EXO_OK);
    child_drop(&c);
}

static void derive_only_takes_rights_away(void)
{
    exo_cap endpoint = OK(exo_endpoint_create(0));
    exo_cap child = OK(exo_cap_derive(endpoint, EXO_R_CALL | EXO_R_READ, 77, 0, 0));
    exo_cap grandchild = OK(exo_cap_derive(child, EXO_R_ALL, 0, 0, 0));

    EXPECT(info_of(child).rights, EXO_R_CALL | EXO_R_READ);
    EXPECT(info_of(child).badge, 77);
    EXPECT(info_of(grandchild).rights, EXO_R_CALL | EXO_R_READ);
    EXPECT(info_of(grandchild).badge, 77);                           /* 0 keeps it */
    EXPECT(exo_cap_derive(child, EXO_R_ALL, 78, 0, 0), EXO_ERIGHTS); /* no MINT */
    EXPECT(exo_cap_derive(stale, EXO_R_ALL, 0, 0, 0), EXO_ECAP);
    struct child c;
    child_make(&c, 16, 8);
    CAP_ERRORS(exo_cap_derive(endpoint, EXO_R_ALL, 0, C, 0), some_frame, c.env, EXO_R_CONTROL);
    EXPECT(exo_cap_derive(child, EXO_R_ALL, 0, c.env, 0), EXO_ERIGHTS); /* no GRANT */
    child_drop(&c);
    EXPECT(info_of(endpoint).holders, 3);
    EXPECT(exo_cap_revoke(endpoint), EXO_OK);
    EXPECT(info_of(endpoint).holders, 1);
    drop(endpoint);
}

static void rights_beyond_those_that_exist_are_not_made(void)
{
    exo_cap child = OK(exo_cap_derive(some_note, UINT32_MAX, 0, 0, 0));

    EXPECT(info_of(child).rights, info_of(some_note).rights);
    drop(child);
}

static void depth_has_a_limit(void)
{
    exo_cap root = OK(exo_notification_create(0)), last = root;
    int64_t made;

    for (unsigned depth = 0; (made = exo_cap_derive(last, EXO_R_ALL, 0, 0, 0)) >= 0; depth++) {
        last = (exo_cap)made;
        if (depth > 5000)
            break;
    }
    EXPECT(made, EXO_EINVAL);
    drop(OK(exo_cap_copy(last, 0, 0)));
    while ((made = exo_cap_revoke(root)) == EXO_EAGAIN)
        ;
    EXPECT(made, EXO_OK);
    drop(root);
}

/* ---- delete and revoke ------------------------------------------------------------------------- */

static void delete_leaves_what_was_derived(void)
{
    exo_cap frame = OK(exo_frame_alloc(0, 1));
    exo_cap child = OK(exo_cap_derive(frame, EXO_R_ALL, 0, 0, 0));

    drop(frame);
    EXPECT(exo_map(0, page(0), 1, child, 0, RW), EXO_OK);
    WORD(page(0)) = 1;
    EXPECT(info_of(child).holders, 1);
    drop(child); /* the last one: the frame goes, and the mapping before it */
    EXPECT(exo_unmap(0, page(0), 1), EXO_OK);
}

static void delete_checks_its_capabilities(void)
{
    struct child c;

    child_make(&c, 16, 8);
    EXPECT(exo_cap_delete(stale, 0), EXO_ECAP);
    EXPECT(exo_cap_delete(0, 0), EXO_ECAP);
    EXPECT(exo_cap_delete(UINT64_MAX, 0), EXO_ECAP);
    CAP_ERRORS(exo_cap_delete(EXO_CAP_ACCOUNT, C), some_frame, c.env, EXO_R_CONTROL);
    EXPECT(exo_cap_delete(some_note, c.env), EXO_ECAP); /* a handle of mine means nothing there */
    child_drop(&c);
}

static void revoke_takes_descendants_everywhere_at_most_64_a_call(void)
{
    struct child c;
    exo_cap frame = OK(exo_frame_alloc(0, 1));

    child_make(&c, 16, 8);
    for (unsigned i = 0; i < 100; i++)
        OK(exo_cap_derive(frame, EXO_R_READ, 0, i % 2 ? c.env : 0, 0));
    EXPECT(info_of(frame).holders, 101);
    EXPECT(exo_cap_revoke(frame), EXO_EAGAIN);
    EXPECT_TRUE(info_of(frame).holders <= 37);                   /* the kernel goes on */
    EXPECT_TRUE(exo_cap_derive(frame, EXO_R_READ, 0, 0, 0) < 0); /* while it runs */
    EXPECT_TRUE(exo_cap_copy(frame, 0, 0) < 0);
    EXPECT(exo_cap_revoke(frame), EXO_OK);
    EXPECT(info_of(frame).holders, 1);
    drop(OK(exo_cap_derive(frame, EXO_R_READ, 0, 0, 0)));
    EXPECT(exo_cap_revoke(stale), EXO_ECAP);
    EXPECT(exo_cap_revoke(0), EXO_ECAP);
    drop(frame);
    child_drop(&c);
}

static void revoke_is_not_outrun_by_copies_of_a_descendant(void)
{
    struct child c;
    exo_cap frame = OK(exo_frame_alloc(0, 1));
    exo_cap last = OK(exo_cap_derive(frame, EXO_R_READ | EXO_R_GRANT, 0, 0, 0));
    exo_cap other = OK(exo_frame_alloc(0, 1));
    unsigned copies = 0;
    int64_t made = 0;

    child_make(&c, 16, 8);
    for (unsigned i = 0; i < 250; i++)
        OK(exo_cap_derive(frame, EXO_R_READ, 0, 0, 0));
    EXPECT(exo_cap_revoke(frame), EXO_EAGAIN);
    while (copies < 400 && (made = exo_cap_copy(last, c.env, 0)) > 0)
        copies++;
    EXPECT(made, EXO_ECAP);
    EXPECT_TRUE(copies < 251);
    EXPECT(exo_cap_revoke(frame),
           EXO_OK); /* which took nothing any more, but says that it is over */
    EXPECT(info_of(frame).holders, 1);
    /* A revoke that was begun and left alone does not stop others, and ends. */
    for (unsigned i = 0; i < 250; i++)
        OK(exo_cap_derive(frame, EXO_R_READ, 0, 0, 0));
    EXPECT(exo_cap_revoke(frame), EXO_EAGAIN);
    for (unsigned i = 0; i < 200; i++)
        drop(OK(exo_cap_copy(other, 0, 0)));
    EXPECT(info_of(frame).holders, 1);
    drop(frame);
    drop(other);
    child_drop(&c);
}

static void what_goes_with_a_capability_goes_in_pieces(void)
{
    struct child c;
    exo_cap region = OK(exo_region_create(0, 6000, 1));
    exo_cap lent = OK(exo_cap_derive(region, EXO_R_READ | EXO_R_WRITE, 0, 0, 0));
    uint64_t before[4], after[4];

    child_make(&c, 64, 8);
    EXPECT(exo_account_info(0, before), EXO_OK);
    EXPECT(exo_map(0, page(0), 6000, lent, 0, RW), EXO_OK);
    for (unsigned i = 0; i < 6000; i += 16)
        WORD(page(i)) = i;
    EXPECT(exo_region_write(region, (uint64_t)5999 * PAGE, before, 8), 8);
    while (exo_cap_revoke(region) == EXO_EAGAIN)
        ;
    EXPECT(exo_cap_delete(lent, 0), EXO_ECAP);
    EXPECT(exo_protect(0, page(0), 1, EXO_MAP_READ), EXO_ENOENT);
    EXPECT(exo_protect(0, page(5999), 1, EXO_MAP_READ), EXO_ENOENT);
    EXPECT(exo_cap_delete(region, 0), EXO_OK);
    EXPECT(exo_account_info(0, after), EXO_OK);
    EXPECT_TRUE(after[1] <= before[1] + 16); /* the tables of the mapping stay */
    child_drop(&c);
}

static void revoke_unmaps_what_descendants_mapped(void)
{
    struct child c;
    exo_cap region = OK(exo_region_create(0, 4, 1));
    exo_cap lent = OK(exo_cap_derive(region, EXO_R_READ | EXO_R_WRITE, 0, 0, 0));

    child_make(&c, 64, 8);
    EXPECT(exo_map(0, page(0), 4, region, 0, RW), EXO_OK);
    EXPECT(exo_map(0, page(8), 4, lent, 0, RW), EXO_OK);
    EXPECT(exo_map(c.env, page(8), 4, lent, 0, RW), EXO_OK);
    WORD(page(1)) = 7;
    EXPECT(WORD(page(9)), 7);
    EXPECT(exo_cap_revoke(region), EXO_OK);
    EXPECT(WORD(page(1)), 7);
    EXPECT(exo_log(EXO_CAP_PLATFORM, (const char *)page(9), 1), EXO_EFAULT);
    EXPECT(exo_protect(0, page(8), 1, EXO_MAP_READ), EXO_ENOENT);
    EXPECT(exo_protect(c.env, page(8), 1, EXO_MAP_READ), EXO_ENOENT);
    drop(region);
    EXPECT(exo_protect(0, page(0), 1, EXO_MAP_READ), EXO_ENOENT);
    child_drop(&c);
}

/* ---- information and flags --------------------------------------------------------------------- */

static void info_tells_type_size_and_holders(void)
{
    exo_cap region = OK(exo_region_create(0, 9, 0));

    if (HAS_PORTS) {
        exo_cap ports = OK(exo_ioport_create(EXO_CAP_PLATFORM, 0x80, 3));

        EXPECT(info_of(ports).type, EXO_IOPORT);
        EXPECT(info_of(ports).size, 3);
        drop(ports);
    }
    EXPECT(info_of(region).type, EXO_REGION);
    EXPECT(info_of(region).size, 9 * PAGE);
    EXPECT(info_of(EXO_CAP_ENV).type, EXO_ENV);
    EXPECT(info_of(EXO_CAP_ENV).rights, EXO_R_ALL);
    EXPECT(info_of(EXO_CAP_THREAD).type, EXO_THREAD);
    EXPECT(info_of(EXO_CAP_ACCOUNT).type, EXO_ACCOUNT);
    EXPECT(info_of(EXO_CAP_PLATFORM).type, EXO_PLATFORM);
    EXPECT(info_of(EXO_CAP_ENV).size, 0);
    struct exo_cap_info out;
    EXPECT(exo_cap_info(stale, &out), EXO_ECAP);
    EXPECT(exo_cap_info(0, &out), EXO_ECAP);
    EFAULTS(exo_cap_info(region, (struct exo_cap_info *)P));
    drop(region);
}

static void flags_are_set_and_checked(void)
{
    exo_cap note_cap = OK(exo_notification_create(0));

    EXPECT(exo_cap_flags(note_cap, EXO_CAP_NOFORK | EXO_CAP_LENDER), EXO_OK);
    EXPECT(info_of(note_cap).flags, EXO_CAP_NOFORK | EXO_CAP_LENDER);
    EXPECT(exo_cap_flags(note_cap, 0), EXO_OK);
    EXPECT(info_of(note_cap).flags, 0);
    EXPECT(exo_cap_flags(note_cap, 8), EXO_EINVAL);
    EXPECT(exo_cap_flags(note_cap, 0x40), EXO_EINVAL); /* the kernel's own */
    EXPECT(exo_cap_flags(note_cap, UINT32_MAX), EXO_EINVAL);
    EXPECT(exo_cap_flags(stale, 0), EXO_ECAP);
    EXPECT(exo_cap_flags(0, 0), EXO_ECAP);
    drop(note_cap);
}

/* ---- lending ----------------------------------------------------------------------------------- */

static void lender_is_told_when_its_last_descendant_goes(void)
{
    exo_cap lent = OK(exo_notification_create(0)), a, b;

    EXPECT(exo_next_childless(), EXO_ENOENT);
    EXPECT(exo_cap_flags(lent, EXO_CAP_LENDER), EXO_OK);
    a = OK(exo_cap_derive(lent, EXO_R_ALL, 0, 0, 0));
    b = OK(exo_cap_derive(a, EXO_R_ALL, 0, 0, 0));
    drop(a);
    EXPECT(exo_next_childless(), EXO_ENOENT); /* b is left */
    EXPECT(exo_utcb()->pending & EXO_EVENT_CHILDLESS, 0);
    drop(b);
    EXPECT(exo_utcb()->pending & EXO_EVENT_CHILDLESS, EXO_EVENT_CHILDLESS);
    EXPECT(exo_next_childless(), lent);
    EXPECT(exo_next_childless(), EXO_ENOENT);
    drop(OK(exo_cap_derive(lent, EXO_R_ALL, 0, 0, 0)));
    drop(lent); /* while it is on the list */
    EXPECT(exo_next_childless(), EXO_ENOENT);
}

static void many_childless_lenders_are_all_named(void)
{
    exo_cap lent[20];
    uint32_t seen = 0;
    int64_t next;

    for (unsigned i = 0; i < COUNT(lent); i++) {
        lent[i] = OK(exo_notification_create(0));
        EXPECT(exo_cap_flags(lent[i], EXO_CAP_LENDER), EXO_OK);
        drop(OK(exo_cap_derive(lent[i], EXO_R_ALL, 0, 0, 0)));
    }
    EXPECT(exo_cap_flags(lent[3], 0), EXO_OK); /* flag gone: still told, once */
    drop(lent[7]);
    while ((next = exo_next_childless()) > 0) {
        for (unsigned i = 0; i < COUNT(lent); i++)
            seen |= (exo_cap)next == lent[i] ? 1u << i : 0;
    }
    EXPECT(seen, 0xfffff & ~(1u << 7));
    for (unsigned i = 0; i < COUNT(lent); i++) {
        if (i != 7)
            drop(lent[i]);
    }
}

/* ---- clone ------------------------------------------------------------------------------------- */

static void clone_gives_the_same_handles_64_a_call(void)
{
    struct child c;
    exo_cap made[150], hidden = OK(exo_notification_create(0));
    uint32_t slot = 0, calls = 0;

    EXPECT(exo_cap_flags(hidden, EXO_CAP_NOFORK), EXO_OK);
    for (unsigned i = 0; i < COUNT(made); i++)
        made[i] = OK(exo_cap_derive(some_note, EXO_R_ALL, 0, 0, 0));
    child_make(&c, 64, 8);
    do {
        slot = (uint32_t)OK(exo_cap_clone(c.env, slot));
    } while (slot != 0 && ++calls < 100);
    EXPECT_TRUE(calls >= 2 && calls < 100);
    EXPECT(info_of(some_note).holders, 2 + 2 * COUNT(made));
    EXPECT(exo_cap_delete(hidden, c.env), EXO_ECAP);
    for (unsigned i = 0; i < COUNT(made); i++)
        EXPECT(exo_cap_delete(made[i], c.env), EXO_OK);
    for (unsigned i = 0; i < COUNT(made); i++)
        drop(made[i]);
    drop(hidden);
    child_drop(&c);
}

static void clone_skips_slots_in_use(void)
{
    struct child c;
    exo_cap mine = OK(exo_endpoint_create(0)), theirs = EXO_HANDLE(EXO_SLOT(mine), 99);
    uint32_t slot = 0;

    child_make(&c, 64, 8);
    EXPECT(exo_cap_copy(some_note, c.env, theirs), theirs);
    do {
        slot = (uint32_t)OK(exo_cap_clone(c.env, slot));
    } while (slot != 0);
    EXPECT(info_of(mine).holders, 1);
    EXPECT(exo_cap_delete(mine, c.env), EXO_ECAP);
    EXPECT(exo_cap_delete(theirs, c.env), EXO_OK);
    EXPECT(exo_cap_clone(c.env, EXO_CAP_SLOTS), 0);
    EXPECT(exo_cap_clone(c.env, UINT32_MAX), 0);
    EXPECT(exo_cap_clone(EXO_CAP_ENV, 0), 0); /* onto itself: every slot is in use */
    CAP_ERRORS(exo_cap_clone(C, 0), some_frame, c.env, EXO_R_CONTROL);
    drop(mine);
    child_drop(&c);
}

/* ---- limits ------------------------------------------------------------------------------------ */

/* Fills this environment's table; returns with `first` .. the handles it made in slot order. */
static exo_cap filled[EXO_CAP_SLOTS];
static unsigned fill_table(void)
{
    unsigned n = 0;
    int64_t made;

    while ((made = exo_cap_copy(some_note, 0, 0)) >= 0 && n < EXO_CAP_SLOTS)
        filled[n++] = (exo_cap)made;
    EXPECT(made, EXO_ENOSLOT);
    return n;
}

/* Each call that makes a capability in the caller's table; `region` is one of a page. */
static void every_maker_answers(int64_t wanted, exo_cap region)
{
    struct exo_thread_args args = {.utcb = page(100)};
    exo_cap ends[2];

    EXPECT(exo_cap_copy(some_note, 0, 0), wanted);
    EXPECT(exo_cap_derive(some_note, EXO_R_ALL, 0, 0, 0), wanted);
    EXPECT(exo_frame_alloc(0, 1), wanted);
    EXPECT(exo_region_create(0, 1, 0), wanted);
    EXPECT(exo_account_create(0, 1, 1), wanted);
    EXPECT(exo_env_create(0), wanted);
    EXPECT(exo_notification_create(0), wanted);
    EXPECT(exo_endpoint_create(0), wanted);
    EXPECT(exo_waitset_create(0), wanted);
    EXPECT(exo_thread_create(0, &args), wanted);
    EXPECT(exo_pair_create(region, 0, 4, ends), wanted);
    EXPECT(exo_irq_create(EXO_CAP_PLATFORM, 9), wanted);
    EXPECT(exo_ioport_create(EXO_CAP_PLATFORM, 0x80, 1), HAS_PORTS ? wanted : EXO_EINVAL);
    EXPECT(exo_device_frame(EXO_CAP_PLATFORM, 0xfed00000, 1), wanted);
}

static void full_table_is_enoslot_and_leaves_nothing(void)
{
    exo_cap region = OK(exo_region_create(0, 1, 1)), ends[2];
    unsigned n = fill_table();

    every_maker_answers(EXO_ENOSLOT, region); /* pools grow */
    struct counters before = counters();
    every_maker_answers(EXO_ENOSLOT, region);
    EXPECT_TRUE(counters_same(before, counters()));
    drop(filled[--n]);
    /* One slot is free: an object with two capabilities does not fit, and nobody is told. */
    uint32_t words[2] = {5, 6}, back[2];
    EXPECT(exo_region_write(region, 0, words, sizeof words), sizeof words);
    before = counters();
    EXPECT(exo_pair_create(region, 0, 4, ends), EXO_ENOSLOT);
    EXPECT_TRUE(counters_same(before, counters()));
    EXPECT(exo_region_read(region, 0, back, sizeof back), sizeof back);
    EXPECT(back[0], 5);
    EXPECT(back[1], 6);
    while (n > 0)
        drop(filled[--n]);
    drop(region);
}

static void thread_create_without_a_slot_does_not_end_the_environment(void)
{
    struct child c;
    struct exo_thread_args args = {.utcb = CHILD_UTCB_VA};
    struct exo_env_info info;

    child_make(&c, 64, 8);
    unsigned n = fill_table();
    EXPECT(exo_thread_create(c.env, &args), EXO_ENOSLOT);
    EXPECT(exo_env_info(c.env, &info), EXO_OK);
    EXPECT(info.cause, EXO_ALIVE);
    EXPECT(info.threads, 0);
    EXPECT(exo_cap_delete(EXO_CAP_THREAD, c.env), EXO_ECAP);
    while (n > 0)
        drop(filled[--n]);
    child_drop(&c);
}

static void makers_without_room(void)
{
    EXPECT(exo_cap_copy(some_note, 0, 0), EXO_EOBJECTS);
    EXPECT(exo_cap_derive(some_note, EXO_R_ALL, 0, 0, 0), EXO_EOBJECTS);
    EXPECT(exo_frame_alloc(0, 1), EXO_EOBJECTS);
    EXPECT(exo_region_create(0, 1, 0), EXO_EOBJECTS);
    EXPECT(exo_notification_create(0), EXO_EOBJECTS);
    EXPECT(exo_endpoint_create(0), EXO_EOBJECTS);
    EXPECT(exo_account_create(0, 1, 1), EXO_EOBJECTS);
    EXPECT(exo_waitset_create(0), EXO_EOBJECTS);
    EXPECT(exo_env_create(0), EXO_EOBJECTS);
}

static void full_kernel_table_is_eobjects(void)
{
    struct child c[8];
    unsigned children = 0, n = fill_table();
    uint64_t total = n;
    int64_t made = 0;

    drop(filled[--n]);
    drop(filled[--n]);
    drop(filled[--n]);
    while (made != EXO_EOBJECTS && children < COUNT(c)) {
        struct child *next = &c[children];
        int64_t account = exo_account_create(0, 256, 8);
        if (account < 0) {
            made = account;
            break;
        }
        next->account = (exo_cap)account;
        int64_t env = exo_env_create(next->account);
        if (env < 0) {
            drop(next->account);
            made = env;
            break;
        }
        *next = (struct child){.account = (exo_cap)account, .env = (exo_cap)env};
        children++;
        for (unsigned i = 0; i < 2; i++) { /* room for the next two handles */
            if (n > 0)
                drop(filled[--n]);
        }
        while ((made = exo_cap_copy(some_note, next->env, 0)) >= 0)
            total++;
    }
    EXPECT(made, EXO_EOBJECTS);
    EXPECT_TRUE(total >= 60000);
    makers_without_room();
    struct counters before = counters();
    makers_without_room();
    EXPECT_TRUE(counters_same(before, counters()));
    while (children > 0)
        child_drop(&c[--children]);
    while (n > 0)
        drop(filled[--n]);
}

/* ---- self-reference ---------------------------------------------------------------------------- */

static int64_t lose_everything(uint64_t unused)
{
    (void)unused;
    for (uint32_t slot = 1; slot < 8; slot++)
        exo_cap_delete(EXO_WELL_KNOWN(slot), 0);
    if (exo_cap_delete(EXO_CAP_ENV, 0) != EXO_ECAP)
        return 1;
    int64_t frame = exo_frame_alloc(0, 1); /* 0 still means: mine */
    if (frame < 0)
        return 2;
    if (exo_map(0, page(0), 1, (exo_cap)frame, 0, RW) != EXO_OK)
        return 3;
    WORD(page(0)) = 1;
    return exo_cap_delete((exo_cap)frame, 0) == EXO_OK ? 42 : 4;
}

static void environment_may_delete_all_of_its_capabilities(void)
{
    struct child c;

    child_make(&c, CHILD_FRAMES, CHILD_OBJECTS);
    child_go(&c, lose_everything, 0);
    struct exo_env_info info = child_wait(&c);
    EXPECT(info.cause, EXO_EXITED);
    EXPECT(info.status, 42);
    child_drop(&c);
}

static void dead_environment_takes_and_gives_nothing(void)
{
    struct child c;

    child_make(&c, 64, 8);
    EXPECT(exo_env_destroy(c.env, 0), EXO_OK);
    EXPECT(exo_cap_copy(some_note, c.env, 0), EXO_EDEAD);
    EXPECT(exo_cap_derive(some_note, EXO_R_ALL, 0, c.env, 0), EXO_EDEAD);
    EXPECT(exo_cap_delete(EXO_CAP_ENV, c.env), EXO_EDEAD);
    EXPECT(exo_cap_clone(c.env, 0), EXO_EDEAD);
    child_drop(&c);
}

int main(void)
{
    static const struct test tests[] = {
        T(null_answers_0),
        T(unknown_numbers_are_enosys),
        T(copy_is_a_sibling_with_the_same_rights),
        T(copy_goes_where_it_is_wanted),
        T(places_out_of_range_are_refused),
        T(copy_checks_its_capabilities),
        T(derive_only_takes_rights_away),
        T(rights_beyond_those_that_exist_are_not_made),
        T(depth_has_a_limit),
        T(delete_leaves_what_was_derived),
        T(delete_checks_its_capabilities),
        T(revoke_takes_descendants_everywhere_at_most_64_a_call),
        T(revoke_is_not_outrun_by_copies_of_a_descendant),
        T(what_goes_with_a_capability_goes_in_pieces),
        T(revoke_unmaps_what_descendants_mapped),
        T(info_tells_type_size_and_holders),
        T(flags_are_set_and_checked),
        T(lender_is_told_when_its_last_descendant_goes),
        T(many_childless_lenders_are_all_named),
        T(clone_gives_the_same_handles_64_a_call),
        T(clone_skips_slots_in_use),
        T(full_table_is_enoslot_and_leaves_nothing),
        T(thread_create_without_a_slot_does_not_end_the_environment),
        T(full_kernel_table_is_eobjects),
        T(environment_may_delete_all_of_its_capabilities),
        T(dead_environment_takes_and_gives_nothing),
    };
    return contract_run(tests, COUNT(tests));
}
