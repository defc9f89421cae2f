"""`kafka-cutover file set`: write the next document to channels."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer
from cutover_shim.channel import KAFKA

from cutover_harness import exit_codes
from cutover_harness.channels.document import has_signature
from cutover_harness.channels.editing import changed, edited
from cutover_harness.channels.problems import problems
from cutover_harness.channels.publish import Publisher
from cutover_harness.channels.stranding import stranded, warnings
from cutover_harness.channels.topic import TopicWriter
from cutover_harness.cli.file_channels import ChannelOptions, Opened, WriteOptions, is_channel, opened
from cutover_harness.cli.file_lease import refuse_leased
from cutover_harness.cli.file_read import Live
from cutover_harness.cli.file_words import against_cluster, difference, source_of
from cutover_harness.cli.option_groups import with_option_groups
from cutover_harness.conductor.running import refuse_running_conductor
from cutover_harness.errors import UsageError


@with_option_groups
def set_(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="CHANNEL|CHANGE",
            help="Channels, and changes: ROUTE.producers=target, ROUTE.topics+=NAME, clusters.source.PROPERTY=VALUE.",
        ),
    ],
    options: ChannelOptions,
    write: WriteOptions,
    live: Live = False,
) -> int:
    """Write the next generation with these changes to all channels; without a change, the highest one to all of them.

    Exit codes: 0 all channels have it; 1 some channels lack it; 2 refused, or no channel could be written.
    """
    changes = [each for each in arguments if "=" in each and not is_channel(each) and not Path(each).exists()]
    channels = [each for each in arguments if each not in changes]
    if not channels:
        raise UsageError("set: names no channel: give a cutover file, kafka:TOPIC or configmap:NAMESPACE/NAME")
    with opened(channels, options, create=True, touch=write.touch) as found:
        refuse_unsigned(found, write)
        publisher = found.publisher(deadline_s=write.deadline)
        adopted = publisher.adopt()
        body = adopted.body
        before = tomllib.loads(body)
        after = changed(before, changes)
        if after == before:
            if not has_signature(adopted.text):
                refuse_to_unsign(found, publisher, adopted.text)
            if changes:
                typer.echo("nothing to change")
            publisher.restore()
            return written(publisher, found)
        refuse_to_unsign(found, publisher, adopted.text)
        after["generation"] = publisher.next_generation
        text = edited(body, after)
        _refuse_bad(before, after, text, live=live)
        typer.echo(difference(body, text, (f"generation {before['generation']}", f"generation {after['generation']}")))
        if publisher.edited_since():
            typer.echo(
                f"note: the cutover file was changed since generation {before['generation']} was written, and "
                f"applications do not follow that before its generation is higher"
            )
        for line in warnings(before["routes"], after["routes"]):
            typer.echo(f"warning: {line}")
        for writer in found.writers:
            refuse_running_conductor(writer.name)
        refuse_leased(found)
        confirm(found, after["generation"], write)
        publisher.publish(text, after["generation"])
        return written(publisher, found)


def refuse_unsigned(found: Opened, write: WriteOptions) -> None:
    """Raise UsageError if a topic would get a document without a signature, unless the user asked for that."""
    topics = [writer.name for writer in found.writers if writer.name.startswith(KAFKA)]
    if topics and not found.keys and not write.unsigned:
        raise UsageError(
            f"{topics[0]}: needs --key, as applications refuse unsigned documents of a topic; --unsigned writes one "
            f"for applications with cutover.unsigned=true"
        )


def refuse_to_unsign(found: Opened, publisher: Publisher, adopted: str) -> None:
    """Raise UsageError if an unsigned document would replace a signed one, or follow one in the log of a topic."""
    if found.keys:
        return
    signed = [name for name, text in publisher.contents().items() if isinstance(text, str) and has_signature(text)]
    signed += [each.name for each in found.writers if isinstance(each, TopicWriter) and each.signed]
    if signed or has_signature(adopted):
        raise UsageError(
            f"{(signed or ['the copy of the cutover file'])[0]}: the present document is signed, and applications with "
            f"a key refuse an unsigned one: give --key; nothing was changed"
        )


def _refuse_bad(before: dict[str, Any], after: dict[str, Any], text: str, *, live: bool) -> None:
    """Raise UsageError if applications would refuse the new document, or if a group would be stranded."""
    if found := problems(text):
        raise UsageError(f"the change is refused: {'; '.join(found)}")
    found = stranded(before["routes"], after["routes"])
    if live:
        found += against_cluster(*source_of(text))
    if found:
        raise UsageError(f"the change is refused: {'; '.join(found)}")


def confirm(found: Opened, generation: int, write: WriteOptions) -> None:
    """Ask whether to write. Raises UsageError if the answer is no, or if there is no terminal."""
    if write.yes:
        return
    names = ", ".join(writer.name for writer in found.writers)
    if not sys.stdin.isatty():
        raise UsageError(f"{names}: no terminal to confirm the change: give --yes; nothing was changed")
    if not typer.confirm(f"Write generation {generation} to {names}?"):
        raise UsageError(f"{names}: not confirmed; nothing was changed")


def written(publisher: Publisher, found: Opened) -> int:
    """Print which channels have the document; return the exit code."""
    behind, lacking = publisher.behind(), publisher.lacking()
    for writer in found.writers:
        if not any(line.startswith(writer.name) for line in [*behind, *lacking]):
            typer.echo(f"{writer.name}: generation {publisher.generation}")
    for line in behind or lacking:
        typer.echo(f"lacks generation {publisher.generation}: {line}")
    for line in publisher.remarks():
        typer.echo(line)
    if behind or lacking:
        typer.echo("repeat `kafka-cutover file set` with these channels, without a change")
        return exit_codes.FAILED
    return 0
