// SPDX-License-Identifier: MIT
/* dma_create, dma_pin, dma_unpin. No device is needed: what counts is whose the frames are. */
#include "contract.h"

static uint64_t pins[EXO_DMA_BATCH + 1];

static void pins_name_the_pages(void)
{
    exo_cap dma = OK(exo_dma_create(0)), frame = OK(exo_frame_alloc(0, 8));

    EXPECT(exo_dma_pin(dma, frame, 2, 5, EXO_MAP_READ | EXO_MAP_WRITE, pins), EXO_OK);
    for (unsigned i = 1; i < 5; i++) {
        EXPECT(EXO_DMA_ADDRESS(pins[i]), EXO_DMA_ADDRESS(pins[0]) + i * PAGE);
        EXPECT_TRUE(pins[i] % PAGE != pins[0] % PAGE);
    }
    uint64_t first = EXO_DMA_ADDRESS(pins[0]);
    EXPECT(exo_dma_pin(dma, frame, 2, 1, EXO_MAP_READ, pins + 5), EXO_OK); /* the same once more */
    EXPECT(EXO_DMA_ADDRESS(pins[5]), first);
    EXPECT(exo_dma_unpin(dma, pins, 6), EXO_OK);
    EXPECT(exo_dma_unpin(dma, pins, 1), EXO_EINVAL);
    drop(frame);
    drop(dma);
}

/* A page that was taken out of its region stays charged, and nobody else's, while it is pinned. */
static void pinned_frames_outlive_their_region(void)
{
    exo_cap account = OK(exo_account_create(0, 100, 10)), dma = OK(exo_dma_create(0));
    exo_cap region = OK(exo_region_create(account, 16, 1));

    EXPECT(exo_dma_pin(dma, region, 0, 4, EXO_MAP_WRITE, pins), EXO_OK); /* fills with zeros */
    uint64_t used = budget_of(account).frames_used;
    EXPECT(exo_region_punch(region, 0, 16), EXO_OK);
    EXPECT(budget_of(account).frames_used, used);
    drop(region);
    EXPECT(budget_of(account).frames_used, 4);
    EXPECT(exo_dma_unpin(dma, pins, 3), EXO_OK);
    EXPECT(budget_of(account).frames_used, 1);
    drop(dma); /* the rest goes with it */
    EXPECT(budget_of(account).frames_used, 0);
    drop(account);
}

static void unpin_without_pins_takes_all_back(void)
{
    exo_cap account = OK(exo_account_create(0, 100, 10)), dma = OK(exo_dma_create(0));
    exo_cap region = OK(exo_region_create(account, 16, 1));

    EXPECT(exo_dma_pin(dma, region, 0, 16, EXO_MAP_READ, pins), EXO_OK);
    drop(region);
    EXPECT(budget_of(account).frames_used, 16);
    EXPECT(exo_dma_unpin(dma, 0, 0), EXO_OK);
    EXPECT(budget_of(account).frames_used, 0);
    drop(dma);
    drop(account);
}

static void dma_pin_checks_its_arguments(void)
{
    exo_cap dma = OK(exo_dma_create(0)), frame = OK(exo_frame_alloc(0, 4));
    exo_cap sparse = OK(exo_region_create(0, 4, 0)), poor = OK(exo_account_create(0, 1, 10));
    exo_cap filled = OK(exo_region_create(poor, 4, 1));

    EXPECT(exo_dma_pin(dma, frame, 0, 0, EXO_MAP_READ, pins), EXO_EINVAL);
    EXPECT(exo_dma_pin(dma, frame, 0, 5, EXO_MAP_READ, pins), EXO_EINVAL);
    EXPECT(exo_dma_pin(dma, frame, 4, 1, EXO_MAP_READ, pins), EXO_EINVAL);
    EXPECT(exo_dma_pin(dma, frame, UINT64_MAX, 2, EXO_MAP_READ, pins), EXO_EINVAL);
    EXPECT(exo_dma_pin(dma, frame, 1, UINT64_MAX, EXO_MAP_READ, pins), EXO_EINVAL);
    EXPECT(exo_dma_pin(dma, frame, 0, 1, 0, pins), EXO_EINVAL);
    EXPECT(exo_dma_pin(dma, frame, 0, 1, EXO_MAP_EXEC, pins), EXO_EINVAL);
    EXPECT(exo_dma_pin(dma, sparse, 0, 1, EXO_MAP_READ, pins), EXO_ENOENT);
    EXPECT(exo_dma_pin(dma, filled, 0, 4, EXO_MAP_READ, pins), EXO_ENOMEM);
    EXPECT(exo_dma_pin(dma, dma, 0, 1, EXO_MAP_READ, pins), EXO_ETYPE);
    EFAULTS(exo_dma_pin(dma, frame, 0, 1, EXO_MAP_READ, (uint64_t *)P));
    CAP_ERRORS(exo_dma_pin(C, frame, 0, 1, EXO_MAP_READ, pins), some_frame, dma, EXO_R_CONTROL);
    exo_cap reader = without(frame, EXO_R_WRITE);
    EXPECT(exo_dma_pin(dma, reader, 0, 1, EXO_MAP_READ, pins), EXO_OK);
    EXPECT(exo_dma_pin(dma, reader, 0, 1, EXO_MAP_WRITE, pins + 1), EXO_ERIGHTS);
    drop(reader);
    EXPECT(exo_dma_unpin(dma, pins, 0), EXO_EINVAL);
    EXPECT(exo_dma_unpin(dma, pins, EXO_DMA_BATCH + 1), EXO_EINVAL);
    pins[1] = pins[0] + PAGE; /* the place, but another page */
    EXPECT(exo_dma_unpin(dma, pins, 2), EXO_EINVAL);
    pins[1] = pins[0] | (PAGE - 1); /* no place at all */
    EXPECT(exo_dma_unpin(dma, pins, 2), EXO_EINVAL);
    EFAULTS(exo_dma_unpin(dma, (uint64_t *)P, 1));
    CAP_ERRORS(exo_dma_unpin(C, pins, 1), some_frame, dma, EXO_R_CONTROL);
    pins[1] = pins[0];
    EXPECT(exo_dma_unpin(dma, pins, 2), EXO_OK); /* named twice, released once */
    drop(filled);
    drop(poor);
    drop(sparse);
    drop(frame);
    drop(dma);
}

static void pins_are_limited(void)
{
    exo_cap dma = OK(exo_dma_create(0)), frame = OK(exo_frame_alloc(0, EXO_DMA_BATCH));

    for (unsigned i = 0; i < EXO_DMA_PINS / EXO_DMA_BATCH; i++)
        EXPECT(exo_dma_pin(dma, frame, 0, EXO_DMA_BATCH, EXO_MAP_READ, pins), EXO_OK);
    EXPECT(exo_dma_pin(dma, frame, 0, 1, EXO_MAP_READ, pins + EXO_DMA_BATCH), EXO_EBUSY);
    EXPECT(exo_dma_unpin(dma, pins + 7, 1), EXO_OK);
    EXPECT(exo_dma_pin(dma, frame, 0, 2, EXO_MAP_READ, pins + EXO_DMA_BATCH - 1), EXO_EBUSY);
    EXPECT(exo_dma_pin(dma, frame, 7, 1, EXO_MAP_READ, pins + EXO_DMA_BATCH), EXO_OK);
    EXPECT(pins[EXO_DMA_BATCH], pins[7]);
    drop(frame);
    drop(dma);
}

static void dma_create_is_charged(void)
{
    exo_cap account = OK(exo_account_create(0, 1, 1));
    exo_cap dma = OK(exo_dma_create(account));

    EXPECT(budget_of(account).frames_used, 1);
    EXPECT(budget_of(account).objects_used, 1);
    EXPECT(exo_dma_create(account), EXO_EOBJECTS);
    drop(dma);
    EXPECT(budget_of(account).frames_used, 0);
    CAP_ERRORS(exo_dma_create(C), some_frame, account, EXO_R_CHARGE);
    drop(account);
    account = OK(exo_account_create(0, 0, 1));
    EXPECT(exo_dma_create(account), EXO_ENOMEM);
    EXPECT(budget_of(account).objects_used, 0);
    drop(account);
}

int main(void)
{
    static const struct test tests[] = {
        T(pins_name_the_pages),
        T(pinned_frames_outlive_their_region),
        T(unpin_without_pins_takes_all_back),
        T(dma_pin_checks_its_arguments),
        T(pins_are_limited),
        T(dma_create_is_charged),
    };
    return contract_run(tests, COUNT(tests));
}
