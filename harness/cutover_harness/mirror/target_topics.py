"""Topics on the target, created before MirrorMaker 2 creates them without the settings of the source's brokers."""

from __future__ import annotations

from collections.abc import Mapping

from confluent_kafka import KafkaError
from confluent_kafka.admin import ConfigEntry, ConfigSource  # type: ignore[attr-defined]

from cutover_harness.admin import Admin
from cutover_harness.mirror.errors import MirrorError
from cutover_harness.mirror.log_reader import answering
from cutover_harness.mirror.topic_settings import Setting, left_out, wanted
from cutover_harness.words import counted

_REFUSED_CONFIG = frozenset({KafkaError.INVALID_CONFIG, KafkaError.INVALID_REQUEST})


class TargetTopics:
    """Creates the source's topics on the target, with the source's values in force.

    A topic that the target had before stays as it is. `notes`: lines about properties that could not be copied.
    """

    def __init__(self, source: Admin, target: Admin) -> None:
        self._source = source
        self._target = target
        self._before: frozenset[str] | None = None
        self._done: set[str] = set()
        self._verdicts: dict[tuple[str, str], bool] = {}
        self.notes: list[str] = []
        # Properties that the target's topics do not have, so that MirrorMaker 2 must not set them there.
        self.unknown: frozenset[str] = frozenset()

    def follow(self, topics: Mapping[str, int]) -> bool:
        """Create the topics (name -> partitions) that the target lacks; return whether any is new since the last call.

        MirrorMaker 2 may have created a new topic earlier; then its properties are set afterwards.
        """
        new = {name: count for name, count in topics.items() if name not in self._done}
        if not new:
            return False
        with answering("target"):
            there = self._target.partitions()
        if self._before is None:
            self._before = frozenset(there)
        with answering("source"):
            settings = {name: _settings(entries) for name, entries in self._source.topic_entries(new).items()}
        for name, count in new.items():
            if name in self._before:
                continue
            self._provide(name, count, settings[name], exists=name in there)
        self._done |= new.keys()
        self._compare_names(next(iter(new)), settings)
        return True

    def _compare_names(self, topic: str, source: Mapping[str, Mapping[str, Setting]]) -> None:
        """Note which of the source's properties the target's version or vendor does not have."""
        with answering("target"):
            known = self._target.topic_configs([topic])[topic]
        # Only new names: each change of the connector's configuration restarts it.
        self.unknown |= {name for each in source.values() for name in each if name not in known}

    def _provide(self, name: str, count: int, source: Mapping[str, Setting], *, exists: bool) -> None:
        config = wanted(source)
        with answering("target"):
            if not exists:
                refused = self._target.try_topic(name, count, config)
                if refused is not None and refused.code() in _REFUSED_CONFIG:
                    config = self._accepted(name, count, config)
                    refused = self._target.try_topic(name, count, config)
                if refused is not None and refused.code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise MirrorError(
                        f"topic {name} cannot be created on the target: {refused.str()}; create it there with "
                        f"{counted(count, 'partition')} and {_listed(config)}, or allow it"
                    )
                exists = refused is not None
            if exists:
                accepted = self._accepted(f"{name}.kafka-cutover-check", count, config)
                self._target.set_topic_config(name, accepted)
                config = accepted
        lacking = sorted({*left_out(source), *(wanted(source).keys() - config.keys())})
        if lacking:
            self.notes.append(f"topic {name}: not copied to the target: {', '.join(lacking)}")

    def _accepted(self, name: str, count: int, config: Mapping[str, str]) -> dict[str, str]:
        """Return the properties that the target accepts; each one is checked separately, and once."""
        for entry in config.items():
            if entry not in self._verdicts:
                refused = self._target.try_topic(name, count, dict([entry]), only_check=True)
                self._verdicts[entry] = refused is None or refused.code() not in _REFUSED_CONFIG
        return {key: value for key, value in config.items() if self._verdicts[key, value]}


def _settings(entries: Mapping[str, ConfigEntry]) -> dict[str, Setting]:
    own = ConfigSource.DYNAMIC_TOPIC_CONFIG
    return {name: Setting(str(entry.value), ConfigSource(entry.source) == own) for name, entry in entries.items()}


def _listed(config: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in sorted(config.items()))
