"""`kafka-cutover fleet`: who is on which cluster, and who does not follow."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any

import typer

from cutover_harness.channels.document import generation_in
from cutover_harness.cli import fleet_table
from cutover_harness.cli.fleet_freshness import Freshness
from cutover_harness.cli.fleet_rows import Expected, Fleet, fleet_of, iso, mapping, text
from cutover_harness.conductor.statuses import StatusSource, open_statuses, place_of, topic_of
from cutover_harness.console import standard_output
from cutover_harness.errors import UsageError
from cutover_harness.inputs import read_text_input

FORMAT = 1
"""Of the JSON: docs/fleet.md."""
_SUFFIXES = (".txt", ".json")
"""What ends like this is the name of a file, also if it does not exist."""
_LOOK_S = 0.2
_DOUBT_S = 2.5
"""How long to look at most whether clients renew their statuses; they do so every second."""


def fleet(
    statuses: Annotated[str, typer.Argument(metavar="FOLDER|kafka:TOPIC", help="Where clients write their statuses.")],
    cluster: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="For a topic: librdkafka properties of the source, one name=value per line."),
    ] = None,
    cutover_file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Cutover file: its generation has to be attested; for a topic, its source is read."
        ),
    ] = None,
    expect: Annotated[
        str | None,
        typer.Option(
            metavar="N|NAMES|FILE",
            help="Clients that have to be there: how many, instance names with commas, or a file with a name per line.",
        ),
    ] = None,
    route: Annotated[str | None, typer.Option(help="Show the clients of this route only.")] = None,
    ended: Annotated[bool, typer.Option("--ended", help="Also list clients that have ended.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Repeat the table until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(help="Seconds between two tables of --watch.")] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON; with --watch one document per line.")] = False,
) -> int:
    """Show who is on which cluster, and who is missing, silent, refuses or is behind. Only reads.

    Exit codes: 0 all attest the same generation, 1 not all of them, 2 bad input or a cluster that does not answer, 3 no
    client reports.
    """
    if every <= 0:
        raise UsageError(f"--every {every:g}: must be above 0")
    expected = None if expect is None else expected_of(expect)
    with closing(_open(statuses, cluster, cutover_file)) as source:
        look = Look(source, route, expected, None if cutover_file is None else Wanted(cutover_file))
        found = look.first()
        if watch:
            return _watch(look, every=every, ended=ended, as_json=as_json)
        if as_json:
            print(json.dumps(document(source, found), indent=1))
        else:
            _print(source, found, ended=ended)
        return found.exit_code


class Wanted:
    """The generation of a cutover file, which clients may not have read yet; the last one if it cannot be read now."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._last = self._read()
        if self._last is None:
            raise UsageError(f"cutover file {file}: has no generation: give one that kafka-cutover file check accepts")

    def generation(self) -> int | None:
        """Return the generation that is in the file now."""
        with suppress(UsageError):
            self._last = self._read() or self._last
        return self._last

    def _read(self) -> int | None:
        return generation_in(read_text_input(self._file, "cutover file"))


class Look:
    """Looks at the statuses of a fleet; with `wanted`, clients have to attest that generation at least."""

    def __init__(
        self, source: StatusSource, route: str | None, expected: Expected | None, wanted: Wanted | None = None
    ) -> None:
        self.source = source
        self._route, self._expected, self._wanted = route, expected, wanted
        self._freshness = Freshness()

    def first(self) -> Fleet:
        """Return the fleet after one look, or several if it is in doubt who is silent. Raises UsageError."""
        deadline: float | None = None
        while True:
            contents = self.source.read()
            if self.source.problem is not None:
                raise UsageError(f"{self.source.name}: {self.source.problem}")
            self._check_route(contents)
            self._freshness.look(contents)
            now = time.monotonic()
            if not self._freshness.in_doubt(contents) or now > (deadline := deadline or now + _DOUBT_S):
                return self._fleet(contents)
            time.sleep(_LOOK_S)

    def _check_route(self, contents: Mapping[str, Mapping[str, Any]]) -> None:
        """Raise UsageError if clients report routes, and not the one that is asked for."""
        names = {text(name) for status in contents.values() for name in mapping(status.get("routes"))}
        if self._route is not None and names and self._route not in names:
            there = ", ".join(sorted(name for name in names if name))
            raise UsageError(f"{self.source.name}: no route {self._route!r} in the statuses; there are: {there}")

    def again(self) -> Fleet:
        """Return the fleet after another look."""
        contents = self.source.read()
        self._freshness.look(contents)
        return self._fleet(contents)

    def _fleet(self, contents: Any) -> Fleet:
        wanted = None if self._wanted is None else self._wanted.generation()
        return fleet_of(contents, self._freshness.silent_s, route=self._route, expected=self._expected, wanted=wanted)


def expected_of(given: str) -> Expected:
    """Return the clients that `--expect` names. Raises UsageError."""
    if given.strip().isdigit():
        return Expected(count=int(given))
    if os.sep not in given and not given.endswith(_SUFFIXES) and not Path(given).is_file():
        names = [name.strip() for name in given.split(",")]
        if not all(names):
            raise UsageError(f"--expect {given}: an empty name: give names with commas, a number, or a file of names")
        return Expected(names)
    content = read_text_input(Path(given), "--expect")
    names = _of_conductor(content) or [line.split("#")[0].strip() for line in content.splitlines()]
    if not any(names):
        raise UsageError(f"--expect {given}: has no name: write one per line")
    return Expected([name for name in names if name])


def _of_conductor(content: str) -> list[str]:
    """Return the names in a conductor.json, if the content is one."""
    if not content.lstrip().startswith("{"):
        return []
    try:
        clients = json.loads(content)["clients"]
        return [str(name) for name in clients] if isinstance(clients, dict) else []
    except (ValueError, KeyError, TypeError, RecursionError):
        return []


def _open(statuses: str, cluster: Path | None, cutover_file: Path | None) -> StatusSource:
    place = place_of(statuses)
    if topic_of(place) is None:
        if cluster is not None:
            raise UsageError(f"{statuses}: is a folder: --cluster is for kafka:TOPIC")
        return open_statuses(place, {})
    if (cluster is None) == (cutover_file is None):
        raise UsageError(f"{statuses}: give the source cluster, with either --cluster FILE or --cutover-file FILE")
    if cluster is not None:
        from cutover_harness.properties_file import read_properties  # noqa: PLC0415 - a folder needs no cluster

        properties = read_properties(cluster)
        return open_statuses(place, properties, _redaction(properties))
    assert cutover_file is not None  # noqa: S101 - one of both is given
    from cutover_shim.cutover_file import CutoverFileError, parse  # noqa: PLC0415 - as above

    try:
        file = parse(read_text_input(cutover_file, "cutover file"), os.environ)
    except CutoverFileError as why:
        raise UsageError(f"cutover file {cutover_file}: {why}") from None
    return open_statuses(place, file.clusters["source"].properties, file.redact)


def _redaction(properties: dict[str, str]) -> Callable[[str], str]:
    """Return what removes the values of properties, all but the address, from a message of the client."""
    secrets = [v for name, v in properties.items() if len(v) > 3 and not name.endswith((".servers", ".broker.list"))]

    def redact(text: str) -> str:
        for secret in secrets:
            text = text.replace(secret, "***")
        return text

    return redact


def document(source: StatusSource, found: Fleet) -> dict[str, Any]:
    """Return the JSON document: docs/fleet.md."""
    now = time.time()
    return {
        "format": FORMAT,
        "statuses": source.name,
        "at": now,
        "at_iso": iso(now),
        "problem": source.problem,
        **found.to_json(),
        "attested": source.problem is None and found.exit_code == 0,
    }


def _print(source: StatusSource, found: Fleet, *, ended: bool) -> None:
    if not sys.stdout.isatty():
        for line in fleet_table.lines(source.name, found, width=None, ended=ended, problem=source.problem):
            print(line.plain)
        return
    console = standard_output()
    lines = list(fleet_table.lines(source.name, found, width=console.width, ended=ended, problem=source.problem))
    if len(lines) >= console.height:
        lines.append(fleet_table.headline(source.name, found))  # the first line has scrolled away
    for line in lines:
        console.print(line, soft_wrap=True)


def _watch(look: Look, *, every: float, ended: bool, as_json: bool) -> int:
    """Show the fleet again and again; ends with Ctrl-C. In a pipe each table follows the one before."""
    source = look.source
    with _screen(live=sys.stdout.isatty() and not as_json) as update:
        while True:
            found = look.again()
            if as_json:
                print(json.dumps(document(source, found)), flush=True)
            elif update is not None:
                update(source, found, ended)
            else:
                print(iso(time.time()))
                _print(source, found, ended=ended)
                print(flush=True)
            time.sleep(every)


@contextmanager
def _screen(*, live: bool) -> Iterator[Callable[[StatusSource, Fleet, bool], None] | None]:
    """Return what shows a fleet in place of the one before; None if the output is no terminal."""
    if not live:
        yield None
        return
    from rich.console import Group  # noqa: PLC0415 - for --watch alone
    from rich.live import Live  # noqa: PLC0415 - as above

    console = standard_output()
    with Live(console=console, auto_refresh=False, screen=False) as shown:

        def update(source: StatusSource, found: Fleet, ended: bool) -> None:
            lines = fleet_table.lines(source.name, found, width=console.width, ended=ended, problem=source.problem)
            shown.update(Group(*lines), refresh=True)

        yield update
