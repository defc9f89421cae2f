"""`kafka-cutover file sign`: give a fleet whose documents were not signed its first signed one."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import typer

from cutover_harness.channels.document import Document, has_signature
from cutover_harness.channels.editing import edited
from cutover_harness.cli.file_channels import ChannelOptions, Channels, Opened, WriteOptions, opened
from cutover_harness.cli.file_write import confirm, written
from cutover_harness.cli.option_groups import with_option_groups
from cutover_harness.conductor.running import refuse_running_conductor
from cutover_harness.errors import UsageError


@with_option_groups
def sign(channels: Channels, options: ChannelOptions, write: WriteOptions) -> int:
    """Write the document that is there, which is not signed, as the next generation with a signature.

    Applications without a key take the signature for a comment: sign first, then give them `cutover.key`.
    Exit codes: 0 all channels have it; 1 some channels lack it; 2 refused, or no channel could be written.
    """
    if options.key is None:
        raise UsageError("sign: needs --key: ${file:PATH} or ${NAME}")
    document, generation = _unsigned(channels, options)
    with opened(channels, options, touch=write.touch) as found:
        _refuse_conductors(found)
        text = edited(document.body, tomllib.loads(document.body) | {"generation": generation})
        typer.echo(f"generation {document.generation} becomes generation {generation}, signed")
        confirm(found, generation, write)
        _refuse_conductors(found)
        # With a key the publisher ignores unsigned documents, so another writer's is looked for here.
        if _unsigned(channels, options)[0].text != document.text:
            raise UsageError(
                f"{', '.join(writer.name for writer in found.writers)}: another writer has changed the document in the "
                f"meantime; nothing was signed: sign again"
            )
        publisher = found.publisher(deadline_s=write.deadline)
        publisher.publish(text, generation)
        return written(publisher, found)


def _refuse_conductors(found: Opened) -> None:
    for writer in found.writers:
        refuse_running_conductor(writer.name)


def _unsigned(channels: list[str], options: ChannelOptions) -> tuple[Document, int]:
    """Return the document in force and the generation after it. Raises UsageError if any channel has a signed one."""
    with opened(channels, replace(options, key=None)) as found:
        publisher = found.publisher()
        document = publisher.adopt()
        contents = publisher.contents()
        for name, text in contents.items():
            if isinstance(text, UsageError):
                raise text
            if text is not None and has_signature(text):
                raise UsageError(f"{name}: is signed already: change it with kafka-cutover file set")
        return document, publisher.next_generation
