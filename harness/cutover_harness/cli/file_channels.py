"""Channels that are named on the command line, with the clusters and the key that they need."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from cutover_shim.channel import CONFIGMAP, FILE, KAFKA
from cutover_shim.cutover_file import Cluster, parse

from cutover_harness.channels.base import ChannelWriter
from cutover_harness.channels.document import read_document
from cutover_harness.channels.file import FileWriter
from cutover_harness.channels.names import ChannelName, FileName, TopicName, parse_channels
from cutover_harness.channels.opening import Kubernetes, cluster_of, keys_of, open_channel
from cutover_harness.channels.publish import Publisher
from cutover_harness.errors import UsageError

Channels = Annotated[
    list[str],
    typer.Argument(metavar="CHANNEL...", help="PATH, kafka:TOPIC[@source|@target] or configmap:NAMESPACE/NAME[/KEY]."),
]
_CLUSTER = re.compile(r"(?:(source|target)=)?(.+)")
_DEADLINE_S = 30.0


@dataclass(frozen=True)
class ChannelOptions:
    """Options of all commands that read or write channels."""

    key: Annotated[
        str | None,
        typer.Option(
            metavar="REFERENCE",
            envvar="CUTOVER_KEY",
            help="Key of the signatures: ${file:PATH} or ${NAME}; the first of two signs (default: no signature).",
        ),
    ] = None
    cluster: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[source=|target=]FILE",
            help="Client properties for kafka:TOPIC (default: the clusters in the document of another channel).",
        ),
    ] = None
    kubeconfig: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Kubernetes configuration (default: the usual ones).")
    ] = None
    context: Annotated[str | None, typer.Option(help="Context of the Kubernetes configuration.")] = None


@dataclass(frozen=True)
class WriteOptions:
    """Options of the commands that write."""

    unsigned: Annotated[
        bool, typer.Option("--unsigned", help="Write to a topic without a key (clients: cutover.unsigned=true).")
    ] = False
    touch: Annotated[
        str | None,
        typer.Option(metavar="SELECTOR", help="Labels of pods whose mounted ConfigMap to refresh immediately."),
    ] = None
    deadline: Annotated[
        float, typer.Option(min=0, help="How long to retry channels that cannot be written, in seconds (default: 30).")
    ] = _DEADLINE_S
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False


@dataclass
class Opened:
    """Writers of channels; `closed` has the reason for each channel that could not be opened."""

    writers: list[ChannelWriter]
    closed: dict[str, str]
    keys: tuple[bytes, ...]

    def publisher(self, *, deadline_s: float = 0.0) -> Publisher:
        """Return a publisher of all channels. Raises UsageError if one could not be opened."""
        for why in self.closed.values():
            raise UsageError(why)
        files = [writer for writer in self.writers if isinstance(writer, FileWriter)]
        copy = files[0].copy if files else lambda: None
        return Publisher(self.writers, self.keys, resolves=False, remembered=copy, patience_s=deadline_s)


def is_channel(argument: str) -> bool:
    """Whether an argument names a channel by a prefix."""
    return argument.startswith((FILE, KAFKA, CONFIGMAP))


@contextmanager
def opened(
    arguments: Sequence[str],
    options: ChannelOptions,
    *,
    clusters: Mapping[str, Cluster] | None = None,
    create: bool = False,
    touch: str | None = None,
) -> Iterator[Opened]:
    """Open the channels of a command line, and close them. Raises UsageError.

    clusters: of control topics, if no document exists that has them. create: whether a missing topic is created.
    """
    keys, given = keys_of(options.key), {**(clusters or {}), **_given(options.cluster or [])}
    kubernetes = Kubernetes(options.kubeconfig, options.context, touch)
    names = _names(arguments, one_cluster="" in given)
    early = [name for name in names if not isinstance(name, TopicName) or (name.cluster or "") in given]
    found = Opened([], {}, keys)
    try:
        found.writers += [open_channel(name, given, keys, create=create, kubernetes=kubernetes) for name in early]
        late = [name for name in names if name not in early]
        if late:
            known, why = _of_document(found)
            for name in late:
                if why is None:
                    found.writers.append(open_channel(name, known, keys, create=create))
                else:
                    found.closed[str(name)] = f"{name}: its cluster is not known: {why}"
        yield found
    finally:
        for writer in found.writers:
            writer.close()


def _names(arguments: Sequence[str], *, one_cluster: bool) -> list[ChannelName]:
    names: list[ChannelName] = []
    for argument in arguments:
        if one_cluster and argument.startswith(KAFKA) and "@" not in argument:
            names.append(TopicName(parse_channels(f"{argument}@source")[0].topic, None))  # type: ignore[union-attr]
        elif is_channel(argument):
            names += parse_channels([argument])
        elif "\0" in argument:
            raise UsageError(f"channel {argument!r}: is no name of a file")
        else:
            names.append(FileName(Path(argument)))
    # A link stays a link: what it points to is replaced.
    names = [FileName(n.path.resolve()) if isinstance(n, FileName) and n.path.is_symlink() else n for n in names]
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"channel {name}: is named twice: name it once")
    return names


def _given(values: Sequence[str]) -> dict[str, Cluster]:
    found: dict[str, Cluster] = {}
    for value in values:
        match = _CLUSTER.fullmatch(value)
        if match is None or (match[1] or "") in found:
            raise UsageError(f"--cluster {value!r}: give one FILE for each cluster: FILE, source=FILE, target=FILE")
        found[match[1] or ""] = cluster_of(match[1] or "", Path(match[2]))
    return found


def _of_document(found: Opened) -> tuple[Mapping[str, Cluster], str | None]:
    """Return the clusters in the document of the channels that are open, or why there are none."""
    if not found.writers:
        return {}, "give --cluster source=FILE and target=FILE, or name a cutover file as well"
    documents, reasons = [], []
    for writer in found.writers:
        try:
            text = writer.read()
        except UsageError as why:
            reasons.append(str(why))
            continue
        document = read_document(text or "", found.keys)
        documents.append(document)
        if not document.valid:
            reasons.append(f"{writer.name}: {document.refused if text is not None else 'has no document'}")
    best = max((d for d in documents if d.valid), key=lambda d: d.generation or 0, default=None)
    return ({}, "; ".join(reasons)) if best is None else (parse(best.body).clusters, None)
