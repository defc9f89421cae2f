"""Client survival: the rehearsed pauses against the settings at which a client gives up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from cutover_reports.model import Scenario, Survival
from cutover_reports.policy import Policy

#: From this share of a setting on, the headroom is called tight.
TIGHT = 0.5

#: Defaults of librdkafka 2 (CONFIGURATION.md) and of the Java client (ProducerConfig, ConsumerConfig).
DEFAULTS: dict[str, dict[str, float]] = {
    "librdkafka, defaults": {
        "delivery.timeout.ms": 300_000,
        "queue.buffering.max.messages": 100_000,
        "queue.buffering.max.kbytes": 1_048_576,
        "max.poll.interval.ms": 300_000,
        "session.timeout.ms": 45_000,
    },
    "Java client, defaults": {
        "delivery.timeout.ms": 120_000,
        "max.block.ms": 60_000,
        "buffer.memory": 33_554_432,
        "max.poll.interval.ms": 300_000,
        "session.timeout.ms": 45_000,
    },
}


@dataclass(frozen=True)
class Setting:
    """How a pause uses a setting up. `uses` gets a scenario and the policy, and returns in the unit of the setting."""

    role: Literal["producer", "consumer"]
    unit: str
    uses: Callable[[Scenario, Policy], float | None]
    consequence: str


def _producer_pause(scenario: Scenario, _policy: Policy) -> float | None:
    return scenario.producer_pause_ms


def _consumer_pause(scenario: Scenario, _policy: Policy) -> float | None:
    return scenario.consumer_pause_ms


def _held_records(scenario: Scenario, policy: Policy) -> float | None:
    """Return what piles up in one pause, at the peak rate of the policy, else of the whole rehearsed fleet."""
    rate = policy.production.records_per_second or scenario.peak_acks_per_second
    return None if scenario.producer_pause_ms is None or rate is None else scenario.producer_pause_ms / 1000 * rate


def _held_bytes(scenario: Scenario, policy: Policy, unit: float = 1.0) -> float | None:
    records = _held_records(scenario, policy)
    size = policy.production.record_bytes
    return None if records is None or size is None else records * size / unit


SETTINGS: Mapping[str, Setting] = {
    "delivery.timeout.ms": Setting(
        "producer",
        "ms",
        _producer_pause,
        "held records fail with a time-out, and are lost unless the application sends them again",
    ),
    "max.block.ms": Setting("producer", "ms", _producer_pause, "send() raises once the buffer is full"),
    "queue.buffering.max.messages": Setting(
        "producer", "records", _held_records, "produce() raises BufferError until the pause is over"
    ),
    "queue.buffering.max.kbytes": Setting(
        "producer", "KiB", lambda s, p: _held_bytes(s, p, 1024), "produce() raises BufferError until the pause is over"
    ),
    "buffer.memory": Setting("producer", "bytes", _held_bytes, "send() blocks, then raises after max.block.ms"),
    "max.poll.interval.ms": Setting(
        "consumer",
        "ms",
        _consumer_pause,
        "an application that waits that long between two polls is put out of its group",
    ),
    "session.timeout.ms": Setting(
        "consumer",
        "ms",
        _consumer_pause,
        "a client that is silent that long is put out of its group and a rebalance follows",
    ),
}


def survival(scenarios: Sequence[Scenario], policy: Policy) -> list[Survival]:
    """Return a row for each client and setting that this model knows; the policy's clients replace the defaults."""
    taken = [scenario for scenario in scenarios if scenario.kind != "control" and scenario.taken]
    return [
        _row(client, name, value, SETTINGS[name], taken, policy)
        for client, settings in (policy.clients or DEFAULTS).items()
        for name, value in settings.items()
        if name in SETTINGS
    ]


def _row(
    client: str, name: str, value: float, setting: Setting, scenarios: Sequence[Scenario], policy: Policy
) -> Survival:
    uses = [(used, scenario.id) for scenario in scenarios if (used := setting.uses(scenario, policy)) is not None]
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
        consequence=setting.consequence,
        scenario=scenario,
    )
