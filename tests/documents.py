"""A small document of the cutover file."""

from __future__ import annotations

import json
from collections.abc import Sequence


def text(
    generation: int,
    producers: str = "source",
    consumers: str = "source",
    *,
    groups: Sequence[str] = (),
    extra: str = "",
) -> str:
    """Return a document with one route, `r`, for the topic `t`; `extra`: more lines of that route."""
    return f"""generation = {generation}
[clusters.source]
"bootstrap.servers" = "a:1"
[clusters.target]
"bootstrap.servers" = "b:1"
[routes.r]
topics = ["t"]
groups = {json.dumps(list(groups))}
producers = "{producers}"
consumers = "{consumers}"
{extra}"""
