"""`--serve`: a page and metrics for as long as a command works."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from cutover_harness.cutover.folder import RunFolder
from cutover_harness.errors import UsageError
from cutover_harness.planning.read import ReadPlan
from cutover_harness.watching.address import parse_address
from cutover_harness.watching.terminal import live_lines
from cutover_harness.watching.watcher import Watcher

Serve = Annotated[
    str | None,
    typer.Option(
        metavar="[HOST:]PORT",
        help="Serve a read-only page and metrics at this address (HOST default: 127.0.0.1; default: no page).",
    ),
]


@contextmanager
def serving(
    plan: ReadPlan, run: RunFolder, given: str | None, *, live: bool = False
) -> Iterator[Callable[[str], list[str]]]:
    """Serve the page of a plan's run at the address that `--serve` names; nothing for None. Raises UsageError.

    Yields a function that returns live lines of a batch; without `live`, and without the page, it has none.
    """
    if given is None and not live:
        yield lambda _: []
        return
    if given is None:
        with Watcher(plan, run) as watcher:
            yield lambda batch: live_lines(watcher.snapshot(), batch)
        return
    address = parse_address(given)
    try:
        from cutover_harness.watching.server import Server  # noqa: PLC0415 - for --serve alone
    except ModuleNotFoundError as missing:
        raise UsageError(f"--serve needs {missing.name}: pip install 'kafka-cutover[harness]'") from None
    with Watcher(plan, run) as watcher, Server(watcher, address) as server:
        typer.echo(f"page: {server.url}", err=True)
        if not address.is_loopback:
            typer.echo(f"--serve {address}: everybody who reaches this address can read the page", err=True)
        yield lambda batch: live_lines(watcher.snapshot(), batch)
