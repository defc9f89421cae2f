"""A batch whose clients are all on the shim, and a target that acknowledges 250 ms late. With CUTOVER_SHOWS=1."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cutover_harness.testbed import ProcessTestbed

from tests.cluster.shop.fleet import Clients
from tests.cluster.shop.ledgers import Difference, difference
from tests.cluster.shop.plain_shop import plain_fleet, plain_shop
from tests.cluster.shop.shop import AT_THE_END, blackouts

CLIENTS = Clients(
    "slow", ("slow.placed", "slow.paid", "slow.shipped"), {"slow-billing": 2, "slow-stock": 1}, {"checkout": 2}
)


@pytest.mark.skipif(not os.environ.get("CUTOVER_SHOWS"), reason="minutes: with CUTOVER_SHOWS=1")
@pytest.mark.parametrize("delay_ms", [0, 250])
def test_a_batch_on_the_shim_moves_to_a_slow_target(tmp_path: Path, delay_ms: int) -> None:
    with ProcessTestbed(tmp_path / "bed", target_ack_delay_ms=delay_ms) as bed:
        shop = plain_shop(bed, tmp_path, CLIENTS)
        with plain_fleet(shop, CLIENTS) as fleet:
            shop.finish(CLIENTS.batch)
            fleet.finish()
        acked = fleet.acked()
        assert {group: difference(fleet.read(group), acked) for group in CLIENTS.groups} == dict.fromkeys(
            CLIENTS.groups, Difference()
        )
        assert shop.end_state(CLIENTS) == AT_THE_END
        print(f"acknowledgements {delay_ms} ms late:", *blackouts(shop, fleet), sep="\n")
