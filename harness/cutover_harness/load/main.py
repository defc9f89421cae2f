"""Runs Locust, for `kafka-cutover load`: an interruption before the load has begun is no traceback."""

from __future__ import annotations

from cutover_harness.load.interruption import INTERRUPTIONS, stop_now


def main() -> None:
    """Run Locust's command line."""
    INTERRUPTIONS.install()
    try:
        from locust.main import main as locust  # noqa: PLC0415 - takes a second, in which Ctrl-C may come

        INTERRUPTIONS.silence()
        locust()  # type: ignore[no-untyped-call]
    except KeyboardInterrupt:
        stop_now()


if __name__ == "__main__":
    main()
