"""One document for all channels of a fleet: written to each, retried where it fails, and never over another writer's.

The first channel that takes the document decides: if it is there, the generation counts as written, and the other
channels get it until they have it or a newer one. A ConfigMap comes first and control topics come last, because of all
writers of a ConfigMap the API server lets only one win, and a topic lets both append.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait

from cutover_shim.channel import CONFIGMAP, FILE

from cutover_harness.channels.base import ChannelError, ChannelWriter, OvertakenError
from cutover_harness.channels.delivery import Delivery, Outgoing, SupersededError
from cutover_harness.channels.document import Document, claimed, read_document, signed_text
from cutover_harness.errors import UsageError

PATIENCE_S = 2.0
"""How long to wait for a channel that worked until now; it gets the document later, or the next one."""
_FAILING_S = 0.2
"""How long to wait for a channel that has failed before: every step would have to wait for it."""
_ATTEMPT_S = 15.0
_MISSING = {True: "cannot be read: No such file or directory", False: "has no document"}
_ORDER = (CONFIGMAP, FILE, "")

Content = str | None | UsageError


class Publisher:
    """Writes documents to channels, under the signature of the first of `keys` if there are any.

    resolves: whether the references of documents have to be resolved on this machine. remembered: returns the last
    document that was written here, for a fleet whose channels have all lost it. A document that is there already
    belongs to another writer, unless it was read by `adopt`.
    """

    def __init__(
        self,
        channels: Sequence[ChannelWriter],
        keys: Sequence[bytes] = (),
        *,
        resolves: bool = True,
        remembered: Callable[[], str | None] = lambda: None,
        patience_s: float = PATIENCE_S,
    ) -> None:
        ordered = sorted(channels, key=lambda c: next(n for n, kind in enumerate(_ORDER) if c.name.startswith(kind)))
        self._deliveries = [Delivery(each, self._refuse, inline=len(ordered) == 1) for each in ordered]
        self._keys, self._resolves, self._remembered, self._patience_s = keys, resolves, remembered, patience_s
        self.current: Outgoing | None = None
        self._unsure: list[Outgoing] = []  # attempts that failed, and may have succeeded nevertheless
        self._running: dict[Delivery, Future[None]] = {}

    @property
    def generation(self) -> int:
        """The last generation that was written or read, 0 before that."""
        return 0 if self.current is None else self.current.generation

    @property
    def next_generation(self) -> int:
        """The generation of the next document: above all that were read, written or attempted."""
        return max([self.generation, *(each.generation for each in self._unsure)]) + 1

    def contents(self, within_s: float = _ATTEMPT_S) -> dict[str, Content]:
        """Return what each channel contains, or why it cannot be read now."""
        asked = {each: each.read() for each in self._deliveries if not each.late}
        wait(asked.values(), timeout=within_s)
        found: dict[str, Content] = {}
        for each in self._deliveries:
            content = _result(each.name, asked[each]) if each in asked else UsageError(str(each.error))
            found[each.name] = content
            if isinstance(content, UsageError):
                each.fail(content)
        return found

    def adopt(self) -> Document:
        """Take the highest valid document of all channels as this writer's own, and return it; change nothing.

        Raises UsageError if there is none, if two channels have different ones of its generation, and if there is a
        higher one that cannot be used here.
        """
        contents = self.contents()
        found = {name: self._document(text) for name, text in contents.items() if isinstance(text, str)}
        kept = None if (text := self._remembered()) is None else self._document(text)
        valid = [document for document in [*found.values(), kept] if document is not None and document.valid]
        if not valid:
            raise UsageError(self._nothing(contents, found))
        best = max(valid, key=lambda document: document.generation or 0)
        for name, document in found.items():
            if not document.valid and (document.generation or 0) > (best.generation or 0):
                raise UsageError(f"{name}: generation {document.generation} cannot be used here: {document.refused}")
        same = {name: document for name, document in found.items() if document.generation == best.generation}
        if len({document.body for document in same.values() if document.valid}) > 1:
            raise UsageError(
                f"{' and '.join(same)}: have generation {best.generation} with different content, as two writers leave "
                f"it: stop one, and write what shall be in force to all of them with a higher generation"
            )
        self.current = Outgoing(best.generation or 0, best.body, best.text)
        return best

    def edited_since(self) -> bool:
        """Whether the document that was adopted differs from the one that was written last with its generation."""
        kept = claimed(self._remembered() or "", self._keys)
        return (
            self.current is not None
            and kept is not None
            and kept[0] == self.generation
            and (kept[1] != self.current.body)
        )

    def restore(self) -> None:
        """Write the present document to the channels that lack it: those that were left behind, broken or rewound."""
        if self.current is not None:
            self._deliver(self.current, self._deliveries, strict=len(self._deliveries) == 1)

    def publish(self, body: str, generation: int) -> None:
        """Write a document to all channels.

        Returns once a channel has it, and the others have it too or their time is over: `behind` names those. Raises
        OvertakenError if a channel has another writer's document; UsageError if no channel could be written.
        """
        document = Outgoing(generation, body, signed_text(body, self._keys))
        before = self.current
        self._refuse_others()
        first = self._write_first(document)
        self.current = document
        try:
            self._deliver(document, [each for each in self._deliveries if each is not first])
        except OvertakenError as why:
            raise self._taken_back(document, before, why) from None

    def behind(self) -> list[str]:
        """Return which channels lack the present document, and why. Raises OvertakenError, as `publish` does, later."""
        for each in [each for each, future in self._running.items() if future.done()]:
            failed = self._running.pop(each).exception()
            if failed is not None and not isinstance(failed, SupersededError):
                raise failed
        return [each.error or f"{each.name}: is being written" for each in self._deliveries if each.late]

    def lacking(self) -> list[str]:
        """Return which channels do not contain the present document now, and what they contain."""
        found = []
        for name, content in self.contents().items():
            if isinstance(content, UsageError):
                found.append(str(content))
            elif content is None:
                found.append(f"{name}: has no document")
            elif self.current is None or self._document(content).body != self.current.body:
                there = self._document(content)
                found.append(f"{name}: {there.refused or f'generation {there.generation}'}")
        return found

    def told(self) -> dict[str, int]:
        """Return when each channel has got the present document: nanoseconds since 1970, by this machine's clock."""
        return {each.name: each.at_ns for each in self._deliveries if each.has is self.current and each.at_ns}

    def remarks(self) -> list[str]:
        """Return what writing the present document could not do in addition, such as refreshing pods, a line each."""
        return [
            f"{each.name}: not refreshed: {line}"
            for each in self._deliveries
            if each.has is self.current
            for line in getattr(each.writer, "untouched", ())
        ]

    def close(self) -> None:
        """Close all channels."""
        for each in self._deliveries:
            each.close()

    def _document(self, text: str) -> Document:
        return read_document(text, self._keys, resolves=self._resolves)

    def _refuse_others(self) -> None:
        """Raise OvertakenError if a channel that can be read has another writer's document."""
        for name, content in self.contents(self._patience_s).items():
            if not isinstance(content, UsageError):
                self._refuse(name, content, self.current)
        # The writer of a newer document has left a copy, even if the file was broken since.
        kept = claimed(self._remembered() or "", self._keys)
        if kept is not None and kept[0] > self.generation:
            self._refuse("the copy of the cutover file", self._remembered(), self.current)

    def _refuse(self, name: str, there: str | None, mine: Outgoing | None) -> None:
        claim = None if there is None else claimed(there, self._keys)
        if there is None or claim is None or claim in [(each.generation, each.body) for each in self._unsure]:
            return
        generation, body = claim
        own = 0 if mine is None else mine.generation
        if generation > own:
            what = f"generation {generation} is there, and this writer's last one is {own}"
        elif mine is not None and generation == own and body != mine.body and self._document(there).valid:
            what = f"generation {own} is there with other content than this writer's"
        else:
            return
        raise OvertakenError(
            f"{name}: {what}: another writer has written it, and nothing was written now. Find and stop that writer, "
            f"then resume"
        )

    def _write_first(self, document: Outgoing) -> Delivery:
        """Write the document to the first channel that takes it, and return that. Raises UsageError."""
        failed: list[UsageError] = []
        for each in sorted(self._deliveries, key=lambda delivery: delivery.late or delivery.error is not None):
            future = each.deliver(document, once=True)
            wait([future], timeout=_ATTEMPT_S)
            result = _result(each.name, future)
            if not isinstance(result, UsageError):
                return each
            each.withdraw()
            if isinstance(result, OvertakenError):
                raise result
            failed.append(result)
        if any(isinstance(why, ChannelError) for why in failed):
            self._unsure.append(document)
        if len(failed) == 1:
            raise failed[0]
        raise ChannelError(f"no channel can be written: {'; '.join(str(why) for why in failed)}")

    def _deliver(self, document: Outgoing, to: Sequence[Delivery], *, strict: bool = False) -> None:
        """Write the document to these channels, and wait for those that have worked until now."""
        patient = [each for each in to if each.error is None and not each.late]
        self._running = {each: each.deliver(document, once=strict) for each in to}
        wait(self._running.values(), timeout=min(_FAILING_S, self._patience_s))
        wait([self._running[each] for each in patient], timeout=self._patience_s)
        if strict:
            for future in self._running.values():
                future.result()
        self.behind()

    def _taken_back(self, document: Outgoing, before: Outgoing | None, why: OvertakenError) -> OvertakenError:
        """Restore what channels had before a document that another writer has overtaken, and return the error."""
        self.current = before
        had = [each for each in self._deliveries if each.has is document]
        for each in self._deliveries:
            each.withdraw()
        if before is None:
            return OvertakenError(f"{why}; {', '.join(each.name for each in had)} has this writer's document")
        jobs = [each.put_back(document, before) for each in had]
        wait(jobs, timeout=_ATTEMPT_S)
        return OvertakenError(f"{why}; {', '.join(each.name for each in had)} has the one before it again")

    def _nothing(self, contents: Mapping[str, Content], found: Mapping[str, Document]) -> str:
        """Return why no channel has a document that can be used."""
        reasons = [
            str(content)
            if isinstance(content, UsageError)
            else f"{name}: {found[name].refused if name in found else _MISSING.get(name.startswith(FILE))}"
            for name, content in contents.items()
        ]
        # Without the key a document is there: the key is the wrong one, or whoever wrote the document had none.
        unverified = [name for name, each in found.items() if each.generation is None and claimed(each.text)]
        if self._keys and unverified:
            return (
                f"{'; '.join(reasons)}: check the key: {' and '.join(unverified)} "
                f"{'has a document' if len(unverified) == 1 else 'have documents'} that it does not verify"
            )
        of_file = any(name.startswith(FILE) for name in contents)
        remedy = ", and there is no copy of it: put the last one back" if of_file else ": write the first one"
        if all(content is None for content in contents.values()):
            remedy += (
                ", or write the first one with kafka-cutover file init" if of_file else " with kafka-cutover file init"
            )
        return "; ".join(reasons) + remedy


def _result(name: str, future: Future[str | None] | Future[None]) -> Content:
    """Return what a channel contained, or its error; an error that is a defect is raised."""
    if not future.done():
        return ChannelError(f"{name}: does not answer")
    try:
        return future.result()
    except UsageError as why:
        return why
