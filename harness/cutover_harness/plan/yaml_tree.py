"""YAML of a user's file as plain data and nodes with their lines; what would blow up on the way is refused before."""

from __future__ import annotations

from typing import Any

import yaml

from cutover_harness.errors import UsageError

MOST_BYTES = 1 << 20
MOST_DEEP = 30
MOST_NODES = 100_000


def read_yaml(text: str, origin: str) -> tuple[yaml.Node | None, Any]:
    """Return the root node and the data; raises UsageError naming `origin` and the line."""
    if len(text) > MOST_BYTES:
        raise UsageError(f"{origin}: is larger than {MOST_BYTES >> 20} MB: give the right file")
    try:
        _check_depth(text, origin)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            _check_size(node, origin)
        return node, yaml.safe_load(text)
    except yaml.YAMLError as why:
        mark = getattr(why, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = " ".join(str(getattr(why, "problem", None) or why).split())
        raise UsageError(f"{origin}{line}: not YAML: {problem}") from None
    except (ValueError, TypeError, OverflowError) as why:  # a date that does not exist, a number of 5,000 digits
        raise UsageError(f"{origin}: not YAML: {' '.join(str(why).split())[:160]}") from None


def _check_depth(text: str, origin: str) -> None:
    """Refuse deep nesting, by events: making nodes of it would exhaust Python's stack."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MOST_DEEP:
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise UsageError(f"{origin}:{line}: nested more than {MOST_DEEP} levels deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _check_size(root: yaml.Node, origin: str) -> None:
    """Refuse aliases that stand for more than the file could hold, or for themselves."""
    sizes: dict[int, int | None] = {}

    def size(node: yaml.Node) -> int:
        known = sizes.get(id(node), 0)
        if known is None:
            raise UsageError(f"{origin}:{node.start_mark.line + 1}: an alias stands for what it is in")
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
