"""A copy of the cutover file that is never refreshed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.faults.base import Injected, Rehearsed
from cutover_harness.faults.injector import Injector
from cutover_harness.procedure.names import StepName

from tests.unit.faults.faults import context, fault

AT = StepName.STOP_CONSUMERS


class Mounts:
    def __init__(self, **generations: int | None) -> None:
        self.pinned: list[str] = []
        self._generations = generations

    def pin(self, instance: str) -> None:
        self.pinned.append(instance)

    def generations(self) -> dict[str, int | None]:
        return self._generations


def fleet(recreated: list[str]) -> Any:
    def member(instance: str) -> None:
        if instance not in ("billing-1", "billing-2"):
            raise UsageError(f"no instance {instance!r}")

    return SimpleNamespace(instances=lambda role: ["billing-1", "billing-2"], member=member, recreate=recreated.append)


def pinned(mounts: Mounts, **fields: Any) -> tuple[Injected, list[str]]:
    recreated: list[str] = []
    which = fault("pin", "mount", at=AT, **fields)
    return which.inject(context(fleet=fleet(recreated), mounts=mounts)), recreated


def test_an_instance_whose_copy_stays_behind_is_proved_and_recreated_at_the_end() -> None:
    mounts = Mounts(**{"billing-1": 1, "billing-2": 2})
    injected, recreated = pinned(mounts)
    assert mounts.pinned == ["billing-1"]
    proof = injected.prove()
    assert (proof.held, proof.evidence) == (True, "the copy of billing-1 has generation 1, the newest copy 2")
    assert recreated == []
    assert injected.end is not None
    injected.end()
    assert recreated == ["billing-1"]


@pytest.mark.parametrize("generations", [{"billing-1": 1, "billing-2": 1}, {"billing-1": 2, "billing-2": 1}])
def test_a_copy_that_is_not_behind_proves_nothing(generations: dict[str, int]) -> None:
    injected, _ = pinned(Mounts(**generations))
    assert not injected.prove().held


def test_the_instance_can_be_chosen() -> None:
    mounts = Mounts(**{"billing-1": 2, "billing-2": 1})
    injected, _ = pinned(mounts, instance="billing-2")
    assert mounts.pinned == ["billing-2"]
    assert injected.prove().held


def test_an_instance_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UsageError, match="no instance 'billing-7'"):
        pinned(Mounts(), instance="billing-7")


def test_without_copies_it_is_unavailable_and_does_not_fit() -> None:
    which = fault("pin", "mount", at=AT)
    injector = Injector((which,), context(fleet=fleet([])))
    injector.inject(AT, "before")
    (precondition,) = injector.preconditions
    assert not precondition.held
    assert which.unfit(Rehearsed()) == "pin mount needs mounted files: set fleet.file_delay"
    assert which.unfit(Rehearsed(mounted=True)) is None
