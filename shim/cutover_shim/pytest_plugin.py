"""`pytest -p cutover_shim.pytest_plugin`: run another project's tests on the shim."""

from __future__ import annotations

import os

import confluent_kafka
import confluent_kafka.admin

from cutover_shim.adoption import install

install()


def pytest_report_header() -> str:
    """Return the line of the run's header: the clients' version, the cutover file and channels that they follow."""
    names = [os.environ[name] for name in ("CUTOVER_FILE", "CUTOVER_CHANNEL") if os.environ.get(name)]
    file = ", ".join(names) or "none: the plain client"
    return f"cutover_shim instead of confluent_kafka {confluent_kafka.version()}, cutover file: {file}"
