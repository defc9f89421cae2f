"""`kafka-cutover file check`, `show` and `diff`: read documents of channels."""

from __future__ import annotations

import json
import tomllib
from typing import Annotated, Any

import tomli_w
import typer
from cutover_shim.channel import KAFKA

from cutover_harness import exit_codes
from cutover_harness.channels.redaction import redacted
from cutover_harness.cli.file_channels import ChannelOptions, Channels, opened
from cutover_harness.cli.file_words import against_cluster, checked, compared, difference, source_of
from cutover_harness.cli.option_groups import with_option_groups
from cutover_harness.errors import UsageError

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Live = Annotated[
    bool, typer.Option("--live", help="Also compare with the topics of the source cluster, and what its groups read.")
]


@with_option_groups
def check(
    channels: Channels,
    options: ChannelOptions,
    env_less: Annotated[
        bool, typer.Option("--env-less", help="Do not resolve references: they are those of another machine.")
    ] = False,
    live: Live = False,
    as_json: AsJson = False,
) -> int:
    """Report all problems of documents. Exit codes: 0 none, 2 some.

    Several channels are also compared: all must have the same document.
    """
    with opened(channels, options) as found:
        results = [checked(writer, found.keys, env_less=env_less) for writer in found.writers]
        differing = [*found.closed.values(), *compared(results)]
        if live:
            good = [result for result in results if not result.problems]
            differing += against_cluster(*source_of(good[0].body)) if good else []
    if as_json:
        typer.echo(json.dumps({"channels": [each.to_json() for each in results], "problems": differing}, indent=2))
    else:
        for each in results:
            said = each.problems or [f"generation {each.generation}, good"]
            for line in [*said, *(f"note: {note}" for note in each.notes)]:
                typer.echo(f"{each.channel}: {line}")
        for line in differing:
            typer.echo(line)
    return exit_codes.REFUSED if differing or any(each.problems for each in results) else 0


@with_option_groups
def show(channels: Channels, options: ChannelOptions, as_json: AsJson = False) -> int:
    """Show documents: generation, signature, clusters, routes. References stay as they are, secrets are ***."""
    shown: list[dict[str, Any]] = []
    with opened(channels, options) as found:
        for why in found.closed.values():
            raise UsageError(why)
        for writer in found.writers:
            result = checked(writer, found.keys, env_less=True)
            if result.generation is None:
                raise UsageError(f"{writer.name}: {'; '.join(result.problems)}")
            document = redacted(tomllib.loads(result.body))
            shown.append({**result.to_json(), "document": document})
    if as_json:
        typer.echo(json.dumps(shown, indent=2, default=str))
        return 0
    for each in shown:
        typer.echo(f"{each['channel']}: generation {each['generation']}, {each['signature']}")
        for line in each["problems"]:
            typer.echo(f"  problem: {line}")
        typer.echo("  " + tomli_w.dumps(each["document"]).rstrip().replace("\n", "\n  "))
    return 0


@with_option_groups
def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="A channel: PATH, kafka:TOPIC@source, configmap:…")],
    second: Annotated[str, typer.Argument(metavar="B", help="Another channel.")],
    options: ChannelOptions,
) -> int:
    """Compare the documents of two channels, without their signatures. Exit codes: 0 the same, 1 different."""
    with opened([first, second], options) as found:
        for why in found.closed.values():
            raise UsageError(why)
        if len(found.writers) != 2:
            raise UsageError(f"diff: {KAFKA}TOPIC names two channels: write @source or @target, or compare those two")
        results = [checked(writer, (), env_less=True) for writer in found.writers]
    for each in results:
        if each.generation is None:
            raise UsageError(f"{each.channel}: {'; '.join(each.problems)}")
    if results[0].body == results[1].body:
        return 0
    found_difference = difference(results[0].body, results[1].body, (results[0].channel, results[1].channel))
    typer.echo(found_difference or "the documents differ in secrets only")
    return exit_codes.FAILED
