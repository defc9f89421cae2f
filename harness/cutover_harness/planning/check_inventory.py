"""Checks of a plan against its inventory: nothing planned twice, no client split, nothing left out. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from cutover_harness.globs import is_glob
from cutover_harness.inventory.model import Listing
from cutover_harness.planning.links import Link, links_of
from cutover_harness.planning.model import PlanFile
from cutover_harness.planning.patterns import Patterns
from cutover_harness.planning.problems import At, PlanText, Problem
from cutover_harness.words import did_you_mean, listed

_STAYS = -1
"""Stands for `stays` among the numbers of batches."""


def check_inventory(plan: PlanFile, text: PlanText, listing: Listing, planned: Mapping[str, set[str]]) -> list[Problem]:
    """Return the problems. planned: topics and groups of what cannot be read, which are not forgotten."""
    return list(_Check(plan, text, listing).problems(planned))


class _Check:
    def __init__(self, plan: PlanFile, text: PlanText, listing: Listing) -> None:
        source = listing.clusters["source"]
        self._plan, self._text, self._listing = plan, text, listing
        self._topics = {each.name: each for each in source.topics}
        self._groups = {each.name: each for each in source.groups}
        self._movable = sorted(name for name, each in self._topics.items() if not each.internal)
        self._places = self._placed()

    def problems(self, planned: Mapping[str, set[str]]) -> Iterable[Problem]:
        yield from self._patterns()
        yield from self._in_two()
        yield from self._split()
        yield from self._unknown_groups()
        yield from self._connectors()
        yield from self._forgotten(planned)

    def _placed(self) -> dict[str, list[int]]:
        """Return the batches of each topic that is in one, and whether it stays."""
        found: dict[str, list[int]] = defaultdict(list)
        for number, batch in enumerate(self._plan.batches):
            its, exclude = Patterns(batch.topics), Patterns(batch.exclude)
            for name, topic in self._topics.items():
                if its.match(name) and not exclude.match(name) and (not topic.internal or name in batch.topics):
                    found[name].append(number)
        stays = Patterns(self._plan.stays)
        for name in self._topics:
            if stays.match(name):
                found[name].append(_STAYS)
        return found

    def _place(self, number: int) -> tuple[str, At]:
        if number == _STAYS:
            return "stays", ("stays",)
        return f"batch {self._plan.batches[number].name}", ("batches", number)

    def _patterns(self) -> Iterable[Problem]:
        lists: list[tuple[At, tuple[str, ...]]] = [(("stays",), self._plan.stays)]
        for number, batch in enumerate(self._plan.batches):
            lists += [(("batches", number, "topics"), batch.topics), (("batches", number, "exclude"), batch.exclude)]
        for at, patterns in lists:
            for number, pattern in enumerate(patterns):
                if pattern in self._topics:
                    continue
                if not is_glob(pattern):
                    yield self._text.problem(
                        (*at, number), f"the inventory has no topic {pattern}: remove or correct it"
                    )
                elif not any(map(Patterns([pattern]).match, self._topics)):
                    yield self._text.problem((*at, number), f"no topic of the inventory matches {pattern}")

    def _in_two(self) -> Iterable[Problem]:
        found: dict[tuple[int, ...], list[str]] = defaultdict(list)
        for name, places in self._places.items():
            if len(places) > 1:
                found[tuple(sorted(places))].append(name)
        for numbers, names in found.items():
            last = max(numbers)
            others = [number for number in numbers if number != last]
            # The same text in two places has a problem of its own already.
            literal = {pattern for number in others for pattern in self._patterns_of(number)}
            if left := sorted(set(names) - (literal & set(self._plan.batches[last].topics))):
                shown = [f"{title} (line {self._text.line(at)})" for title, at in map(self._place, others)]
                why = f"{listed(left)}: in {' and '.join(shown)} too: exclude it in one of them"
                yield self._text.problem(("batches", last, "topics"), why)

    def _patterns_of(self, number: int) -> tuple[str, ...]:
        return self._plan.stays if number == _STAYS else self._plan.batches[number].topics

    def _split(self) -> Iterable[Problem]:
        """Find clients whose topics are in several places. A producer may write to a topic that stays."""
        stay = Patterns(self._plan.stays_groups)
        for link in links_of(self._listing, self._movable, {name for name in self._groups if not stay.match(name)}):
            is_group = link.kind == "group"
            places: dict[int, list[str]] = defaultdict(list)
            for topic in link.topics:
                for number in self._places.get(topic, ())[:1]:
                    if is_group or number != _STAYS:
                        places[number].append(topic)
            at, own = self._own(link)
            if own is not None:
                places.setdefault(own, [])
            if len(places) > 1:
                parts = [f"{listed(names)} of {self._place(n)[0]}" for n, names in sorted(places.items()) if names]
                or_stay = ", or list the group in stays_groups if it is to stay on the source" if is_group else ""
                where = f", and is in {self._place(own)[0]}" if own is not None and not places[own] else ""
                yield self._text.problem(
                    at or ("batches", max(places)),
                    f"{link.title} {'reads' if is_group else 'uses'} {' and '.join(parts)}{where}: put all of it into "
                    f"one batch{or_stay}",
                )

    def _own(self, link: Link) -> tuple[At | None, int | None]:
        """Return the place of a client in the plan, and the number of its batch."""
        kind = "groups" if link.kind == "group" else "producers"
        for number, batch in enumerate(self._plan.batches):
            if link.name in getattr(batch, kind):
                return ("batches", number, kind, link.name), number
        return None, None

    def _unknown_groups(self) -> Iterable[Problem]:
        for number, batch in enumerate(self._plan.batches):
            for name in batch.groups:
                if name not in self._groups:
                    at = ("batches", number, "groups", name)
                    yield self._text.problem(at, f"the inventory has no group {name}: remove or correct it")
        for number, name in enumerate(self._plan.stays_groups):
            if not any(map(Patterns([name]).match, self._groups)):
                yield self._text.problem(
                    ("stays_groups", number), f"the inventory has no group {name}: remove or correct it"
                )

    def _connectors(self) -> Iterable[Problem]:
        known = {each.name for connect in self._listing.connect for each in connect.connectors or ()}
        for number, batch in enumerate(self._plan.batches):
            for kind in ("groups", "producers"):
                for name, mover in getattr(batch, kind).items():
                    if mover.connector is not None and mover.connector not in known:
                        hint = "take the inventory with --connect"
                        if known:
                            hint = did_you_mean(mover.connector, known) or "correct it"
                        at = ("batches", number, kind, name)
                        yield self._text.problem(at, f"the inventory has no connector {mover.connector}: {hint}")

    def _forgotten(self, planned: Mapping[str, set[str]]) -> Iterable[Problem]:
        covered = Patterns(planned["topics"])
        topics = [name for name in self._movable if name not in self._places and not covered.match(name)]
        if topics:
            yield self._text.problem(
                ("batches",), f"topics in no batch: {listed(topics, 10)}: put them into a batch, or into stays"
            )
        stays = Patterns(self._plan.stays_groups)
        moving = planned["groups"].union(*(batch.groups for batch in self._plan.batches))
        groups = sorted(name for name in self._groups if name not in moving and not stays.match(name))
        if groups:
            yield self._text.problem(
                ("batches",),
                f"groups in no batch: {listed(groups, 10)}: put each into the batch of its topics, or stays_groups",
            )
