"""`kafka-cutover judge DIR --partial FILE` and `judge --merge FILE...`: one judgement from several machines."""

import sys
from collections.abc import Sequence
from pathlib import Path

from cutover_harness.errors import UsageError
from cutover_harness.judge.command import open_folder, run_folders, show
from cutover_harness.judge.merging import merge
from cutover_harness.judge.model import Report
from cutover_harness.judge.partial import GROUP_COUNTS, LOG_COUNTS
from cutover_harness.judge.partial_file import read_partial, write_partial
from cutover_harness.judge.portable import Part, Portable, measure_part
from cutover_harness.judge.verdicts import verdict
from cutover_harness.words import counted


def partial_command(folder: Path, out: Path, *, host: Part, shard: Part) -> int:
    """Measure the ledgers of one run, or one shard of their streams, and write the measures to `out`.

    Returns 0: without a verdict there is no other exit code. Raises UsageError.
    """
    folders = run_folders(folder)
    if len(folders) > 1:
        raise UsageError(f"{folder}: contains {len(folders)} runs; a partial is of one run: give its folder")
    ledgers, facts = open_folder(folders[0])
    portable = measure_part(ledgers, facts, folders[0].name, host=host, shard=shard)
    size = write_partial(out, portable)
    sys.stdout.write(
        f"{out}: host {host}, shard {shard} of {counted(len(ledgers.instances), 'ledger')}: {_measured(portable)}, "
        f"{counted(size, 'byte')}\n"
    )
    return 0


def _measured(portable: Portable) -> str:
    """Return in words what was measured: of the shard alone, as the ledgers are the same for all shards."""
    if not portable.ranges:
        return "no stream (there are more shards than streams)"
    sent = sum(int(counts[LOG_COUNTS.index("sent")]) for counts in portable.partial.logs.values())
    delivered = sum(int(counts[GROUP_COUNTS.index("delivered")]) for counts in portable.partial.groups.values())
    return f"{counted(sent, 'record')} and {counted(delivered, 'delivery', 'deliveries')}"


def merge_command(files: Sequence[Path], *, as_json: bool) -> int:
    """Merge partials, print the judgement, and return the exit code of its verdict. Raises UsageError."""
    twice = next((file for number, file in enumerate(files) if file in files[:number]), None)
    if twice is not None:
        raise UsageError(f"{twice}: given twice; give each partial once")
    merged = merge({str(file): read_partial(file) for file in files})
    judgement = merged.judgement()
    report = Report(verdict(judgement, merged.known), judgement)
    return show({merged.known.scenario: (report, merged.facts)}, as_json=as_json)
