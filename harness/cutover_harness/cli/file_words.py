"""What `kafka-cutover file` says of documents: signature, differences, problems of a channel."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cutover_shim.channel import KAFKA
from cutover_shim.cutover_file import CutoverFileError, parse
from cutover_shim.signature import signed, verify

from cutover_harness.admin import Admin
from cutover_harness.capture.cluster import ClusterView
from cutover_harness.channels.base import ChannelWriter
from cutover_harness.channels.document import body_of, generation_in, has_signature, raw
from cutover_harness.channels.problems import ambiguous, problems
from cutover_harness.channels.redaction import redacted_text, secrets_in
from cutover_harness.channels.stranding import reads_elsewhere
from cutover_harness.channels.topic import TopicWriter
from cutover_harness.errors import UsageError
from cutover_harness.internal_topics import internal


@dataclass
class Checked:
    """A channel, its content, and what is wrong with it; `notes` do not count as wrong."""

    channel: str
    text: str | None = None
    generation: int | None = None
    signature: str | None = None
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def body(self) -> str:
        """The document without its signature. Only for one without problems."""
        return body_of(self.text or "")

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {name: value for name, value in vars(self).items() if name != "text"}


def checked(writer: ChannelWriter, keys: Sequence[bytes], *, env_less: bool) -> Checked:
    """Return a channel with all problems of its document."""
    found = Checked(writer.name)
    try:
        found.text = writer.read()
    except UsageError as why:
        found.problems.append(str(why).removeprefix(f"{writer.name}: "))
        return found
    if found.text is None:
        found.problems.append("has no document")
        return found
    found.problems += problems(found.text, keys, env=None if env_less else os.environ)
    found.signature = signature(found.text, keys)
    try:
        body = body_of(found.text)
        data = tomllib.loads(body)
    except (CutoverFileError, ValueError, RecursionError):
        return found
    found.generation = generation_in(body)
    found.notes += [
        f"clusters.{cluster}.{name!r}: is a secret itself: write ${{file:PATH}} or ${{NAME}}"
        for cluster, name in secrets_in(data)
    ]
    newest = writer.newest if isinstance(writer, TopicWriter) else found.text
    if (
        isinstance(writer, TopicWriter)
        and not keys
        and writer.signed
        and not (newest == found.text and has_signature(newest))
    ):
        found.problems.insert(
            0,
            "signatures were not checked, and the topic has signed documents and others: give --key, which shows the "
            "one that applications have in force",
        )
        return found
    if newest != found.text:
        found.problems.append(
            "its newest record is another document, or none, which applications refuse: write the document again, "
            "before compaction leaves the other one only (kafka-cutover file set, without a change)"
        )
    if not keys and (writer.name.startswith(KAFKA) or has_signature(found.text)):
        found.notes.append("the signature was not checked: give --key")
    return found


def compared(channels: Sequence[Checked]) -> list[str]:
    """Return which channels lack the highest generation, or have it with other content."""
    known = [each for each in channels if each.generation is not None and not each.problems]
    if not known:
        return []
    best = max(known, key=lambda each: each.generation or 0)
    found = [
        f"{each.channel}: has generation {each.generation}, and {best.channel} has {best.generation}"
        for each in known
        if each.generation != best.generation
    ]
    return found + [
        f"{each.channel}: has generation {best.generation} with other content than {best.channel}"
        for each in known
        if each.generation == best.generation and each.body != best.body
    ]


def signature(text: str, keys: Sequence[bytes]) -> str:
    """Return the state of a document's signature in words."""
    content = raw(text)
    if signed(content)[0] is None:
        return "not signed"
    if not keys:
        return "signed, not checked without a key"
    for number, key in enumerate(keys):
        try:
            verify(content, [key])
        except CutoverFileError:
            continue
        return "signed" if len(keys) == 1 else f"signed with the {('first', 'second')[number]} key"
    return "signed with another key, or altered"


def difference(before: str, after: str, names: tuple[str, str]) -> str:
    """Return the unified difference of two valid documents, without secrets."""
    old, new = (redacted_text(body).splitlines() for body in (before, after))
    return "\n".join(difflib.unified_diff(old, new, *names, lineterm=""))


def against_cluster(data: dict[str, Any], config: dict[str, str]) -> list[str]:
    """Return what is stranded by the source cluster's own facts: its topics, and what its groups have read."""
    topics = [topic for topic in Admin(config).partitions() if not internal(topic)]
    view = ClusterView.connect(config)
    groups = {each.group: sorted(each.committed) for each in view.groups(topics)}
    return [
        *ambiguous(data, topics, "topics"),
        *ambiguous(data, sorted(groups), "groups"),
        *reads_elsewhere(data["routes"], groups),
        *(f"{what}: {why}" for what, why in view.notes.items()),
    ]


def source_of(body: str) -> tuple[dict[str, Any], dict[str, str]]:
    """Return a document, and the properties of its source with references resolved. Raises UsageError."""
    try:
        source = parse(body).clusters["source"].properties
    except CutoverFileError as why:
        raise UsageError(f"--live: the source cannot be asked: {why}") from None
    return tomllib.loads(body), {name: str(value) for name, value in source.items()}
