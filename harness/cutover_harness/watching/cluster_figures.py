"""Figures of both clusters for one batch. A cluster that is away leaves the last figures, with their age."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from confluent_kafka import KafkaException

from cutover_harness.admin import Admin
from cutover_harness.cli.route_state import native_now, unread_now
from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.conductor.journal import Entry
from cutover_harness.conductor.resume import reached
from cutover_harness.errors import UsageError, in_one_line
from cutover_harness.mirror import TwoWayMirror
from cutover_harness.watching.facts import Figures

_ANSWER_S = 5.0
_SETTINGS_EVERY_S = 600.0
T = TypeVar("T")


@dataclass
class ClusterFigures:
    """Reads the figures of one batch. Not thread-safe."""

    config: ConductorConfig
    last: Figures = field(default_factory=Figures, init=False)
    _source: Admin | None = field(default=None, init=False)
    _target: Admin | None = field(default=None, init=False)
    _mirror: TwoWayMirror | None = field(default=None, init=False)
    _settings_at: float | None = field(default=None, init=False)
    _problems: list[str] = field(default_factory=list, init=False)

    def read(self, entries: Sequence[Entry]) -> Figures:
        """Return the figures now; what cannot be read is as before, and `problems` has the reason."""
        self._problems = []
        state = reached(entries)
        found = self.last
        if self._try("clusters", self._connect) is not None:
            if (unread := self._try("source", lambda: unread_now(self.config, self._admin(self._source)))) is not None:
                found = replace(found, unread=unread)
            native = self._try("target", lambda: native_now(self.config, entries, state, self._admin(self._target)))
            if not self._failed("target"):
                found = replace(found, native=native)
            mirrors = state.has_task and not state.reverse
            lag = self._try("mirror lag", self._lag) if mirrors and not self._failed("source") else None
            found = replace(found, lag=lag)
            if not self._failed("source") and self._settings_are_old:
                found = self._try("source", lambda: self._settings(found)) or found
        if not self._problems:
            found = replace(found, at=time.time())
        self.last = replace(found, problems=tuple(self._problems))
        return self.last

    def close(self) -> None:
        """Close the clients."""
        if self._mirror is not None:
            self._mirror.close()
            self._mirror = None

    def _connect(self) -> bool:
        if self._source is None or self._target is None:
            source, target = self.config.clusters(self.config.peek(file_only=True).document(0))
            self._source, self._target = Admin(source, timeout_s=_ANSWER_S), Admin(target, timeout_s=_ANSWER_S)
            self._mirror = self.config.mirror(source, target)
        return True

    def _lag(self) -> int | None:
        return None if self._mirror is None else self._mirror.estimated_lag().total

    @property
    def _settings_are_old(self) -> bool:
        return self._settings_at is None or time.monotonic() - self._settings_at > _SETTINGS_EVERY_S

    def _settings(self, found: Figures) -> Figures:
        found = with_retention(found, self.config, self._admin(self._source))
        self._settings_at = time.monotonic()
        return found

    def _try(self, what: str, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except (UsageError, KafkaException, OSError, ValueError) as why:
            self._problems.append(f"{what}: {in_one_line(why)}")
            return None

    def _failed(self, what: str) -> bool:
        return any(problem.startswith(f"{what}:") for problem in self._problems)

    @staticmethod
    def _admin(admin: Admin | None) -> Admin:
        assert admin is not None  # noqa: S101 - connected before
        return admin


def with_retention(found: Figures, config: ConductorConfig, source: Admin) -> Figures:
    """Return the figures with how long the source keeps offsets and records of the batch. Raises KafkaException."""
    minutes = source.broker_config().get("offsets.retention.minutes")
    topics = [topic for topic in source.partitions() if config.batch.mirrors(topic)]
    kept = retention(source.topic_configs(topics))
    return replace(
        found,
        offsets_retention_s=float(minutes) * 60 if minutes is not None else None,
        retention_s=None if kept is None else kept[0],
        retention_topic=None if kept is None else kept[1],
    )


def retention(configs: dict[str, dict[str, str]]) -> tuple[float, str] | None:
    """Return for how many seconds the topic that keeps its records shortest keeps them, and its name.

    None if all keep them forever.
    """
    found = []
    for topic, config in configs.items():
        kept_ms = float(config.get("retention.ms", "-1"))
        if "delete" in config.get("cleanup.policy", "delete") and kept_ms >= 0:
            found.append((kept_ms / 1000, topic))
    return min(found, default=None)
