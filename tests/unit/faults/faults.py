"""Faults and what they act on, for tests."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from cutover_harness.faults.base import Fault
from cutover_harness.faults.context import CutoverFileContext, FaultContext
from cutover_harness.faults.union import AnyFault
from pydantic import TypeAdapter

_ADAPTER: TypeAdapter[Any] = TypeAdapter(AnyFault)


def fault(kind: str, of: str, **fields: Any) -> Any:
    """Return the fault that a scenario file with these fields has. Raises ValidationError."""
    made: Fault = _ADAPTER.validate_python({"kind": kind, "of": of, **fields})
    return made


def context(**given: Any) -> FaultContext:
    """Return a context that has what is given, and nothing else."""
    nothing: Any = SimpleNamespace()
    defaults: dict[str, Any] = {
        "fleet": nothing,
        "cutover_file": CutoverFileContext(Path(), b"", list),
        "topics": nothing,
        "patience_s": 0.05,
        "nodes": {},
        "cluster": lambda _name: nothing,
    }
    return FaultContext(**{**defaults, **given})
