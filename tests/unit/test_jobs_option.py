"""How many scenarios run at once."""

from __future__ import annotations

import os

import pytest
from cutover_harness.cli.rehearse import _jobs
from cutover_harness.errors import UsageError


@pytest.mark.parametrize(
    ("wanted", "scenarios", "cores", "fixed_ports", "at_once"),
    [
        (None, 4, 8, False, 1),  # few: undisturbed figures
        (None, 5, 8, False, 3),
        (None, 30, 2, False, 2),
        (None, 30, 1, False, 1),
        (None, 30, 8, True, 1),
        (2, 3, 1, False, 2),
        (9, 3, 2, False, 3),
        (1, 30, 8, True, 1),
    ],
)
def test_scenarios_at_once(
    monkeypatch: pytest.MonkeyPatch, wanted: int | None, scenarios: int, cores: int, fixed_ports: bool, at_once: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert _jobs(wanted, scenarios, fixed_ports) == at_once


@pytest.mark.parametrize(
    ("wanted", "fixed_ports", "says"),
    [(0, False, "--jobs 0: must be 1 or more"), (2, True, "cannot share the ports of --ports")],
)
def test_jobs_that_cannot_be(wanted: int, fixed_ports: bool, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        _jobs(wanted, 3, fixed_ports)
