"""Changes of a YAML document that a person has edited; comments and everything else are kept.

ruamel.yaml keeps lines of comments with the value before them, although they are mostly about what follows. So they
are taken off before a value is deleted, or another one is inserted behind it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark
from ruamel.yaml.tokens import CommentToken

from cutover_harness.planning.render import commented


def apply(document: CommentedMap, data: Mapping[str, Any]) -> None:
    """Change a mapping of the document to this data."""
    left = "".join([_delete(document, name) for name in [each for each in document if each not in data]])
    for name, value in data.items():
        if name not in document:
            keys = list(data)
            earlier = [each for each in keys[: keys.index(name)] if each in document]
            at = list(document).index(earlier[-1]) + 1 if earlier else 0
            _insert(document, at, name, commented(value, key=name))
        elif document[name] != value:
            _change(document, name, value)
    _give_lines(document, _keys(document)[-1], left)


def _change(parent: Any, key: Any, value: Any) -> None:
    node = parent[key]
    if isinstance(node, CommentedMap) and isinstance(value, dict) and value and node:
        apply(node, value)
    elif isinstance(node, CommentedSeq) and isinstance(value, list) and value and node:
        _change_list(parent, key, value)
    else:
        tail = _take_lines(parent, key)
        parent[key] = commented(value, key=key)
        _give_lines(parent, key, tail)


def _change_list(parent: Any, key: Any, value: list[Any]) -> None:
    """Change a list: items are the same if they are equal, or have the same name."""
    node: CommentedSeq = parent[key]
    wanted = [_identity(each) for each in value]
    gone = [at for at in range(len(node) - 1, -1, -1) if _identity(node[at]) not in wanted]
    left = "".join([_delete(node, at) for at in gone])
    for at, each in enumerate(value):
        found = next((n for n in range(at, len(node)) if _identity(node[n]) == wanted[at]), None)
        if found is None:
            _insert(node, at, None, commented(each))
        elif found != at:
            _move(parent, key, found, at)
        if node[at] != each:
            _change(node, at, each)
    _give_lines(node, len(node) - 1, left)


def _move(parent: Any, key: Any, found: int, at: int) -> None:
    """Move an item of a list to the front, with the lines of comments before it."""
    node: CommentedSeq = parent[key]
    before = _take_lines(node, found - 1)
    item, comment, behind = node[found], node.ca.items.get(found), _take_lines(node, found)
    _delete(node, found)
    _give_lines(node, found - 1, behind)
    first = "" if at else _take_first(parent, key)
    _insert(node, at, None, item)
    if comment is not None:
        node.ca.items[at] = comment
    _give_lines(node, at, first)
    if at:
        _give_lines(node, at - 1, before)
    elif before:
        _comment_first(node, before)


def _take_first(parent: Any, key: Any) -> str:
    """Remove the lines of comments before the first item of a list and return them."""
    node = parent[key]
    tokens = (node.ca.comment or [None, None])[1]
    if not tokens:
        return ""
    # ruamel.yaml has them in both places.
    node.ca.comment[1] = None
    parent.ca.items[key][3] = None
    return "".join(f"{' ' * token.start_mark.column}{token.value}" for token in tokens)


def _comment_first(parent: Any, lines: str) -> None:
    """Put lines of comments before the first value."""
    text = "\n".join(line.strip().removeprefix("#").removeprefix(" ") for line in lines.strip().splitlines())
    parent.yaml_set_comment_before_after_key(_keys(parent)[0], before=text, indent=_indent(lines))


def _identity(item: Any) -> object:
    return ("name", item["name"]) if isinstance(item, dict) and "name" in item else repr(item)


def _insert(parent: Any, at: int, key: Any, value: Any) -> None:
    """Insert a value at a position; lines of comments behind the value before it stay in front of what follows."""
    tail = _take_lines(parent, _keys(parent)[at - 1]) if at else ""
    if isinstance(parent, CommentedMap):
        parent.insert(at, key, value)
    else:
        parent.insert(at, value)
    _give_lines(parent, _keys(parent)[at], tail)


def _delete(parent: Any, key: Any) -> str:
    """Delete a value; lines of comments behind it stay in front of what follows, or are returned if nothing is left."""
    keys = _keys(parent)
    at = keys.index(key)
    tail = _take_lines(parent, key)
    del parent[key]
    if len(keys) == 1:
        return tail
    if at:
        _give_lines(parent, keys[at - 1], tail)
    elif tail:
        _comment_first(parent, tail)
    return ""


def _keys(node: Any) -> list[Any]:
    return list(node) if isinstance(node, CommentedMap) else list(range(len(node)))


def _indent(lines: str) -> int:
    first = next(line for line in lines.splitlines() if line.strip())
    return len(first) - len(first.lstrip())


def _last(parent: Any, key: Any) -> tuple[Any, Any]:
    """Return the innermost container and key of the value at the end of this one, which has the comments behind it."""
    node = parent[key]
    while isinstance(node, CommentedMap | CommentedSeq) and node and not node.fa.flow_style():
        parent, key = node, _keys(node)[-1]
        node = parent[key]
    return parent, key


def _slot(parent: Any) -> int:
    return 2 if isinstance(parent, CommentedMap) else 0


def _take_lines(parent: Any, key: Any) -> str:
    """Remove the lines of comments behind a value and return them; the comment on its own line stays."""
    parent, key = _last(parent, key)
    tokens = parent.ca.items.get(key)
    token = tokens[_slot(parent)] if tokens else None
    if token is None:
        return ""
    own, _, rest = token.value.partition("\n")
    if not rest:
        return ""
    if own:
        token.value = f"{own}\n"
    else:
        tokens[_slot(parent)] = None
    return str(rest)


def _give_lines(parent: Any, key: Any, lines: str) -> None:
    """Put lines of comments behind a value."""
    if not lines:
        return
    parent, key = _last(parent, key)
    tokens = parent.ca.items.setdefault(key, [None, None, None, None])
    token = tokens[_slot(parent)]
    if token is None:
        tokens[_slot(parent)] = CommentToken(f"\n{lines}", start_mark=CommentMark(0), end_mark=None)
    else:
        token.value = f"{token.value.rstrip(chr(10))}\n{lines}"
