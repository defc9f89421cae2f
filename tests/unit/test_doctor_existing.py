"""What `doctor --testbed FILE` lists and removes, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from cutover_harness.cli import doctor_existing
from cutover_harness.testbed.existing.remains import Remains

PREFIX = "cutover-rehearsal-0a1b2c-"
NAMES = {("topic", "source"): [f"{PREFIX}orders"]}
FILE = Path("testbed.yaml")


class Found:
    """A finder with these answers, which notes what is removed."""

    def __init__(self, *remains: Remains, silent: tuple[str, ...] = (), left: tuple[str, ...] = ()) -> None:
        self.remains, self.silent, self.left = list(remains), list(silent), list(left)
        self.removed: list[str] = []

    def find(self) -> tuple[list[Remains], list[str]]:
        return self.remains, self.silent

    def remove(self, found: Remains) -> list[str]:
        self.removed.append(found.prefix)
        return self.left


def look(found: Found, *, clean: bool) -> list[tuple[str, str]]:
    lines = doctor_existing._remains(found, FILE, clean=clean)  # type: ignore[arg-type]
    return [(state, text) for _, state, text in lines]


ENDED = Remains(PREFIX, NAMES)  # type: ignore[arg-type]
LIVE = Remains(PREFIX, NAMES, "a run uses it")  # type: ignore[arg-type]
LINE = f"1 topic on source: {PREFIX}orders"


def test_nothing_is_ok() -> None:
    assert look(Found(), clean=True) == [("ok", "nothing of earlier runs")]


def test_what_is_left_is_listed_with_its_remedy_and_removed_on_request() -> None:
    found = Found(ENDED)
    remedy = "remove it with kafka-cutover doctor --testbed testbed.yaml --clean"
    assert look(found, clean=False) == [("-", f"{LINE}: {remedy}")]
    assert found.removed == []
    assert look(found, clean=True) == [("ok", f"removed {LINE}")]
    assert found.removed == [PREFIX]


def test_what_cannot_be_removed_is_no_success() -> None:
    assert look(Found(ENDED, left=("topic x on source: refused",)), clean=True) == [
        ("no", "not removed: topic x on source: refused")
    ]


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (Found(LIVE), "a run uses it"),
        (Found(ENDED, silent=("what runs created on target is unknown",)), "whether a run uses it is unknown"),
    ],
)
def test_a_run_that_lives_or_may_live_is_left_alone(found: Found, why: str) -> None:
    assert look(found, clean=True)[0] == ("-", f"{PREFIX}: {LINE}: not removed: {why}")
    assert found.removed == []
    assert [state for state, _ in look(found, clean=True)[1:]] == ["no"] * len(found.silent)
