"""A plan with recorded traffic on processes, or AutoMQ (CUTOVER_TEST_AUTOMQ_HOME=DIR). With CUTOVER_SHOWS=1."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cutover_harness.testbed import ProcessTestbed

from tests.cluster.automq_layout import AUTOMQ_HOME
from tests.cluster.recorded import check_differences, check_rehearsal, plan_and_capture

pytestmark = pytest.mark.skipif(not os.environ.get("CUTOVER_SHOWS"), reason="takes minutes: CUTOVER_SHOWS=1")


def test_a_plan_with_recorded_traffic_passes(tmp_path: Path) -> None:
    with ProcessTestbed(tmp_path / "production") as production:
        plan_and_capture(production, tmp_path)
        home = os.environ.get(AUTOMQ_HOME)
        options = [] if home is None else ["--testbed", "automq", "--automq-home", home]
        check_rehearsal(tmp_path, *options, target="standing in" if home is None else "AutoMQ 1.")
        if home is None:  # production's target is no AutoMQ, so that a rehearsal there differs from it
            check_differences(production, tmp_path)
