"""`kafka-cutover inventory`."""

from __future__ import annotations

import math
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from cutover_harness import exit_codes
from cutover_harness.conductor.statuses import place_of
from cutover_harness.console import standard_output
from cutover_harness.errors import UsageError
from cutover_harness.files import PRIVATE, write_atomic
from cutover_harness.inventory.collect import collect
from cutover_harness.inventory.model import Listing
from cutover_harness.inventory.options import Options
from cutover_harness.inventory.page import html
from cutover_harness.inventory.tables import print_listing
from cutover_harness.outputs import check_file
from cutover_harness.properties_file import read_properties, resolved
from cutover_harness.types import ClusterName

_FILE_HELP = "Client properties of the {} cluster (librdkafka's); ${{NAME}} and ${{file:PATH}} hold secrets."


def inventory(
    source: Annotated[Path, typer.Option(metavar="FILE", help=_FILE_HELP.format("source"))],
    target: Annotated[Path | None, typer.Option(metavar="FILE", help=_FILE_HELP.format("target"))] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", metavar="FILE", help="Write the inventory as JSON to FILE.")
    ] = None,
    page: Annotated[Path | None, typer.Option("--html", metavar="FILE", help="Write the inventory as HTML.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Print all rows of the tables.")] = False,
    connect: Annotated[
        list[str] | None,
        typer.Option(metavar="URL", help="REST interface of a Connect cluster; repeat for each one."),
    ] = None,
    statuses: Annotated[
        str | None,
        typer.Option(metavar="PLACE", help="Statuses of the shim's clients: a folder, or kafka:TOPIC on the source."),
    ] = None,
    history: Annotated[
        bool,
        typer.Option("--group-history", help="Read __consumer_offsets for each group's last commit (10 MB/s at most)."),
    ] = False,
    largest: Annotated[
        int,
        typer.Option(min=0, help="Look at so many newest records of each partition for the largest one (default: 0)."),
    ] = 0,
    stale_days: Annotated[
        float, typer.Option(help="Days without a write or a reader that make a topic or group stale (default: 30).")
    ] = 30.0,
    sample: Annotated[
        float, typer.Option(help="Length of the sample of growth and commits in seconds; 0: none (default: 30).")
    ] = 30.0,
    rate: Annotated[float, typer.Option(help="Most requests to brokers per second (default: 200).")] = 200.0,
) -> int:
    """List topics, groups, writers, connectors and ACLs, and what could not be seen. Only reads.

    Exit codes: 0 complete, 3 partial (a right is missing, or something did not answer), 2 bad input, or a cluster that
    does not answer.
    """
    options = Options(
        connect=tuple(_address(each) for each in connect or ()),
        statuses=None if statuses is None else place_of(statuses),
        history=history,
        newest=largest,
        stale_days=_above("--stale-days", stale_days, 0),
        sample_s=_above("--sample", sample, -1e-9),
        rate=_above("--rate", rate, 0),
    )
    for file, option in ((out, "-o"), (page, "--html")):
        if file is not None:
            check_file(file, option)
    clusters: dict[ClusterName, dict[str, str]] = {"source": read_properties(source)}
    if target is not None:
        clusters["target"] = read_properties(target)
    listing = collect(clusters, options, lambda line: print(line, file=sys.stderr, flush=True))
    _write(listing, out, page)
    if as_json:
        typer.echo(listing.model_dump_json(indent=1))
    else:
        print_listing(listing, standard_output(highlight=False), all_rows=every)
    return exit_codes.UNPROVED if listing.partial else 0


def _write(listing: Listing, out: Path | None, page: Path | None) -> None:
    if out is not None:
        write_atomic(out, listing.model_dump_json(indent=1) + "\n", mode=PRIVATE)
    if page is not None:
        write_atomic(page, html(listing), mode=PRIVATE, errors="replace")


def _address(text: str) -> str:
    return resolved(text, "--connect", os.environ)


def _above(option: str, value: float, limit: float) -> float:
    if not math.isfinite(value) or value <= limit:
        raise UsageError(f"{option} {value:g}: must be {'above 0' if limit >= 0 else '0 or more'}")
    return value
