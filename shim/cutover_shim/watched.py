"""The documents that reach this process by a file and by other channels: which is in force, which are refused."""

from __future__ import annotations

import hashlib
import logging
import time
import weakref
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from cutover_shim import native, signature
from cutover_shim.channel import FILE, Channel
from cutover_shim.cutover_file import MAX_BYTES, CutoverFile, CutoverFileError, parse
from cutover_shim.errors import UnresolvedError, UnverifiedError
from cutover_shim.file_channel import FileChannel, UnusableError

log = logging.getLogger("cutover_shim")

WAIT_WITH_DOCUMENT_S, WAIT_WITHOUT_S = 5.0, 30.0
"""How long a client that starts waits for the first read of channels: with a good document, and without any."""


class Client(Protocol):
    """Methods of a client that the watcher calls: with the newest document, at every tick, at the process's exit."""

    def _shim_apply(self, file: CutoverFile) -> None: ...
    def _shim_tick(self, now: float) -> None: ...
    def _shim_exit(self, timeout_s: float) -> None: ...


@dataclass(frozen=True)
class Seen:
    """The document in force: which channel brought it first, and when (seconds since 1970)."""

    generation: int
    channel: str
    at: float


@dataclass
class _State:
    """One channel: the generation and body of its highest valid document, and what is wrong with its last one."""

    generation: int = -1
    body: bytes = b""
    refused: str | None = None
    error: str | None = None
    complete: bool = False  # nothing more has to be waited for at the start
    catching_up: bool = False  # reading what was there, which begins with documents that were followed long ago
    older: int | None = None  # generation of the last document read, if it is older than another one before it
    unresolved: bytes | None = None  # a document whose references may be resolvable later
    unverified: bytes | None = None  # a document that another key may verify later
    tried: tuple[bytes, ...] = field(default=(), repr=False)  # the keys that did not verify it
    logged: str | None = None

    @property
    def problem(self) -> str | None:
        return self.refused or self.error

    def forget_waiting(self) -> None:
        self.unresolved = self.unverified = None


class Watched:
    """What the clients of the same settings follow: the last good document, and what is refused.

    `channels`: those besides the file. `more`: returns the channels that a document makes readable (the control topic
    on the target). `nothing`: the document in force while a channel that can be read has none; None: at least one is
    required. `keys`: returns the keys that documents have to be signed with, None if they need no signature.
    """

    def __init__(
        self,
        file: FileChannel | None,
        channels: Sequence[Channel] = (),
        *,
        more: Callable[[CutoverFile], Iterable[Channel]] = lambda _file: (),
        nothing: CutoverFile | None = None,
        keys: Callable[[], tuple[bytes, ...]] | None = None,
    ) -> None:
        self.good: CutoverFile | None = None
        self.seen: Seen | None = None
        self.clients: weakref.WeakSet[Client] = weakref.WeakSet()
        self.changed: Callable[[], None] = lambda: None  # called when another document is in force; set by the watcher
        self._file, self._more, self._nothing, self._keys = file, more, nothing, keys
        self._pending = list(channels)
        self._channels: dict[str, Channel] = {}
        self._states: dict[str, _State] = {} if file is None else {file.name: _State()}
        self._news = native.Condition()
        self._begun = self._stopped = False

    # -- starting ----------------------------------------------------------------------------------------------------

    def first(self) -> CutoverFile:
        """Return the document in force, for a client that starts, after the first read of every channel.

        Raises CutoverFileError if there is none: no usable file, and no channel that could be read in time.
        """
        if self.good is None and self._file is not None:
            self._look(self._file, settled=True)
        begun = time.monotonic()
        while not self._begun:
            self._start_pending()
            with self._news:
                # With a document in force the others are waited for less long: they may be on a cluster that is away.
                most = WAIT_WITHOUT_S if self.good is None else WAIT_WITH_DOCUMENT_S
                self._news.wait_for(lambda: self._pending or self._complete(), begun + most - time.monotonic())
                if not self._pending:
                    break
        with self._news:
            if self.good is None and self._nothing is not None and self._empty():
                self.good = self._nothing
            if self.good is None:
                raise CutoverFileError(self._why())
            self._begun = True
            return self.good

    def _start_pending(self) -> None:
        """Start channels that are new, or that a document has moved to another address."""
        with self._news:
            pending = {} if self._stopped else {channel.name: channel for channel in self._pending}
            self._pending.clear()
            new = {name: channel for name, channel in pending.items() if self._channels.get(name) != channel}
            left = [self._channels[name] for name in new if name in self._channels]
            for name in new:
                self._states.setdefault(name, _State())
            self._channels |= new
        for channel in left:
            channel.stop()
        for channel in new.values():
            channel.start(self)

    def _complete(self) -> bool:
        return all(self._states[name].complete for name in self._channels)

    def _empty(self) -> bool:
        """Return whether all channels could be read, and none has anything: one that is away may have a document."""
        states = [self._states[name] for name in self._channels]
        return all(s.complete and s.error is None and s.refused is None for s in states)

    def _why(self) -> str:
        if self._file is not None and not self._channels:
            return f"{self._file.path}: {self._states[self._file.name].problem}"
        return "; ".join(f"{name}: {s.problem or 'has not answered in time'}" for name, s in self._states.items())

    def stop(self) -> None:
        """Stop reading: no client follows this any more."""
        with self._news:
            self._stopped = True
            channels = list(self._channels.values())
        for channel in channels:
            channel.stop()

    # -- looking -----------------------------------------------------------------------------------------------------

    def tick(self) -> bool:
        """Look at the file, try again what could not be resolved, and start channels that a document has named.

        Return whether another document is in force than before.
        """
        before = self.good
        if self._file is not None:
            self._look(self._file, settled=False)
        for name, state in list(self._states.items()):
            if state.unresolved is not None:
                self.document(name, state.unresolved)
            if state.unverified is not None and self._other_keys(state.tried):
                self.document(name, state.unverified)
        self._start_pending()
        return self.good is not before

    def _look(self, file: FileChannel, *, settled: bool) -> None:
        try:
            content = file.look(settled=settled)
        except UnusableError as error:
            with self._news:
                self._refuse(file.name, str(error))
                self._states[file.name].forget_waiting()
            return
        if content is not None:
            self.document(file.name, content)

    @property
    def rejected(self) -> str | None:
        """Why the present content of a channel is refused, or the file cannot be read; None if nothing is."""
        found = {name: s.refused for name, s in list(self._states.items()) if s.refused is not None}
        if len(self._states) == 1:
            return next(iter(found.values()), None)
        return "; ".join(f"{name}: {why}" for name, why in found.items()) or None

    def channel_states(self) -> list[dict[str, Any]]:
        """Return, for the status, each channel with the highest valid generation that it brought, and its problems."""
        return [
            {
                "channel": name,
                "generation": state.generation if state.generation >= 0 else None,
                "refused": state.refused,
                "error": state.error,
            }
            for name, state in list(self._states.items())
        ]

    # -- what a channel calls ----------------------------------------------------------------------------------------

    def document(self, channel: str, content: bytes) -> None:
        """Judge a document, and put it in force if it is valid and newer than the one in force."""
        with self._news:
            if self._stopped:
                return
            state = self._states[channel]
            state.error = None
            before = self.good
            try:
                body = self._body(state, content)
                file = parse(body.decode("utf-8"))
                self._judge(channel, state, file, body)
            except UnresolvedError as error:
                self._refuse(channel, str(error))
                state.unresolved = content
            except CutoverFileError as error:
                self._refuse(channel, str(error))
            except UnicodeDecodeError:
                self._refuse(channel, "not UTF-8 text")
            except Exception as error:  # noqa: BLE001 - whatever it contains, the next document has to be read
                self._refuse(channel, f"cannot be used: {type(error).__name__}")
            self._news.notify_all()
        if self.good is not before:
            self.changed()

    def begins(self, channel: str) -> None:
        """Take note that the channel delivers what is there, from its oldest document on."""
        with self._news:
            state = self._states[channel]
            state.catching_up, state.older = True, None

    def complete(self, channel: str) -> None:
        """Take note that all that was there has been delivered."""
        with self._news:
            state = self._states[channel]
            state.complete, state.catching_up, state.error = True, False, None
            if state.older is not None:
                self._refuse(channel, _older(state.older, state.generation))
            self._news.notify_all()

    def failed(self, channel: str, why: str, *, final: bool) -> None:
        """Take note that a channel cannot be read: the last good document stays in force."""
        with self._news:
            state = self._states[channel]
            if state.error is None and self.good is not None and not self._stopped:
                log.warning("cutover shim: %s cannot be read, generation %d stays in force: %s", channel, self._at, why)
            state.error = why
            state.complete = state.complete or final
            self._news.notify_all()

    def works(self, channel: str) -> None:
        """Take note that a channel can be read again."""
        with self._news:
            state = self._states[channel]
            if state.error is not None and self.good is not None:
                log.warning("cutover shim: %s can be read again", channel)
            state.error = None

    # -- judging (with the lock) -------------------------------------------------------------------------------------

    @property
    def _at(self) -> int:
        return -1 if self.good is None else self.good.generation

    def _body(self, state: _State, content: bytes) -> bytes:
        """Return what is signed. Raises CutoverFileError."""
        if self._keys is None:
            state.forget_waiting()
        if not content.strip():
            raise CutoverFileError("empty")
        if len(content) > MAX_BYTES:
            raise CutoverFileError("larger than 1 MiB")
        if self._keys is None:
            return signature.signed(content)[1]
        # What is refused from here on, forged or replayed, does not replace a document that waits.
        keys: tuple[bytes, ...] = ()
        try:
            keys = self._keys()
            return signature.verify(content, keys)
        except (UnverifiedError, UnresolvedError) as error:
            state.unverified, state.tried = content, keys
            raise CutoverFileError(str(error)) from None

    def _other_keys(self, tried: tuple[bytes, ...]) -> bool:
        """Return whether the keys can be read, and are not those that were tried."""
        try:
            return self._keys is not None and self._keys() != tried
        except CutoverFileError:
            return False

    def _judge(self, channel: str, state: _State, file: CutoverFile, body: bytes) -> None:
        digest, generation = hashlib.sha256(body).digest(), file.generation
        if generation < state.generation:
            if state.catching_up:
                state.older = generation
                return
            raise CutoverFileError(_older(generation, state.generation))
        if generation == state.generation and digest != state.body:
            raise CutoverFileError(
                f"generation {generation} again, with other content: every change needs a higher generation"
            )
        if generation == self._at and self.seen is not None and digest != self._states[self.seen.channel].body:
            raise CutoverFileError(
                f"generation {generation} with other content than that of {self.seen.channel}, which is in force: "
                "one generation has one content"
            )
        state.generation, state.body = generation, digest
        state.refused = state.logged = state.older = None
        state.forget_waiting()
        if generation > self._at:
            self.good, self.seen = file, Seen(generation, channel, time.time())
            self._pending += self._more(file)

    def _refuse(self, channel: str, why: str) -> None:
        state = self._states[channel]
        state.refused = why
        if why != state.logged and self.good is not None:
            log.warning(
                "cutover %s refused, the last good one stays in force: %s", channel.replace(FILE, "file ", 1), why
            )
        state.logged = why


def _older(generation: int, before: int) -> str:
    return f"generation {generation} after {before}: every change needs a higher generation"
