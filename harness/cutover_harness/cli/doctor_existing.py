"""Findings of `doctor --testbed FILE`: existing clusters, and what killed runs left on them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import typer

from cutover_harness.errors import UsageError
from cutover_harness.rehearsal.testbed_file import read_testbed_file
from cutover_harness.testbed.existing.description import ExistingClusters
from cutover_harness.testbed.existing.remains import Finder
from cutover_harness.testbed.existing.testbed import check_clusters, finder

State = Literal["ok", "no", "-"]
_CLUSTERS, _LEFTOVERS = "clusters", "on clusters"


def look(file: Path, *, clean: bool) -> Iterator[tuple[str, State, str]]:
    """Yield name, state and text of each item; with `clean` remove what runs left. Raises UsageError for the file."""
    described = read_testbed_file(file)
    yield _clusters(described)
    found = finder(described, partial(typer.echo, err=True))
    try:
        yield from _remains(found, file, clean=clean)
    finally:
        found.connect.close()


def _clusters(described: ExistingClusters) -> tuple[str, State, str]:
    try:
        checked = check_clusters(described, described.new_prefix())
    except UsageError as why:
        return _CLUSTERS, "no", str(why)
    names = f"{described.source.properties.name} and {described.target.properties.name}"
    return _CLUSTERS, "ok", f"{names} answer, Connect {checked.connect_version} has MirrorMaker 2"


def _remains(found: Finder, file: Path, *, clean: bool) -> Iterator[tuple[str, State, str]]:
    remains, silent = found.find()
    for each in remains:
        lines = each.words()
        # A place that does not answer may have the member that shows that a run lives.
        used = each.used_by or ("whether a run uses it is unknown" if clean and silent else None)
        if used is not None:
            yield _LEFTOVERS, "-", f"{each.prefix}: {'; '.join(lines)}: not removed: {used}"
        elif clean:
            left = found.remove(each)
            yield from ((_LEFTOVERS, "no", f"not removed: {line}") for line in left)
            if not left:
                yield from ((_LEFTOVERS, "ok", f"removed {line}") for line in lines)
        else:
            remedy = f"remove it with kafka-cutover doctor --testbed {file} --clean"
            yield from ((_LEFTOVERS, "-", f"{line}: {remedy}") for line in lines)
    for line in silent:
        yield _LEFTOVERS, "no", line
    if not remains and not silent:
        yield _LEFTOVERS, "ok", "nothing of earlier runs"
