"""Findings of `doctor --automq-home`: the AutoMQ distribution, and whether this machine can rehearse with it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Literal

import psutil

from cutover_harness.testbed.automq.distribution import read_distribution
from cutover_harness.testbed.s3 import EXTRA
from cutover_harness.words import sized

_MODULES = ("boto3", "flask", "flask_cors", "moto", "werkzeug")
"""The modules of the extra `automq`."""
_SCENARIO_BYTES = 1_500_000_000
"""Memory of one scenario: heap and direct memory of AutoMQ's own single-node set-up, and the rest of the testbed."""


def look(home: Path) -> list[tuple[str, Literal["ok", "no", "-"], str]]:
    """Return name, state and text of each item. Raises UsageError if `home` contains no broker."""
    found = read_distribution(home)
    title = f"{found.title}; version {found.version_from}" if found.automq else found.title
    missing = [name for name in _MODULES if importlib.util.find_spec(name) is None]
    available = psutil.virtual_memory().available
    room = f"{sized(available)} available"
    each = sized(_SCENARIO_BYTES)
    jobs = available // _SCENARIO_BYTES
    return [
        ("automq", "ok" if found.automq else "-", title),
        (
            "automq extra",
            "-" if missing else "ok",
            f"not installed: {EXTRA}" if missing else "installed",
        ),
        (
            "automq memory",
            "ok" if jobs else "-",
            f"{room}, enough for --jobs {jobs} ({each} each)" if jobs else f"{room}, a rehearsal needs {each}",
        ),
    ]
