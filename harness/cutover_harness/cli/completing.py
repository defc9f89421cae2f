"""Completion of values in the shell: scenarios, steps, batches, kinds. Files are completed by the shell itself."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from typer import core

Given = Mapping[str, Any]
"""The values that are on the line already, by the names of their parameters."""
ARGUMENTS = ""
"""The name under which `Given` has the words that are no options."""
Value = tuple[str, str]
"""A value, and a line about it that some shells show."""


def scenario_names(_given: Given) -> Iterator[Value]:
    """Return the names of the catalogue with their titles."""
    from cutover_harness.plan.catalogue import catalogue  # noqa: PLC0415 - only if it is asked for

    for name, file in catalogue().items():
        title = re.search(r"^title: (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
        yield name, title[1].strip("\"'") if title else ""


def step_names(_given: Given) -> Iterator[Value]:
    """Return the names of all steps."""
    from cutover_harness.procedure.names import StepName  # noqa: PLC0415 - as above

    return ((step.value, "") for step in StepName)


def until_step(given: Given) -> Iterator[Value]:
    """Return the steps of `run --yes-until`."""
    yield "end", "all steps"
    yield from step_names(given)


def fault_kinds(_given: Given) -> Iterator[Value]:
    """Return the kinds of faults of `scenarios explore`."""
    from cutover_harness.explore.case import FAULTS  # noqa: PLC0415 - as above

    return ((kind, "") for kind in FAULTS)


def broker_versions(_given: Given) -> Iterator[Value]:
    """Return the Kafka versions that a source can have."""
    from cutover_harness.testbed.lock import BROKERS  # noqa: PLC0415 - as above

    return ((version, "") for version in BROKERS)


def batch_names(given: Given) -> Iterator[Value]:
    """Return the batches of the plan that is on the line."""
    import yaml  # noqa: PLC0415 - as above

    # An option without its value, as here, keeps arguments from being assigned.
    plan = given.get("plan") or next((word for word in given[ARGUMENTS] if word.endswith((".yaml", ".yml"))), None)
    if plan is not None:
        content = yaml.safe_load(Path(plan).read_text(encoding="utf-8"))
        for batch in content["batches"]:
            yield str(batch["name"]), ""


def testbed_kinds(_given: Given) -> Iterator[Value]:
    """Return the kinds of testbeds that the tool starts."""
    from cutover_harness.cli.testbed_options import KINDS  # noqa: PLC0415 - as above

    return ((kind, "") for kind in KINDS)


def masked_parts(_given: Given) -> Iterator[Value]:
    """Return what `record --mask` can mask."""
    from cutover_harness.capture.options import MaskWhat  # noqa: PLC0415 - as above

    return ((what, "") for what in get_args(MaskWhat))


def _fixed(*values: str) -> Callable[[Given], Iterable[Value]]:
    return lambda _given: [(value, "") for value in values]


VALUES: dict[str, dict[str, Callable[[Given], Iterable[Value]]]] = {
    "rehearse": {
        "names": scenario_names,
        "batch": batch_names,
        "testbed": testbed_kinds,
        "source_version": broker_versions,
    },
    "scenarios show": {"name": scenario_names},
    "scenarios validate": {"files": scenario_names},
    "scenarios explore": {"names": scenario_names, "kinds": fault_kinds, "without": step_names},
    "record": {"mask": masked_parts},
    "load": {"speed": _fixed("max")},
    "run": {"yes_until": until_step, "batch": batch_names},
    "preflight": {"batch": batch_names},
    "advance": {"batch": batch_names},
    "resume": {"batch": batch_names},
    "rollback": {"batch": batch_names},
    "verify": {"batch": batch_names},
}
"""Values by command and parameter."""


def complete_values(path: str, command: Any) -> None:
    """Let the parameters of a command, and of the commands of a group, complete their values."""
    for name, each in getattr(command, "commands", {}).items():
        complete_values(f"{path} {name}", each)
    for param in command.params:
        values = VALUES.get(path, {}).get(param.name)
        if values is not None:
            param.shell_complete = _completer(values)


def _completer(values: Callable[[Given], Iterable[Value]]) -> Callable[[Any, str], list[Any]]:
    def complete(ctx: Any, incomplete: str) -> list[Any]:
        found: list[Value] = []
        # A line that cannot be completed yet: nothing may be printed into it.
        with contextlib.suppress(Exception):
            found = [value for value in values({**ctx.params, ARGUMENTS: ctx.args}) if value[0].startswith(incomplete)]
        return items(found)

    return complete


def items(values: Iterable[Value]) -> list[Any]:
    """Return values as Typer's shells take them; longer lines about them would be folded."""
    item: Any = core.CompletionItem  # type: ignore[attr-defined]
    return [item(value, help=about[:70] or None) for value, about in values]
