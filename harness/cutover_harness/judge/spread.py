"""How long generations of the cutover file took to arrive, by channel. Pure functions."""

from collections.abc import Iterable, Sequence

import numpy as np

from cutover_harness.judge.facts import Arrival, Spread


def spread(arrivals: Iterable[Arrival]) -> list[Spread]:
    """Return the spread of each channel; generations that an instance never saw are left out."""
    channels: dict[str, list[Arrival]] = {}
    for each in arrivals:
        if each.channel is not None and each.seen_ns is not None:
            channels.setdefault(each.channel, []).append(each)
    return [_of(channel, channels[channel]) for channel in sorted(channels)]


def _of(channel: str, arrivals: Sequence[Arrival]) -> Spread:
    seen = _percentiles(_late_ms(each, each.seen_ns) for each in arrivals)
    applied = _percentiles(_late_ms(each, each.applied_ns) for each in arrivals)
    assert seen is not None  # noqa: S101 - only arrivals that were seen
    return Spread(channel, len(arrivals), *seen, *(applied or (None, None, None)))


def _late_ms(arrival: Arrival, at_ns: int | None) -> float | None:
    # Clocks of a status and of a file may differ by a moment: nothing arrives before it is written.
    return None if at_ns is None else max(0.0, (at_ns - arrival.written_ns) / 1e6)


def _percentiles(late_ms: Iterable[float | None]) -> tuple[float, float, float] | None:
    """Return the median, the 99th percentile and the longest time; None if there is none."""
    known = [each for each in late_ms if each is not None]
    if not known:
        return None
    # The 99th percentile of few figures is their highest: never a value that was not measured.
    middle, high = np.percentile(known, [50, 99], method="inverted_cdf")
    return round(float(middle), 1), round(float(high), 1), round(max(known), 1)
