"""Number of scenarios that run in parallel."""

from __future__ import annotations

import os

import pytest
from cutover_harness.cli.rehearse import _jobs
from cutover_harness.cli.testbed_options import TestbedOptions
from cutover_harness.errors import UsageError
from cutover_harness.rehearsal.settings import TestbedKind


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
def test_number_of_parallel_scenarios(
    monkeypatch: pytest.MonkeyPatch, wanted: int | None, scenarios: int, cores: int, fixed_ports: bool, at_once: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert _jobs(wanted, scenarios, fixed_ports) == at_once


@pytest.mark.parametrize(
    ("wanted", "fixed_ports", "says"),
    [(0, False, "--jobs 0: must be 1 or more"), (2, True, "cannot share --ports")],
)
def test_invalid_numbers_of_jobs(wanted: int, fixed_ports: bool, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        _jobs(wanted, 3, fixed_ports)


@pytest.mark.parametrize(("cores", "automq", "at_once"), [(2, True, 1), (3, True, 1), (4, True, 3), (2, False, 2)])
def test_automq_has_a_small_machine_for_itself(
    monkeypatch: pytest.MonkeyPatch, cores: int, automq: bool, at_once: int
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    assert _jobs(None, 30, False, crowded=automq) == at_once
    assert _jobs(2, 30, False, crowded=automq) == 2  # what is asked for is done


@pytest.mark.parametrize(
    ("kind", "image", "automq"),
    [
        ("process", None, False),
        ("automq", None, True),
        ("docker", None, True),
        ("docker", "apache/kafka:3.9.1", False),
        ("docker", "mirror.example/automqinc/automq:1.7.3", True),
    ],
)
def test_distributions_that_count_as_automq(kind: TestbedKind, image: str | None, automq: bool) -> None:
    assert TestbedOptions(testbed=kind, target_image=image).has_automq() == automq
