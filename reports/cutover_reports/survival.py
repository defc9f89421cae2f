"""Client survival: how much of each client timeout and buffer the rehearsed blackouts use up.

A client does not end because of the blackout as such:

- A producer's held records keep their deadline, so a blackout counts against `delivery.timeout.ms`.
- A consumer that is held has left its group, and one that waits for records keeps polling and heartbeating; a session
  is not counted either while the coordinator is down. So no blackout of consumers ends one. `session.timeout.ms` runs
  while the process is frozen; `max.poll.interval.ms` too, and while the application waits for its own held producer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from cutover_reports.model import Scenario, Survival

if TYPE_CHECKING:  # which asks for the names of the settings below
    from cutover_reports.policy import Policy

#: From this share of a setting on, the headroom is called tight.
TIGHT = 0.5

#: Defaults of librdkafka 2 (CONFIGURATION.md) and of the Java client (ProducerConfig, ConsumerConfig).
DEFAULTS: dict[str, dict[str, float]] = {
    "librdkafka, defaults": {
        "delivery.timeout.ms": 300_000,
        "queue.buffering.max.messages": 100_000,
        "queue.buffering.max.kbytes": 1_048_576,
        "transaction.timeout.ms": 60_000,
        "max.poll.interval.ms": 300_000,
        "session.timeout.ms": 45_000,
    },
    "Java client, defaults": {
        "delivery.timeout.ms": 120_000,
        "max.block.ms": 60_000,
        "buffer.memory": 33_554_432,
        "transaction.timeout.ms": 60_000,
        "max.poll.interval.ms": 300_000,
        "session.timeout.ms": 45_000,
    },
}
ALWAYS = "always"


@dataclass(frozen=True)
class Setting:
    """A client setting that a cutover can use up.

    uses: gets a scenario, the policy and the client's settings; returns in the unit of the setting, None if unknown.
    only_if: on which clients it acts at all. Such a one is a condition, not a block: the rehearsal cannot know them.
    """

    role: Literal["producer", "consumer"]
    unit: str
    uses: Callable[[Scenario, Policy, Mapping[str, float]], float | None]
    consequence: str
    only_if: str = ALWAYS


def _producer_blackout(scenario: Scenario, _policy: Policy, _client: Mapping[str, float]) -> float | None:
    return scenario.producer_blackout_ms


def _frozen_ms(role: str) -> Callable[[Scenario, Policy, Mapping[str, float]], float | None]:
    """Return a function for the longest time for which a process of `role` was frozen: 0 if none was."""

    def longest(scenario: Scenario, _policy: Policy, _client: Mapping[str, float]) -> float | None:
        stretches = [
            1000 * (mark.to_s - mark.from_s)
            for mark in scenario.marks
            if mark.kind == "fault" and mark.name == f"freeze {role}" and mark.to_s is not None
        ]
        return max(stretches, default=0.0) if scenario.groups else None

    return longest


def _without_polling(scenario: Scenario, policy: Policy, client: Mapping[str, float]) -> float | None:
    """Return the longest time without a poll: frozen, or waiting for a producer that is held."""
    frozen = _frozen_ms("consumer")(scenario, policy, client)
    return None if frozen is None else max(frozen, scenario.producer_blackout_ms or 0.0)


def _held_records(scenario: Scenario, policy: Policy, _client: Mapping[str, float]) -> float | None:
    """Return what piles up in one blackout, at the peak rate of the policy, else of the whole rehearsed fleet."""
    rate = policy.production.records_per_second or scenario.peak_acks_per_second
    return (
        None if scenario.producer_blackout_ms is None or rate is None else scenario.producer_blackout_ms / 1000 * rate
    )


def _held_bytes(scenario: Scenario, policy: Policy, client: Mapping[str, float], *, unit: float = 1.0) -> float | None:
    records = _held_records(scenario, policy, client)
    size = policy.production.record_bytes
    return None if records is None or size is None else records * size / unit


def _blocked_ms(scenario: Scenario, policy: Policy, client: Mapping[str, float]) -> float | None:
    """Return how long send() waits for room: what is left of the blackout once the buffer is full."""
    held = _held_bytes(scenario, policy, client)
    if held is None or scenario.producer_blackout_ms is None:
        return None
    room = client.get("buffer.memory", DEFAULTS["Java client, defaults"]["buffer.memory"])
    return scenario.producer_blackout_ms * max(0.0, 1 - room / held) if held else 0.0


_DELIVERY = Setting(
    "producer",
    "ms",
    _producer_blackout,
    "held records keep their deadline: they fail with a time-out, and are lost unless the application sends them again",
)

SETTINGS: Mapping[str, Setting] = {
    "delivery.timeout.ms": _DELIVERY,
    "message.timeout.ms": _DELIVERY,  # librdkafka's other name of it
    "max.block.ms": Setting("producer", "ms", _blocked_ms, "send() raises while the buffer is full"),
    "queue.buffering.max.messages": Setting(
        "producer", "records", _held_records, "produce() raises BufferError until the blackout is over"
    ),
    "queue.buffering.max.kbytes": Setting(
        "producer",
        "KiB",
        lambda s, p, c: _held_bytes(s, p, c, unit=1024),
        "produce() raises BufferError until the blackout is over",
    ),
    "buffer.memory": Setting("producer", "bytes", _held_bytes, "send() blocks, then raises after max.block.ms"),
    "transaction.timeout.ms": Setting(
        "producer",
        "ms",
        _frozen_ms("producer"),
        "the coordinator aborts the open transaction; a hold does not count: producers switch between transactions",
        "a transactional producer whose process is frozen",
    ),
    "max.poll.interval.ms": Setting(
        "consumer",
        "ms",
        _without_polling,
        "the consumer is removed from its group; one that keeps polling is not, however long no record comes",
        "an application that waits for its own held producer between two polls, or whose process is frozen",
    ),
    "session.timeout.ms": Setting(
        "consumer",
        "ms",
        _frozen_ms("consumer"),
        "the consumer is removed from its group, which rebalances; "
        "a waiting one keeps its session, a held one has left",
        "a consumer whose process is frozen",
    ),
}


def survival(scenarios: Sequence[Scenario], policy: Policy) -> list[Survival]:
    """Return a row for each client and setting in `SETTINGS`; the policy's clients replace the defaults."""
    taken = [scenario for scenario in scenarios if scenario.kind != "control" and scenario.taken]
    return [
        _row(client, name, settings, taken, policy)
        for client, settings in (policy.clients or DEFAULTS).items()
        for name in settings
        if name in SETTINGS
    ]


def _row(
    client: str, name: str, settings: Mapping[str, float], scenarios: Sequence[Scenario], policy: Policy
) -> Survival:
    setting, value = SETTINGS[name], settings[name]
    uses = [(used, s.id) for s in scenarios if (used := setting.uses(s, policy, settings)) is not None]
    worst, scenario = max(uses, default=(None, None))
    used = None if worst is None else round(worst / value, 4) if value else 1.0
    outcome: Literal["survives", "tight", "gives up", "unknown"] = "survives"
    if used is None:
        outcome = "unknown"
    elif used >= TIGHT:
        outcome = "gives up" if used >= 1 else "tight"
    return Survival(
        client=client,
        setting=name,
        role=setting.role,
        value=value,
        unit=setting.unit,
        rehearsed=None if worst is None else round(worst, 1),
        used=used,
        outcome=outcome,
        only_if=setting.only_if,
        consequence=setting.consequence,
        scenario=scenario if worst else None,
    )
