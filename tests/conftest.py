"""What all tests share."""

import signal

import pytest
from hypothesis import HealthCheck, settings

# In the background of a script SIGINT is ignored, and so it would be by every process that a test means to interrupt.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes depends on what else the machine does, so time fails no test.
settings.register_profile("product", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("product")


@pytest.hookimpl(tryfirst=True)  # xdist reads the marks in its own
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests in one process, as they share fixtures; docker tests too, as they look for what is left."""
    for item in items:
        group = "docker" if item.path.parent.name == "docker" else item.path.name
        item.add_marker(pytest.mark.xdist_group(group))
