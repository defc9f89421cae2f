"""Lines of a YAML file at which its values are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import yaml

_NONE: Mapping[str, Sequence[str]] = {}


def line_of(node: yaml.Node | None, loc: Sequence[int | str], earlier: Mapping[str, Sequence[str]] = _NONE) -> int:
    """Return the line (from 1) of the deepest node that `loc` reaches. earlier: other names of a key."""
    line = node.start_mark.line + 1 if node else 1
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            pairs = [(key, value) for key, value in node.value if key.value in (str(part), *earlier.get(str(part), ()))]
            if not pairs:
                return line
            key, node = pairs[0]
            line = key.start_mark.line + 1
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line + 1
        else:
            return line
    return line
