"""`kafka-cutover record`: record traffic, and describe a recording."""

from __future__ import annotations

import secrets
import signal
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from cutover_harness import exit_codes
from cutover_harness.capture.masking import Mask
from cutover_harness.capture.options import MaskWhat, RecordOptions, Shard, shard_in
from cutover_harness.capture.recorder import Recorded, Recorder
from cutover_harness.capture.units import moment_ms, size_bytes, span_s
from cutover_harness.errors import UsageError
from cutover_harness.inputs import read_input
from cutover_harness.outputs import check_file
from cutover_harness.properties_file import read_properties
from cutover_harness.words import counted, did_you_mean, sized

app = typer.Typer(add_completion=False)


@app.command("record")
def record(
    topics: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TOPIC]...", help="Topic names or globs, such as 'orders.*'; with --merge: captures."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Capture file to write (Parquet).")] = None,
    bootstrap: Annotated[str | None, typer.Option(help="HOST:PORT,... of a cluster without credentials.")] = None,
    cluster: Annotated[
        Path | None, typer.Option(help="File with librdkafka properties (TLS, SASL), one name=value per line.")
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option(help="Topic names or globs to exclude; repeatable.")] = None,
    since: Annotated[
        str | None, typer.Option("--from", help="Start of the window: ISO time, or age such as 2h.")
    ] = None,
    until: Annotated[str | None, typer.Option("--to", help="End of the window: ISO time, or age such as 30m.")] = None,
    duration: Annotated[str | None, typer.Option(help="Record live for this time, such as 90s, 10m, 2h.")] = None,
    max_records: Annotated[int | None, typer.Option(min=1, help="Stop after this many records.")] = None,
    max_bytes: Annotated[
        str | None, typer.Option(help="Stop after this many bytes of keys and values, such as 2g.")
    ] = None,
    rate: Annotated[str | None, typer.Option(help="Read at most this many bytes per second, such as 5m.")] = None,
    read_committed: Annotated[
        bool, typer.Option("--read-committed", help="Skip records of aborted transactions.")
    ] = False,
    mask: Annotated[str | None, typer.Option(help="Replace content while recording: values, keys or all.")] = None,
    mask_key: Annotated[
        Path | None, typer.Option(help="File with the secret for --mask (default: a random one, not stored).")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an earlier recording of these topics.")] = False,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Record part I of N of the partitions, one on each of N machines.")
    ] = None,
    merge: Annotated[
        bool, typer.Option("--merge", help="Make one capture of the captures of all shards, which are the arguments.")
    ] = False,
    info: Annotated[Path | None, typer.Option(help="Describe a capture instead of recording.")] = None,
) -> int:
    """Record traffic from a live cluster, without joining a group and without committing anything.

    By default it records all records in the topics now. Ctrl-C ends it early and leaves a valid capture. Exit code 3:
    requested records are missing, because a topic was deleted or retention removed them first.
    """
    if info is not None:
        return info_command(info)
    if not topics:
        raise UsageError("record: no topics: give names or globs, such as orders 'payments.*'")
    if out is None:
        raise UsageError("record: --out FILE is missing")
    check_file(out, "record: --out")
    if merge:
        _refuse_with_merge(
            {
                "--bootstrap": bootstrap,
                "--cluster": cluster,
                "--exclude": exclude,
                "--from": since,
                "--to": until,
                "--duration": duration,
                "--max-records": max_records,
                "--max-bytes": max_bytes,
                "--rate": rate,
                "--read-committed": read_committed,
                "--mask": mask,
                "--mask-key": mask_key,
                "--resume": resume,
                "--shard": shard,
            }
        )
        return merge_command([Path(name) for name in topics], out)
    if bootstrap is not None and cluster is None:
        client = {"bootstrap.servers": bootstrap}
    elif cluster is not None and bootstrap is None:
        client = read_properties(cluster)
    else:
        raise UsageError("record: give the cluster, with either --bootstrap HOST:PORT or --cluster FILE")
    now = datetime.now(UTC)
    options = RecordOptions(
        topics=tuple(topics),
        exclude=tuple(exclude or ()),
        since_ms=None if since is None else moment_ms("--from", since, now),
        until_ms=None if until is None else moment_ms("--to", until, now),
        duration_s=None if duration is None else span_s("--duration", duration),
        max_records=max_records,
        max_bytes=None if max_bytes is None else size_bytes("--max-bytes", max_bytes),
        rate_bytes=None if rate is None else size_bytes("--rate", rate),
        read_committed=read_committed,
        mask=mask_what(mask),
        shard=None if shard is None else shard_of(shard),
    )
    return record_command(client, out, options, mask_key=mask_key, resume=resume)


def record_command(
    client: Mapping[str, Any], out: Path, options: RecordOptions, *, mask_key: Path | None = None, resume: bool = False
) -> int:
    """Record, show progress on standard error, and return the exit code. Raises UsageError."""
    check(options)
    if options.mask and options.shard and mask_key is None:
        raise UsageError(
            "record: --shard with --mask needs the same --mask-key for all shards, otherwise equal keys would differ"
        )
    if options.mask and resume and mask_key is None:
        raise UsageError(
            "record: --resume with --mask needs the --mask-key of the first part, otherwise equal keys would differ"
        )
    mask = Mask(options.mask, _secret(mask_key)) if options.mask else None
    recorder = Recorder(client, out, options, mask=mask, progress=_show, notify=_notify)
    with _stopping(recorder):
        recorded = recorder.record(resume=resume)
    typer.echo(_summary(recorded))
    if recorded.interrupted:
        return exit_codes.INTERRUPTED
    return exit_codes.UNPROVED if recorded.missing else 0


def merge_command(files: Sequence[Path], out: Path) -> int:
    """Merge the captures of shards, print what was made, and return the exit code. Raises UsageError."""
    from cutover_harness.capture.merging import merge  # noqa: PLC0415 - recording needs no merging

    merged = merge(files, out)
    records, captures = counted(merged.records, "record"), counted(len(files), "capture")
    typer.echo(f"{out}: {records} of {captures}, {sized(out.stat().st_size)} on disk")
    for text in merged.missing:
        typer.echo(f"missing: {text}")
    return exit_codes.UNPROVED if merged.missing else 0


def info_command(file: Path) -> int:
    """Print a description of the capture `file`. Raises UsageError if it is none."""
    from cutover_harness.capture.describe import describe  # noqa: PLC0415 - recording needs neither tables nor charts

    describe(file)
    return 0


def check(options: RecordOptions) -> None:
    """Raise UsageError if options contradict each other."""
    if options.until_ms is not None and options.duration_s is not None:
        raise UsageError("record: --to and --duration exclude each other: one ends in the past, the other is live")
    if options.since_ms is not None and options.until_ms is not None and options.since_ms >= options.until_ms:
        raise UsageError("record: --from is not before --to")
    if options.shard is not None and (options.max_records is not None or options.max_bytes is not None):
        raise UsageError(
            "record: --shard and a limit of records or bytes exclude each other: shards would end at different times"
        )


def _refuse_with_merge(options: Mapping[str, object]) -> None:
    """Raise UsageError if an option of a recording is given: what is merged was recorded, and masked, earlier."""
    if given := [name for name, value in options.items() if value not in (None, False, [])]:
        raise UsageError(f"record: --merge and {given[0]} exclude each other: a capture has what its shards have")


def mask_what(text: str | None) -> MaskWhat | None:
    """Return what to mask. Raises UsageError."""
    if text is None:
        return None
    for known in get_args(MaskWhat):
        if text == known:
            return known  # type: ignore[no-any-return]
    near = did_you_mean(text, get_args(MaskWhat))
    raise UsageError(f"record: --mask {text}: not one of {', '.join(get_args(MaskWhat))}{': ' if near else ''}{near}")


def shard_of(text: str) -> Shard:
    """Return the shard that I/N names. Raises UsageError."""
    if (shard := shard_in(text)) is None:
        raise UsageError(f"record: --shard {text}: expected I/N, such as 1/3, with I from 1 to N")
    return shard


def _secret(file: Path | None) -> bytes:
    if file is None:
        return secrets.token_bytes(32)
    secret = read_input(file, "--mask-key").strip()
    if len(secret) < 16:
        raise UsageError(f"--mask-key {file}: {counted(len(secret), 'byte')}, too few for a secret; use 16 or more")
    return secret


@contextmanager
def _stopping(recorder: Recorder) -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end the recording cleanly.

    A second one ends the program as usual; --resume continues from what is on disk.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def stop(_number: int, _frame: object) -> None:
        recorder.stop()
        restore()
        print("\nending: writing the recorded records", file=sys.stderr)

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        restore()


def _show(records: int, size: int, left: int | None) -> None:
    end = "\r" if sys.stderr.isatty() else "\n"
    to_come = "" if left is None else f", about {left:,} to come"
    print(f"{counted(records, 'record')}, {sized(size)}{to_come}".ljust(60), end=end, file=sys.stderr, flush=True)


def _notify(text: str) -> None:
    print(f"record: {text}".ljust(60), file=sys.stderr, flush=True)


def _summary(recorded: Recorded) -> str:
    first = (
        f"{recorded.file}: {counted(recorded.records, 'record')}, {sized(recorded.bytes)} of keys and values, "
        f"{sized(recorded.file.stat().st_size)} on disk, in {recorded.seconds:.1f} s"
    )
    lines = [first]
    lines += [f"note: {what}: {text}" for what, text in recorded.notes.items()]
    lines += [f"changed: {text}" for text in recorded.changed]
    lines += [f"missing: {text}" for text in recorded.missing]
    if not recorded.records:
        lines.append("note: a shard without records: give it to --merge with the others")
    if recorded.interrupted:
        lines.append("interrupted: a valid capture of the records so far; --resume continues it")
    return "\n".join(lines)
