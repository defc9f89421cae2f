"""Topics and settings that the target would refuse, found by creations that only validate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.cimpl import NewTopic

from cutover_harness.answer import answer_of
from cutover_harness.inventory.calls import TIMEOUT_S, Calls
from cutover_harness.inventory.completeness import kind_of, reason_of
from cutover_harness.mirror.topic_settings import wanted
from cutover_harness.preflight.model import Finding, Severity, Topic
from cutover_harness.preflight.planned.facts import Facts, Refusal
from cutover_harness.words import listed

_SLICE = 100
_OF_SETTINGS = frozenset({KafkaError.INVALID_CONFIG, KafkaError.INVALID_REQUEST})
VALIDATED = "validated creations"


def read_refusals(calls: Calls, missing: Mapping[str, Topic]) -> list[Refusal]:
    """Return what the target refuses of topics that it lacks, as the mirror would create them. Nothing is created."""
    configs = {name: wanted(topic.settings) for name, topic in missing.items()}
    found, unclear = [], []
    for name, error in _ask(calls, [(name, missing[name].partitions, configs[name]) for name in missing]):
        if error.args[0].code() in _OF_SETTINGS and configs[name]:
            unclear.append((name, error))
        else:
            found.append(Refusal(name, None, reason_of(error), final=True))
    verdicts: dict[tuple[str, str], KafkaException | None] = {}
    for name, error in unclear:
        for entry in configs[name].items():
            if entry not in verdicts:  # one request each: a topic can be in a request once
                asked = [(name, missing[name].partitions, dict([entry]))]
                verdicts[entry] = next((why for _, why in _ask(calls, asked)), None)
        refused = [(entry, why) for entry in configs[name].items() if (why := verdicts[entry]) is not None]
        found += [Refusal(name, f"{key}={value}", reason_of(why), final=False) for (key, value), why in refused]
        if not refused:
            found.append(Refusal(name, None, reason_of(error), final=True))
    return found


def _ask(calls: Calls, wanted_: Sequence[tuple[str, int, Mapping[str, str]]]) -> Iterable[tuple[str, KafkaException]]:
    """Return the errors of topics that would not be created; a missing right is left to the check of rights."""
    for part in calls.slices(wanted_, _SLICE, VALIDATED, len(wanted_)):
        calls.wait()
        new = [NewTopic(name, count, -1, config=dict(config)) for name, count, config in part]
        futures: Mapping[str, Any] = calls.client.create_topics(new, operation_timeout=TIMEOUT_S, validate_only=True)
        for name, future in futures.items():
            try:
                answer_of(future, TIMEOUT_S)
            except KafkaException as error:
                if error.args[0].code() < 0 or error.args[0].code() == KafkaError.REQUEST_TIMED_OUT:
                    calls.failed(VALIDATED, error, [name])
                elif kind_of(error) != "forbidden" and error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    yield name, error


def findings(facts: Facts) -> list[Finding]:
    """Return a finding for each topic that the target refuses, and for each setting."""
    batch_of = {topic: batch.name for batch in facts.scope.batches for topic in batch.topics}
    found = []
    by_setting: dict[tuple[str, str, str | None], list[str]] = {}
    for each in facts.refusals:
        if each.setting is None:
            found.append(_refused_topic(each, batch_of.get(each.topic)))
        else:
            by_setting.setdefault((each.setting, each.why, batch_of.get(each.topic)), []).append(each.topic)
    for (setting, why, batch), topics in by_setting.items():
        found.append(
            Finding(
                "refused-setting",
                Severity.WARNING,
                _named("topic", topics),
                f"would not get {setting} on the target, which refuses it: {why}",
                "a creation on the target that only validates",
                "change the setting, or accept that the mirror of kafka-cutover creates the topic without it",
                batch,
            )
        )
    return found


def _refused_topic(refusal: Refusal, batch: str | None) -> Finding:
    return Finding(
        "refused-topic",
        Severity.BLOCKER,
        f"topic {refusal.topic}",
        f"cannot be created on the target: {refusal.why}",
        "a creation on the target that only validates",
        "change what the target refuses, its policy, or leave the topic out",
        batch,
    )


def _named(thing: str, names: Sequence[str]) -> str:
    return f"{thing}{'s' if len(names) > 1 else ''} {listed(names)}"
