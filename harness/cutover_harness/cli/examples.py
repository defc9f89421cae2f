"""The examples of the help pages. Each one can be pasted into a shell, and fits 80 columns."""

from __future__ import annotations

from typing import NamedTuple


class Example(NamedTuple):
    """What a command does, as a whole sentence, and the command."""

    does: str
    command: str


_DOCUMENT = "kafka-cutover file"

EXAMPLES: dict[str, tuple[Example, ...]] = {
    "": (
        Example("Check this machine, then rehearse a switchover and a rollback.", "kafka-cutover doctor"),
        Example("The report is in cutover-out/report.html.", "kafka-cutover rehearse"),
    ),
    "doctor": (
        Example("Check this machine.", "kafka-cutover doctor"),
        Example("Remove what killed runs left behind.", "kafka-cutover doctor --clean"),
    ),
    "rehearse": (
        Example(
            "Rehearse one switchover with your own traffic.", "kafka-cutover rehearse stop-first --capture my.parquet"
        ),
        Example(
            "Rehearse all scenarios whose name begins with rollback-.", "kafka-cutover rehearse 'rollback-*' --jobs 2"
        ),
        Example("Rehearse the batches of a plan, with its policy.", "kafka-cutover rehearse --plan plan.yaml"),
        Example("Rehearse with AutoMQ in containers as the target.", "kafka-cutover rehearse --all --testbed docker"),
    ),
    "scenarios": (Example("List the catalogue.", "kafka-cutover scenarios list"),),
    "scenarios list": (
        Example("List the catalogue.", "kafka-cutover scenarios list"),
        Example("Print the names of all scenarios.", "kafka-cutover scenarios list --json | jq -r '.[].name'"),
    ),
    "scenarios show": (
        Example(
            "Start your own scenario from one of the catalogue.", "kafka-cutover scenarios show stop-first > mine.yaml"
        ),
    ),
    "scenarios validate": (
        Example("Check all scenarios of a folder.", "kafka-cutover scenarios validate scenarios/*.yaml"),
    ),
    "scenarios schema": (
        Example(
            "Let your editor complete and check scenarios.", "kafka-cutover scenarios schema > scenario.schema.json"
        ),
    ),
    "scenarios explore": (
        Example("Explore every order of events of one path.", "kafka-cutover scenarios explore in-process"),
        Example("Show which violation each gate prevents.", "kafka-cutover scenarios explore in-process --necessity"),
        Example(
            "Write what was explored to a file, for the report.",
            "kafka-cutover scenarios explore in-process --necessity --json explored.json",
        ),
    ),
    "record": (
        Example(
            "Record ten minutes of live traffic, without its content.",
            "kafka-cutover record 'orders.*' --cluster source.properties \\\n"
            "    --duration 10m --mask values -o orders.parquet",
        ),
        Example(
            "Record the second of three parts, on the second of three machines.",
            "kafka-cutover record 'orders.*' --cluster source.properties \\\n"
            "    --duration 10m --shard 2/3 -o part-2.parquet",
        ),
        Example("Merge the parts.", "kafka-cutover record --merge part-*.parquet -o orders.parquet"),
        Example("Describe a capture.", "kafka-cutover record --info orders.parquet"),
    ),
    "load": (
        Example(
            "Load a cluster for ten minutes, at twice the recorded speed.",
            "kafka-cutover load --capture my.parquet --bootstrap localhost:9092 \\\n"
            "    --group billing:2 --speed 2 --run-time 10m",
        ),
        Example(
            "Keep four processes busy while you switch over.",
            "kafka-cutover load --cutover-file cutover.toml --run-time 1h --processes 4",
        ),
    ),
    "init": (Example("Write the files to the folder migration.", "kafka-cutover init migration"),),
    "inventory": (
        Example(
            "List what is on the source, and keep it for the plan.",
            "kafka-cutover inventory --source source.properties -o inventory.json",
        ),
    ),
    "plan": (
        Example("Make a plan from an inventory.", "kafka-cutover plan inventory.json -o plan.yaml"),
        Example("Explain why a topic is in its batch.", "kafka-cutover plan --explain orders"),
        Example("Report all problems of a plan.", "kafka-cutover plan check plan.yaml"),
    ),
    "plan make": (
        Example(
            "Make a plan, with the business systems that own the topics.",
            "kafka-cutover plan make inventory.json --systems systems.yaml -o plan.yaml",
        ),
        Example(
            "Show what would change in an existing plan.", "kafka-cutover plan make inventory.json -o plan.yaml --diff"
        ),
    ),
    "plan check": (Example("Report all problems of a plan.", "kafka-cutover plan check plan.yaml"),),
    "plan schema": (
        Example("Let your editor complete and check plans.", "kafka-cutover plan schema > plan.schema.json"),
    ),
    "preflight": (
        Example("Check rights, clients, Connect and head-room of a plan.", "kafka-cutover preflight plan.yaml"),
        Example(
            "Compare two clusters before there is a plan.",
            "kafka-cutover preflight --source source.properties --target target.properties",
        ),
    ),
    "run": (
        Example("Print each step with what it writes, and change nothing.", "kafka-cutover run plan.yaml --dry-run"),
        Example(
            "Move a batch; each risky step waits for your approval.", "kafka-cutover run plan.yaml --batch reporting"
        ),
    ),
    "status": (
        Example("Watch where each batch is.", "kafka-cutover status plan.yaml --watch"),
        Example("Show it as a page on http://127.0.0.1:8300.", "kafka-cutover status plan.yaml --serve 8300"),
    ),
    "advance": (
        Example("Show the step that waits, and ask whether to approve it.", "kafka-cutover advance plan.yaml"),
        Example("Decline it, which stops the run.", "kafka-cutover advance plan.yaml --decline"),
    ),
    "resume": (
        Example("Show cost and steps that are left.", "kafka-cutover resume plan.yaml --dry-run"),
        Example("Continue after the conductor was killed.", "kafka-cutover resume plan.yaml"),
    ),
    "rollback": (
        Example("Show what the way back costs now, and its steps.", "kafka-cutover rollback plan.yaml --dry-run"),
        Example("Go back.", "kafka-cutover rollback plan.yaml"),
    ),
    "verify": (
        Example(
            "Compare all records, at most 20 MB per second.",
            "kafka-cutover verify plan.yaml --batch reporting --rate 20000000",
        ),
    ),
    "file": (
        Example("Show a cutover file, without its secrets.", f"{_DOCUMENT} show cutover.toml"),
        Example("Hold the consumers of the route orders.", f"{_DOCUMENT} set cutover.toml orders.consumers=hold"),
    ),
    "file init": (
        Example("Write the document of a plan to all of its channels.", f"{_DOCUMENT} init --plan plan.yaml"),
        Example(
            "Write a cutover file for one route.",
            f"{_DOCUMENT} init cutover.toml --source source.properties \\\n"
            "    --target target.properties --topic orders --group billing",
        ),
    ),
    "file check": (
        Example(
            "Check that two channels have the same valid document.",
            f"{_DOCUMENT} check cutover.toml kafka:cutover-control",
        ),
    ),
    "file show": (Example("Print the document as JSON.", f"{_DOCUMENT} show cutover.toml --json"),),
    "file set": (
        Example("Hold the consumers of the route all.", f"{_DOCUMENT} set cutover.toml all.consumers=hold"),
        Example("Move the producers of one route.", f"{_DOCUMENT} set cutover.toml orders.producers=target"),
    ),
    "file sign": (
        Example(
            "Sign the document that is there.", f"{_DOCUMENT} sign cutover.toml --key '${{file:/etc/cutover-key}}'"
        ),
    ),
    "file diff": (
        Example(
            "Compare a file with the topic on the target.",
            f"{_DOCUMENT} diff cutover.toml kafka:cutover-control@target",
        ),
    ),
    "fleet": (
        Example("Show the clients that write their statuses to a folder.", "kafka-cutover fleet /srv/status"),
        Example(
            "Watch whether 200 clients follow the cutover file.",
            "kafka-cutover fleet kafka:cutover-status --cutover-file cutover.toml \\\n    --expect 200 --watch",
        ),
    ),
    "judge": (
        Example("Judge one scenario of a rehearsal again.", "kafka-cutover judge cutover-out/stop-first"),
        Example(
            "Measure half of the streams on this machine, and the rest on another one.",
            "kafka-cutover judge /mnt/run --partial 1.partial --shard 1/2",
        ),
        Example("Merge what both have measured.", "kafka-cutover judge --merge 1.partial 2.partial"),
    ),
    "report": (
        Example(
            "Write the report again, with the limits that you accept.",
            "kafka-cutover report cutover-out --policy policy.toml",
        ),
        Example(
            "Show what got better or worse since last week.", "kafka-cutover report --compare last-week cutover-out"
        ),
        Example("Add a section on what was explored.", "kafka-cutover report cutover-out --explored explored.json"),
        Example("Write the report of a cutover.", "kafka-cutover report plan.run"),
    ),
}
"""Examples by command, in the words after the program's name; those of the program itself by the empty string."""
