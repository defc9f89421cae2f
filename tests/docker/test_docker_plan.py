"""`rehearse --plan` on containers, with recorded traffic. With CUTOVER_SHOWS=1: it takes minutes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from cutover_harness.testbed import ProcessTestbed

from tests.cluster.recorded import check_rehearsal, plan_and_capture

pytestmark = pytest.mark.skipif(not os.environ.get("CUTOVER_SHOWS"), reason="takes minutes: CUTOVER_SHOWS=1")


def test_a_plan_with_recorded_traffic_passes_on_containers(image: str, tmp_path: Path) -> None:
    with ProcessTestbed(tmp_path / "production") as production:
        plan_and_capture(production, tmp_path)
    images = ["--source-image", image, "--target-image", image, "--netem-image", image]
    check_rehearsal(tmp_path, "--testbed", "docker", *images, target="standing in")
