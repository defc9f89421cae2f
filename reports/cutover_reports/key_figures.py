"""The figures of the first screen, each with the limit of the policy."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

from cutover_reports import words
from cutover_reports.model import KeyFigure, Risk, RollbackCard, Scenario
from cutover_reports.policy import Policy
from cutover_reports.rollbacks import UNKNOWN

State = Literal["within", "beyond", "no limit", "unknown"]
#: From the worst to the best.
STATES: tuple[State, ...] = ("beyond", "unknown", "no limit", "within")
WAY_BACK = "way-back"
#: The stage with the consumers on the target: from there a rollback has its deadline, and its cost grows.
ON_TARGET = 4

#: Id of the risk, title, figure of a scenario, and how it reads.
_ROWS: tuple[tuple[str, str, Callable[[Scenario], float | None], Callable[[float | None], str]], ...] = (
    ("lost", "Lost", lambda s: s.lost, words.count),
    ("duplicated-forward", "Read twice going forward", lambda s: s.duplicated_total, words.count),
    ("duplicated-back", "Read twice by a rollback", lambda s: s.duplicated_total, words.count),
    ("reordered", "Reordered", lambda s: s.reordered, words.count),
    ("producer-blackout", "Producers' blackout", lambda s: s.producer_blackout_ms, words.milliseconds),
    ("consumer-blackout", "Consumers' blackout", lambda s: s.consumer_blackout_ms, words.milliseconds),
)
_KIND = {"duplicated-forward": "switchover", "duplicated-back": "rollback"}


def key_figures(
    rehearsed: Sequence[Scenario], risks: Sequence[Risk], cards: Sequence[RollbackCard], policy: Policy, route: str
) -> list[KeyFigure]:
    """Return the figures of one route. rehearsed: scenarios that decide, without controls."""
    by_id = {risk.id: risk for risk in risks}
    found = []
    for identity, title, figure, text in _ROWS:
        risk = by_id.get(identity)
        chosen = [s for s in rehearsed if s.groups and _KIND.get(identity, s.kind) == s.kind]
        if risk is not None and chosen:
            found.append(_figure(risk, title, chosen, figure, text, cards))
    return [*found, _way_back(by_id, cards, policy.reversible_stages(route))]


def worst_of(routes: Sequence[tuple[str, Sequence[KeyFigure]]]) -> list[KeyFigure]:
    """Return the worst of each figure over several routes, which it names."""
    if len(routes) == 1:
        return list(routes[0][1])
    found: dict[str, KeyFigure] = {}
    for name, figures in routes:
        for each in figures:
            known = found.get(each.id)
            if known is None or STATES.index(each.state) < STATES.index(known.state):
                note = f"route {name}" + (f": {each.note}" if each.note else "")
                found[each.id] = each.model_copy(update={"note": note})
    return list(found.values())


def _figure(
    risk: Risk,
    title: str,
    scenarios: Sequence[Scenario],
    figure: Callable[[Scenario], float | None],
    text: Callable[[float | None], str],
    cards: Sequence[RollbackCard],
) -> KeyFigure:
    known = {s.id: value for s in scenarios if (value := figure(s)) is not None}
    worst = max(known.values(), default=None)
    plain = max((value for s in scenarios if not s.faults and (value := known.get(s.id)) is not None), default=None)
    notes = []
    if worst is not None and plain is not None and worst > plain:
        notes.append(f"{text(plain)} without a fault")
    if risk.id == "lost" and (destroyed := max((s.destroyed for s in scenarios), default=0)):
        notes.append(f"apart from {words.count(destroyed)} destroyed by a fault on purpose")
    if risk.id == "duplicated-back" and worst:
        notes.append(next((card.grows for card in cards if card.stage == ON_TARGET and card.per_hour), ""))
    return KeyFigure(
        id=risk.id,
        title=title,
        value=text(worst),
        limit=_limit(risk),
        state=_state(risk, known=worst is not None),
        note="; ".join(note for note in notes if note),
    )


def _limit(risk: Risk) -> str:
    """Return the limit of a figure, shorter than in the table of risks."""
    shown = risk.threshold.removesuffix("records").removesuffix("deliveries").strip()
    return {"none": "0"}.get(shown, "no limit set" if shown.startswith("not decided") else shown)


def _state(risk: Risk, *, known: bool) -> State:
    if risk.level == "blocks":
        return "beyond"
    if risk.level == "condition":
        return "no limit" if known and risk.id != WAY_BACK else "unknown"
    return "within"


def _way_back(risks: dict[str, Risk], cards: Sequence[RollbackCard], reversible: Sequence[int]) -> KeyFigure:
    """Return until when there is a way back: the card of the last stage before producers move."""
    risk = risks[WAY_BACK]
    clock = next((card.possible_until for card in cards if card.stage == ON_TARGET), UNKNOWN)
    value, _, why = clock.partition(": ") if clock.startswith(UNKNOWN) else (clock, "", "")
    state = _state(risk, known=True)
    if state == "within" and value == UNKNOWN and any(stage >= ON_TARGET for stage in reversible):
        state = "unknown"
    return KeyFigure(
        id=WAY_BACK,
        title="Way back until",
        value=value,
        limit=risk.threshold,
        state=state,
        note="; ".join(part for part in (why, f"rollback {risk.measured.removeprefix('rollback ')}") if part),
    )
