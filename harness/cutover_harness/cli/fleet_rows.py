"""What `kafka-cutover fleet` finds in statuses: one row for each client and route, and who does not attest.

Anybody who may write where statuses are can write anything there: every value is checked, also for control characters.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal

from cutover_harness import exit_codes
from cutover_harness.masking import visible

Standing = Literal["missing", "silent", "refuses", "behind", "attests", "ended"]
ORDER: tuple[Standing, ...] = ("missing", "silent", "refuses", "behind", "attests", "ended")
BAD = ORDER[:4]
Silent = Callable[[str, float], float | None]


@dataclass(frozen=True)
class Blackout:
    """The last change of cluster: last acknowledgement or delivery before it, first one after (the client's clock)."""

    generation: int
    left_at: float | None
    last_at: float | None
    first_at: float | None

    @property
    def seconds(self) -> float | None:
        """How long it was, None if it is not over, or its begin is not known."""
        if self.last_at is None or self.first_at is None:
            return None
        return max(0.0, self.first_at - self.last_at)


@dataclass(frozen=True)
class Longest:
    """The longest blackout of a role's last switch, and whose it is; None while no client's is known."""

    generation: int
    seconds: float | None
    client: str | None


@dataclass(frozen=True)
class Row:
    """One client on one route (None: it has none). `seen` and `generation`: what it has read, what it has carried out.

    updated: time of its status. last_at: of its last acknowledgement or delivery. silent_s: for how long it has not
    renewed its status, if that is too long. unrouted: topics that it uses, or its group, in no route: they stay on the
    source. why: what keeps it from attesting, or what it reports besides.
    """

    standing: Standing
    client: str
    app: str | None = None
    client_id: str | None = None
    host: str | None = None
    pid: int | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    role: str | None = None
    group: str | None = None
    route: str | None = None
    cluster: str | None = None
    desired: str | None = None
    state: str | None = None
    seen: int | None = None
    generation: int | None = None
    channel: str | None = None
    in_flight: int | None = None
    held: int | None = None
    unrouted: int | None = None
    updated: float | None = None
    last_at: float | None = None
    silent_s: float | None = None
    ended: str | None = None
    blackout: Blackout | None = None
    why: str | None = None


@dataclass(frozen=True)
class Fleet:
    """All rows, those that do not attest first. `generation`: the highest that a client has read, or is to read."""

    rows: Sequence[Row]
    generation: int | None

    def of(self, *standings: Standing) -> list[Row]:
        """Return the rows with one of these standings."""
        return [row for row in self.rows if row.standing in standings]

    @property
    def counts(self) -> dict[Standing, int]:
        """Return the number of rows with each standing."""
        found = Counter(row.standing for row in self.rows)
        return {standing: found[standing] for standing in ORDER}

    @property
    def blackouts(self) -> dict[str, Longest | None]:
        """Return the longest blackout of the last switch of each role; a role can switch in a generation of its own."""
        return {role: _longest([row for row in self.rows if row.role == role]) for role in ("producer", "consumer")}

    @property
    def exit_code(self) -> int:
        """0 if all attest the generation, 1 if one does not, 3 if there is no client."""
        if self.of(*BAD):
            return exit_codes.FAILED
        return 0 if self.of("attests") else exit_codes.UNPROVED

    def to_json(self) -> dict[str, Any]:
        """Return what docs/fleet.md describes."""
        return {
            "generation": self.generation,
            "attested": self.exit_code == 0,
            "counts": self.counts,
            "blackouts": {role: None if found is None else asdict(found) for role, found in self.blackouts.items()},
            "clients": [_row_json(row) for row in self.rows],
        }


def _longest(rows: Sequence[Row]) -> Longest | None:
    switches = [(row.blackout, row.client) for row in rows if row.blackout is not None]
    if not switches:
        return None
    last = max(each.generation for each, _ in switches)
    known = [
        (each.seconds, client) for each, client in switches if each.generation == last and each.seconds is not None
    ]
    return Longest(last, *max(known, default=(None, None)))


def fleet_of(
    statuses: Mapping[str, Mapping[str, Any]],
    silent: Silent,
    *,
    route: str | None = None,
    expected: Expected | None = None,
    wanted: int | None = None,
) -> Fleet:
    """Return what the statuses say; with `route`, of the clients on this route alone.

    silent: returns for how long a client has not renewed its status, by its name and the time in its status; None if
    that is not too long. wanted: a generation that clients have to read, if none of them has read it.
    """
    rows = [row for status in statuses.values() for row in _rows(status, silent)]
    live = [row for row in rows if row.standing != "ended"]
    generations = [wanted, *(row.seen for row in live)]
    generation = max((each for each in generations if each is not None), default=None)
    consistent = _consistent([_judged(row, generation) for row in rows])
    judged = [_with_unrouted(row) for row in consistent if _is_of(row, route, generation)]
    missing = [] if expected is None else expected.missing(judged)
    order = {standing: number for number, standing in enumerate(ORDER)}
    found = [*missing, *judged]
    found.sort(key=lambda row: (order[row.standing], row.app or "", row.client, row.route or ""))
    return Fleet(found, generation)


def _is_of(row: Row, route: str | None, generation: int | None) -> bool:
    """Return whether a client belongs to a route, or may open it where an older document wants it."""
    if route is None or row.route == route:
        return True
    return row.standing in BAD and generation is not None and (row.seen is None or row.seen < generation)


def _consistent(rows: Sequence[Row]) -> list[Row]:
    """Return the rows; those that attest different locations of one route and role follow different documents."""
    locations: dict[tuple[str | None, str | None], set[str]] = {}
    for row in rows:
        if row.standing == "attests" and row.route is not None:
            locations.setdefault((row.route, row.role), set()).add(str(row.desired))
    judged = []
    for row in rows:
        others = (
            locations.get((row.route, row.role), set()) - {str(row.desired)} if row.standing == "attests" else set()
        )
        why = f"wants {row.desired}, and others want {' and '.join(sorted(others))} at the same generation"
        judged.append(replace(row, standing="behind", why=_with(why, row.why)) if others else row)
    return judged


@dataclass(frozen=True)
class Expected:
    """Clients that have to be there: by name, or at least so many of them."""

    names: Sequence[str] = ()
    count: int = 0

    def missing(self, rows: Sequence[Row]) -> list[Row]:
        """Return a row for each client that is not there, or one for all of them if only their number is known."""
        live = {row.client for row in rows if row.standing != "ended"}
        ended = {row.client: row for row in rows if row.standing == "ended"}
        found = []
        for name in dict.fromkeys(self.names):
            if name not in live:
                last = ended.get(name)
                how = "has written no status" if last is None else f"has ended ({last.ended})"
                found.append(Row("missing", name, app=None if last is None else last.app, why=how))
        if len(live) < self.count:
            lack = self.count - len(live)
            who = f"{lack} client{'' if lack == 1 else 's'}"
            found.append(Row("missing", who, why=f"{len(live)} of {self.count} expected clients report"))
        return found


def _rows(status: Mapping[str, Any], silent: Silent) -> list[Row]:
    """Return a row for each route of a status; one without a route if it has none."""
    client, updated = text(status.get("instance")) or "?", number(status.get("updated"))
    ended = "closed" if status.get("closed") is True else None
    seen = mapping(status.get("seen"))
    versions = {name: shown for name, version in mapping(status.get("versions")).items() if (shown := text(version))}
    base = Row(
        "ended" if ended else "attests",
        client,
        app=text(status.get("app")),
        client_id=text(status.get("client_id")),
        host=text(status.get("host")),
        pid=integer(status.get("pid")),
        versions=versions,
        role=text(status.get("role")),
        group=text(status.get("group")),
        seen=integer(status.get("seen_generation")),
        channel=text(seen.get("channel")),
        unrouted=integer(status.get("unrouted")),
        updated=updated,
        silent_s=None if ended or updated is None else silent(client, updated),
        ended=(text(status.get("ended")) or ended) if ended else None,
        why=_refusals(status),
    )
    if updated is None and not ended:
        base = replace(base, standing="silent", why="its status has no time")
    if base.why is not None and base.standing == "attests":
        base = replace(base, standing="refuses")
    if not isinstance(status.get("routes"), dict) and base.standing == "attests":
        base = replace(base, standing="behind", why="its status has no routes that can be read")
    routes = mapping(status.get("routes"))
    return [_on_route(base, name, mapping(content)) for name, content in routes.items()] or [base]


def _refusals(status: Mapping[str, Any]) -> str | None:
    """Return why the client refuses documents."""
    found = [text(status.get("rejected"))]
    for channel in status.get("channels") or () if isinstance(status.get("channels"), list) else ():
        name, refused = text(mapping(channel).get("channel")), text(mapping(channel).get("refused"))
        if refused and not any(refused in (each or "") for each in found):
            found.append(f"{name}: {refused}")
    return "; ".join(each for each in found if each) or None


def _on_route(base: Row, name: str, content: Mapping[str, Any]) -> Row:
    switch = mapping(content.get("switch"))
    done = "delivered" if base.role == "consumer" else "acked"
    blackout = None
    if (generation := integer(switch.get("generation"))) is not None:
        last, first = number(switch.get(f"last_{done}_at")), number(switch.get(f"first_{done}_at"))
        blackout = Blackout(generation, number(switch.get("left_at")), last, first)
    return replace(
        base,
        route=text(name),
        cluster=text(content.get("cluster")),
        desired=text(content.get("desired")),
        state=text(content.get("state")),
        generation=integer(content.get("generation")),
        in_flight=integer(content.get("in_flight")),
        held=integer(content.get("queued")),
        last_at=number(content.get(f"{done}_at")),
        blackout=blackout,
        why=base.why if base.why is not None else text(content.get("error")),
    )


def _judged(row: Row, generation: int | None) -> Row:
    """Return the row with what keeps its client from attesting the generation."""
    if row.standing == "ended":
        return row
    if row.silent_s is not None or row.standing == "silent":
        return replace(row, standing="silent", why=_with(_unattested(row, generation), row.why))
    if row.standing in ("refuses", "behind"):
        return row
    if row.state == "failed":
        return replace(row, standing="refuses", why=row.why or "cannot change its cluster")
    why = _unattested(row, generation)
    return row if why is None else replace(row, standing="behind", why=_with(why, row.why))


def _unattested(row: Row, generation: int | None) -> str | None:
    """Return why the last status of a client does not attest the generation."""
    if generation is None or row.seen is None or row.seen < generation:
        return f"has not read generation {generation}" if generation is not None else "has read no generation"
    if row.route is None:
        return None
    at = {"source": "source", "hold": "held", "target": "target"}.get(str(row.desired))
    if row.generation is None or row.generation < generation or at is None or row.state != at:
        return f"is {row.state} and wants {row.desired}"
    return None


def _with_unrouted(row: Row) -> Row:
    """Return the row with what its client still does on the source, if it is shown elsewhere or nowhere."""
    if not row.unrouted or row.unrouted < 0 or row.desired == "source":
        return row
    if row.role == "consumer":
        return replace(row, why=_with(row.why, "its group is in no route and stays on the source"))
    topics = "1 topic in no route stays" if row.unrouted == 1 else f"{row.unrouted} topics in no route stay"
    return replace(row, why=_with(row.why, f"{topics} on the source"))


def _with(first: str | None, second: str | None) -> str | None:
    return "; ".join(each for each in (first, second) if each) or None


def _row_json(row: Row) -> dict[str, Any]:
    found = asdict(row)
    blackout = found.pop("blackout")
    found["versions"] = dict(row.versions)
    for name in ("updated", "last_at"):
        found[f"{name}_iso"] = iso(found[name])
    if blackout is not None and row.blackout is not None:
        blackout |= {f"{name}_iso": iso(blackout[name]) for name in ("left_at", "last_at", "first_at")}
        blackout["seconds"] = row.blackout.seconds
    return {**found, "blackout": blackout}


# -- values of a status ------------------------------------------------------------------------------------------------


def mapping(value: Any) -> Mapping[str, Any]:
    """Return the value if it is an object, otherwise an empty one."""
    return value if isinstance(value, dict) else {}


def number(value: Any) -> float | None:
    """Return the value if it is a finite number that can be a time."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) and abs(value) < 1e11 else None
    except OverflowError:
        return None


def integer(value: Any) -> int | None:
    """Return the value if it is an integer of at most 64 bits."""
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 1 << 63 else None


def text(value: Any) -> str | None:
    """Return the value if it is a text, without what a terminal would obey; None for an empty one."""
    if not isinstance(value, str):
        return None
    return visible(value[:1000]).strip() or None


def iso(at: float | None) -> str | None:
    """Return a time in ISO 8601, in UTC with milliseconds."""
    if at is None:
        return None
    try:
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return None
