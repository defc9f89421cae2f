"""Tables on a narrow terminal: never wider than it, and nothing is left out, however long the names are."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest
from cutover_harness.cli.status import print_batches
from cutover_harness.cutover.progress import BatchProgress
from cutover_harness.inventory.tables import print_listing
from cutover_harness.named_rows import print_rows
from cutover_harness.planning.model import PlanFile
from cutover_harness.planning.summary import print_plan
from rich.console import Console

from tests.unit.planning.listings import group, listing, topic

LONG = "shop." + "abcdefghij" * 24 + "wxyz"  # 249 characters
NAME = "orders-" + "abcdefghij" * 7 + "xyz"


def inventory(console: Console) -> None:
    topics = [topic(LONG, readers=["billing", LONG[:-1] + "g"]), topic("[bold]orders")]
    print_listing(listing(topics, [group(LONG[:-1] + "g", [LONG]), group("billing", ["orders"])]), console)


def plan(console: Console) -> None:
    clusters = {"source": {"properties": "s"}, "target": {"properties": "t"}}
    estimate = {"bytes": 123_456_789_012, "minutes": 123_456.7, "deadline_h": 8760.0}
    batches = [
        {"name": name, "path": "in-process", "topics": [LONG], "estimate": estimate} for name in (NAME, "clicks")
    ]
    print_plan(
        PlanFile.model_validate({"name": "x", "clusters": clusters, "batches": batches}), {NAME: 20_000}, console
    )


def status(console: Console) -> None:
    added = BatchProgress(NAME, "completed", 7, "target", "target", added=(LONG,), advice="put it elsewhere")
    print_batches([added, BatchProgress("clicks", "back on the source", 0, "source", "source")], console)


@pytest.mark.parametrize("show", [inventory, plan, status])
@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_table_is_wider_than_the_terminal(show: Callable[[Console], None], width: int) -> None:
    def printed(width: int) -> list[str]:
        console = Console(file=(out := io.StringIO()), width=width, highlight=False)
        show(console)
        return out.getvalue().splitlines()

    lines = [line for line in printed(width) if not line.startswith(("source 127", "[bold]source"))]
    assert max(map(len, lines)) <= width
    # In these texts, only the long names have a j.
    assert "".join(lines).count("j") == "".join(printed(2000)).count("j") > 5, "nothing is cut off"
    assert not any("…" in line for line in lines)


def test_figures_are_below_the_name_if_the_table_does_not_fit() -> None:
    rows = [["orders", "5", "[b] on hold"], ["clicks", "7", ""]]
    for width, expected in (
        (80, ["topic  size state", "orders    5 [b] on hold", "clicks    7"]),
        (20, ["orders", "  size 5, state [b]", "  on hold", "clicks", "  size 7"]),
    ):
        console = Console(file=(out := io.StringIO()), width=width)
        print_rows(console, ("topic", "size", "state"), rows, folded=("topic",), right=("size",))
        assert [line.rstrip() for line in out.getvalue().splitlines()] == expected


@pytest.mark.parametrize("width", [1, 2, 3])
def test_a_console_too_narrow_for_anything_is_no_error(width: int) -> None:
    console = Console(file=(out := io.StringIO()), width=width)
    print_rows(console, ("topic", "size"), [["orders", "5"]], folded=("topic",))
    assert "5" in out.getvalue()
