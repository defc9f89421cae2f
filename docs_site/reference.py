"""The pages of the reference, each from the code that it describes."""

from __future__ import annotations

import ast
import dataclasses
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

from cutover_harness import exit_codes, markdown
from cutover_harness.faults import table as fault_table
from cutover_harness.judge import table as measure_tables
from cutover_harness.ledger import format as ledger
from cutover_harness.ledger.meta import Meta
from cutover_harness.plan.scenario import Scenario
from cutover_harness.planning.model import PlanFile
from cutover_harness.planning.systems import Systems
from cutover_harness.procedure import table as step_table
from cutover_harness.testbed.existing.description import ExistingClusters
from cutover_harness.watching.metrics import METRICS, PREFIX
from cutover_reports.policy import Policy
from cutover_shim import config as shim_config
from cutover_shim import cutover_file

from docs_site.commands import commands
from docs_site.models import fields


def page(title: str, about: str, *parts: str) -> str:
    """Return a page with a heading, a sentence and parts."""
    return "\n\n".join((f"# {title}", about, *(part.strip("\n") for part in parts))) + "\n"


def cli() -> str:
    """Return the page of the commands: the help that each prints."""
    return page("Commands", "The help of every command, as `--help` prints it.", *commands())


def scenario() -> str:
    """Return the page of scenario files."""
    return page(
        "Scenario file: every field",
        "Meaning and examples: [scenarios](../scenarios.md).",
        fields(Scenario),
        "## Steps",
        step_table.table(),
        "## Faults",
        fault_table.table(),
    )


def plan() -> str:
    """Return the page of plan and systems files."""
    return page(
        "Plan file: every field",
        "Meaning and examples: [the plan](../plan.md). The schemas are [plan.schema.json](../plan.schema.json) and "
        "[systems.schema.json](../systems.schema.json).",
        fields(PlanFile),
        "## systems.yaml",
        fields(Systems, level=3),
    )


def policy() -> str:
    """Return the page of the policy."""
    return page("Policy: every field", "Meaning and examples: [the policy](../policy.md).", fields(Policy))


def testbed() -> str:
    """Return the page of the file that names existing clusters."""
    return page(
        "Testbed file: every field",
        "Meaning and examples: [existing clusters](../testbeds.md).",
        fields(ExistingClusters),
    )


def cutover_file_page() -> str:
    """Return the page of the cutover file."""
    route = dataclasses.fields(cutover_file.Route)
    locations, clusters = get_args(cutover_file.Location), get_args(cutover_file.ClusterName)
    names = [getattr(cutover_file, name) for name in cutover_file.__all__]
    documented = [each for each in names if inspect.isclass(each) or inspect.isfunction(each)]
    return page(
        "Cutover file: every key",
        "Meaning and examples: [the cutover file](../cutover-file.md).",
        markdown.table(
            ("key", "value"),
            [
                ("`generation`", "a whole number that grows with every change"),
                *(
                    (f"`clusters.{name}`", "librdkafka properties; `bootstrap.servers` is required")
                    for name in clusters
                ),
                *((f"`routes.NAME.{field.name}`", _route_value(field.type, locations)) for field in route[1:]),
            ],
        ),
        f"The file has at most {cutover_file.MAX_BYTES:,} bytes.",
        "## Properties of a client",
        markdown.table(
            ("property", "environment variable"),
            [(f"`{name}`", f"`{name.upper().replace('.', '_')}`" if variable else "none") for name, variable in _own()],
        ),
        "Their meaning: [the shim](../shim.md).",
        "## `cutover_shim.cutover_file`",
        markdown.table(
            ("name", ""),
            [(f"`{each.__name__}`", (inspect.getdoc(each) or "").splitlines()[0]) for each in documented],
        ),
    )


def ledger_page() -> str:
    """Return the page of the ledger."""
    types = [(name, str(kind[0])) for name, kind in (ledger.ROW_DTYPE.fields or {}).items()]
    return page(
        "Ledger: columns and events",
        f"Format {ledger.VERSION}. Meaning: [the ledger](../ledger.md).",
        "## Files of a process",
        markdown.table(
            ("file", ""),
            [
                (f"`{ledger.META}`", "the process"),
                (f"`{ledger.JOURNAL}`", f"events, {ledger.ROW.size} bytes each behind {ledger.HEADER_SIZE} bytes"),
                (f"`{ledger.NAMES}`", "names of topics, keys of streams"),
                (f"`{ledger.SEALED}`", "events, sealed"),
                (f"`{ledger.CSV}`, `{ledger.JSON_LINES}`", "events that another tool wrote"),
            ],
        ),
        "## Columns",
        markdown.table(("column", "type", "values"), [(f"`{name}`", kind, _range(name)) for name, kind in types]),
        "## Events",
        markdown.table(("number", "event"), [(str(n), name) for n, name in enumerate(ledger.EVENTS, start=1)]),
        "## Clusters",
        markdown.table(("number", "cluster"), [(str(n), name) for n, name in ledger.CLUSTER_NAMES.items()]),
        f"## Fields of {ledger.META}",
        ", ".join(f"`{field.name}`" for field in dataclasses.fields(Meta)),
    )


def measures() -> str:
    """Return the page of the measures."""
    return page(
        "Measures",
        "What each proves: [measures](../measures.md).",
        measure_tables.table(),
        "## Causes of duplicates",
        measure_tables.cause_table(),
    )


def exits() -> str:
    """Return the page of exit codes."""
    tree = ast.parse(Path(exit_codes.__file__).read_text(encoding="utf-8"))
    rows = [("`0`", "", "Done; PASS or GO.")]
    for node, after in zip(tree.body, tree.body[1:], strict=False):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and isinstance(after, ast.Expr):
            name = node.targets[0].id
            rows.append((f"`{getattr(exit_codes, name)}`", f"`{name}`", str(ast.literal_eval(after.value))))
    return page(
        "Exit codes",
        "One meaning each; [by command](../exit-codes.md).",
        markdown.table(("code", "name in `cutover_harness.exit_codes`", "meaning"), rows),
    )


def metrics() -> str:
    """Return the page of metrics."""
    return page(
        "Metrics",
        "What `--serve` offers to Prometheus, each with the labels `plan` and `batch`: [watching](../watching.md).",
        markdown.table(
            ("metric", "more labels", "meaning"),
            [
                (f"`{PREFIX}{name}`", ", ".join(f"`{label}`" for label in labels) or "none", about)
                for name, (about, labels) in METRICS.items()
            ],
        ),
    )


def _route_value(kind: Any, locations: tuple[str, ...]) -> str:
    return ", ".join(f"`{each}`" for each in locations) if "Location" in str(kind) else "names, or globs with `* ? [ ]`"


def _own() -> list[tuple[str, bool]]:
    names = [value for value in vars(shim_config).values() if isinstance(value, str) and value.startswith("cutover.")]
    without = {shim_config.ROUTE, shim_config.OWN_OFFSETS}
    return [(name, name not in without) for name in sorted(set(names))]


def _range(column: str) -> str:
    low, high = ledger.RANGES.get(column, (None, None))
    return "" if low is None else f"{low} to {high}"


PAGES: dict[str, Callable[[], str]] = {
    "commands": cli,
    "cutover-file": cutover_file_page,
    "scenario": scenario,
    "plan": plan,
    "policy": policy,
    "testbed": testbed,
    "ledger": ledger_page,
    "measures": measures,
    "exit-codes": exits,
    "metrics": metrics,
}
"""The pages of the folder `reference` of the site, by name."""
