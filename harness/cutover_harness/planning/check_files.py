"""Checks of the files, variables and addresses that a plan names."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from cutover_harness.channels.names import parse_channels
from cutover_harness.conductor.statuses import place_of
from cutover_harness.errors import UsageError
from cutover_harness.inputs import read_text_input
from cutover_harness.masking import masked
from cutover_harness.mirror.connect_properties import read_connect_properties
from cutover_harness.planning.model import Connect, PlanFile
from cutover_harness.planning.problems import At, PlanText, Problem
from cutover_harness.properties_file import read_properties, resolved

_REFERENCE = re.compile(r"\$\{[^}]*\}")


class FileCheck:
    """Checks what a plan in `folder` names. env: None if references are those of another machine."""

    def __init__(self, plan: PlanFile, text: PlanText, folder: Path, env: Mapping[str, str] | None) -> None:
        self._plan, self._text, self._folder, self._env = plan, text, folder, env

    def problems(self) -> Iterable[Problem]:
        """Return the problems."""
        clusters = self._plan.clusters
        yield from self._properties(("clusters", "source", "properties"), clusters.source.properties, client=True)
        yield from self._properties(("clusters", "target", "properties"), clusters.target.properties, client=True)
        if self._plan.connect is not None:
            yield from self._connect(("connect",), self._plan.connect)
        for name, connect in self._plan.connect_clusters.items():
            yield from self._connect(("connect_clusters", name), connect)
            if connect.target is not None:
                yield from self._connect(("connect_clusters", name, "target"), connect.target)
        if self._plan.policy is not None:
            yield from self._policy(self._plan.policy)
        yield from self._reach()

    def _connect(self, at: At, connect: Connect) -> Iterable[Problem]:
        yield from self._resolved((*at, "url"), connect.url)
        if masked(connect.url) != connect.url and "${" not in connect.url:
            yield self._text.problem((*at, "url"), "has a password: write ${NAME} for it")
        if connect.properties is not None:
            yield from self._properties((*at, "properties"), connect.properties, client=False)

    def path(self, at: At, name: str) -> tuple[Path | None, list[Problem]]:
        """Return the path of a file that exists, or the problem with it."""
        found = list(self._resolved(at, name))
        if found or name == "-" or (self._env is None and _REFERENCE.search(name)):
            return None, found
        path = self._folder / resolved(name, "", self._env or {}, self._folder)
        if not path.is_file():
            return None, [self._text.problem(at, f"there is no file {path}: create it, or correct the name")]
        return path, []

    def _resolved(self, at: At, value: str) -> Iterable[Problem]:
        return (self._text.problem(at, why) for why in self._unresolved(value, self._folder))

    def _unresolved(self, value: str, folder: Path) -> Iterable[str]:
        """Return why references of a text in a file of `folder` cannot be resolved."""
        if self._env is None:
            return
        for reference in dict.fromkeys(_REFERENCE.findall(value)):
            try:
                resolved(reference, "", self._env, folder)
            except UsageError as why:
                yield str(why).lstrip(": ")

    def _properties(self, at: At, name: str, *, client: bool) -> Iterable[Problem]:
        path, found = self.path(at, name)
        yield from found
        if path is None:
            return
        try:
            lines = read_text_input(path, "properties").splitlines()
            if client:
                read_properties(path, resolve=False)
            else:
                read_connect_properties(path)
        except UsageError as why:
            yield self._text.problem(at, str(why))
            return
        for number, line in enumerate(lines, start=1):
            if line.strip()[:1] in ("#", "!"):
                continue
            for reason in self._unresolved(line, path.parent):
                yield Problem(str(path), number, "", reason)

    def _policy(self, name: str) -> Iterable[Problem]:
        path, found = self.path(("policy",), name)
        yield from found
        if path is None:
            return
        try:
            tomllib.loads(read_text_input(path, "policy"))
        except tomllib.TOMLDecodeError as why:
            yield Problem(str(path), 0, "", f"not TOML: {why}")
        except UsageError as why:
            yield self._text.problem(("policy",), str(why))

    def _reach(self) -> Iterable[Problem]:
        for number, way in enumerate(self._plan.reach):
            try:
                parse_channels([way.channel])
            except UsageError as why:
                yield self._text.problem(("reach", number), str(why))
        try:
            parse_channels([way.channel for way in self._plan.reach])
        except UsageError as why:
            if "twice" in str(why):
                yield self._text.problem(("reach",), str(why))
        if self._plan.statuses is not None:
            try:
                place_of(self._plan.statuses)
            except UsageError as why:
                yield self._text.problem(("statuses",), str(why))
