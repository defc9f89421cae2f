"""The options that `kafka-cutover load` passes to Locust, and misspelled ones, which Locust would report much later."""

from __future__ import annotations

from collections.abc import Iterable

from cutover_harness.errors import UsageError
from cutover_harness.words import did_you_mean

LOCUST = frozenset(
    f"--{name}"
    for name in [
        "autoquit",
        "autostart",
        "build-path",
        "class-picker",
        "config",
        "config-users",
        "csv",
        "csv-full-history",
        "enable-rebalancing",
        "equal-weights",
        "exclude-tags",
        "exit-code-on-error",
        "expect-slaves",
        "expect-workers",
        "expect-workers-max-wait",
        "headful",
        "headless",
        "help",
        "host",
        "html",
        "json",
        "json-file",
        "legacy-ui",
        "list",
        "locustfile",
        "logfile",
        "loglevel",
        "master",
        "master-bind-host",
        "master-bind-port",
        "master-host",
        "master-port",
        "only-summary",
        "otel",
        "print-stats",
        "processes",
        "profile",
        "reset-stats",
        "run-time",
        "show-task-ratio",
        "show-task-ratio-json",
        "skip-log-setup",
        "slave",
        "spawn-rate",
        "stop-timeout",
        "tags",
        "tls-cert",
        "tls-key",
        "users",
        "version",
        "web-auth",
        "web-base-path",
        "web-host",
        "web-host-display-name",
        "web-login",
        "web-port",
        "worker",
    ]
)
"""Locust's options. Importing its parser would patch this process, which runs no greenlet."""


def refuse_misspelled(words: Iterable[str], own: Iterable[str]) -> None:
    """Raise UsageError for an option that is almost one of ours or of Locust's; any other is left to Locust."""
    known = [*own, *LOCUST]
    for word in words:
        name = word.split("=", maxsplit=1)[0]
        if not name.startswith("--") or any(option.startswith(name) for option in LOCUST):
            continue
        near = did_you_mean(name, known)
        if near:
            raise UsageError(f"load: no such option: {name}: {near} `kafka-cutover load --help` shows the usage")
