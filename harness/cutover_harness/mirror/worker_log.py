"""The last thing that a Connect worker's log reported about a connector, as WARN or ERROR.

Connect keeps a connector RUNNING while its producer retries forever: only the log contains the reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

_TAIL_BYTES = 1 << 20
_MAX_AGE_S = 60.0
_MAX_LENGTH = 600
# Kafka's own log4j configurations and the testbeds' begin a line with the time, in brackets or not, and the level.
_LINE = re.compile(r"^\[?(\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d)[,.]?\d*\]?\s+(WARN|ERROR)\s+(.*)$")
# Logged at each start of any client.
_NOISE = re.compile(r"supplied but|isn't a known config|Ignoring (?:empty|redefinition)|deprecated")

# A consequence of something else: an earlier batch that was refused, or a broker that is temporarily away.
_CONSEQUENCE = re.compile(
    r"OUT_OF_ORDER_SEQUENCE|NOT_LEADER|NETWORK_EXCEPTION|invalid metadata|could not be established"
)


def last_reason(
    logs: Iterable[Path], connectors: Iterable[str], now: datetime | None = None, max_age_s: float = _MAX_AGE_S
) -> str | None:
    """Return the latest WARN or ERROR about one of `connectors`, None if there is none within `max_age_s`.

    A line that may be the cause of others is preferred to a later one that is known to be a consequence. Logs that do
    not exist are skipped. An older line may be about a cause that has passed.
    """
    about = _about(connectors)
    now = now or datetime.now()  # noqa: DTZ005 - a log has the local time without a zone
    latest: tuple[bool, datetime, str] | None = None
    for log in logs:
        for line in _tail(log):
            found = _LINE.match(line)
            if found is None or not about.search(line) or _NOISE.search(line):
                continue
            at = datetime.fromisoformat(found[1])
            rank = (not _CONSEQUENCE.search(line), at)
            if (now - at).total_seconds() <= max_age_s and (latest is None or rank >= latest[:2]):
                latest = *rank, f"{found[2]} {found[3]}"
    return None if latest is None else latest[2].strip()[:_MAX_LENGTH]


def _about(connectors: Iterable[str]) -> re.Pattern[str]:
    """Return a pattern for the forms in which Connect and its clients name a connector.

    These are `[NAME|task-0]`, `WorkerSourceTask{id=NAME-0}`, `clientId=connector-producer-NAME-0` and
    `clientId=SOURCE->TARGET|NAME-0|ROLE`; a longer name that contains this one is another connector.
    """
    names = "|".join(re.escape(name) for name in connectors)
    return re.compile(rf"(?:[\[|= ']|connector-(?:producer|consumer|adminclient)-)(?:{names})(?:-\d+)?[|\]}}, ']")


def _tail(log: Path) -> list[str]:
    try:
        with log.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL_BYTES))
            return file.read().decode(errors="replace").splitlines()
    except OSError:
        return []
