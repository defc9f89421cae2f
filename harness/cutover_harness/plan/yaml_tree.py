"""YAML of a user's file as plain data and nodes with lines; text that would exhaust memory or stack is refused."""

from __future__ import annotations

from typing import Any

import yaml

from cutover_harness.errors import UsageError

MOST_BYTES = 1 << 20
MOST_DEEP = 30
MOST_NODES = 100_000
_LARGE = 1 << 16
"""Above this length libyaml reads the text: ten times as fast, and its messages are less precise."""


_BOOLEAN, _TEXT = (f"tag:yaml.org,2002:{kind}" for kind in ("bool", "str"))


def _with_text_as_keys(loader: Any) -> Any:
    """Return a loader to which the name of a field is text also if it is `on`, which YAML 1.1 takes for true."""

    class WithTextAsKeys(loader):  # type: ignore[misc]
        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
            for key, _ in node.value:
                if key.tag == _BOOLEAN and isinstance(key, yaml.ScalarNode):
                    key.tag = _TEXT
            found: dict[Any, Any] = super().construct_mapping(node, deep)
            return found

    return WithTextAsKeys


_EXACT = _with_text_as_keys(yaml.SafeLoader)
_FAST = _with_text_as_keys(getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def read_yaml(text: str, origin: str, most_bytes: int = MOST_BYTES) -> tuple[yaml.Node | None, Any]:
    """Return the root node and the data; raises UsageError naming `origin` and the line."""
    if len(text) > most_bytes:
        raise UsageError(f"{origin}: is larger than {most_bytes >> 20} MiB: give the right file")
    loader = _FAST if len(text) > _LARGE else _EXACT
    try:
        _check_depth(text, origin, loader)
        node = yaml.compose(text, Loader=loader)
        if node is not None:
            _check_size(node, origin)
            _check_keys(node, origin)
        return node, yaml.load(text, Loader=loader)  # noqa: S506 - both loaders are safe
    except yaml.YAMLError as why:
        mark = getattr(why, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = " ".join(str(getattr(why, "problem", None) or why).split())
        raise UsageError(f"{origin}{line}: not YAML: {problem}") from None
    except (ValueError, TypeError, OverflowError) as why:  # a date that does not exist, a number of 5,000 digits
        raise UsageError(f"{origin}: not YAML: {' '.join(str(why).split())[:160]}") from None


def _check_depth(text: str, origin: str, loader: Any) -> None:
    """Refuse deep nesting, found in the parser's events: building its nodes would exhaust Python's stack."""
    depth = 0
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MOST_DEEP:
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise UsageError(f"{origin}:{line}: nested more than {MOST_DEEP} levels deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _check_size(root: yaml.Node, origin: str) -> None:
    """Refuse aliases that expand to more than a file may contain, or that contain themselves."""
    sizes: dict[int, int | None] = {}

    def size(node: yaml.Node) -> int:
        known = sizes.get(id(node), 0)
        if known is None:
            raise UsageError(
                f"{origin}:{node.start_mark.line + 1}: an alias refers to a node that contains it: remove it"
            )
        if known:
            return known
        sizes[id(node)] = None
        total = 1
        if isinstance(node, yaml.MappingNode):
            total += sum(size(key) + size(value) for key, value in node.value)
        elif isinstance(node, yaml.SequenceNode):
            total += sum(map(size, node.value))
        if total > MOST_NODES:
            raise UsageError(f"{origin}:{node.start_mark.line + 1}: aliases make more than {MOST_NODES:,} values of it")
        sizes[id(node)] = total
        return total

    size(root)


def _check_keys(root: yaml.Node, origin: str) -> None:
    """Refuse a key that a mapping has twice: PyYAML silently takes the last one."""
    seen: set[int] = set()
    nodes = [root]
    while nodes:
        node = nodes.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            nodes += node.value
        elif isinstance(node, yaml.MappingNode):
            lines: dict[tuple[str, str], int] = {}
            for key, value in node.value:
                nodes.append(value)
                if not isinstance(key, yaml.ScalarNode) or key.value == "<<":
                    continue
                line = key.start_mark.line + 1
                first = lines.get((key.tag, key.value))
                if first is not None:
                    raise UsageError(f"{origin}:{line}: {key.value} is there twice, first in line {first}: remove one")
                lines[key.tag, key.value] = line
