"""`pytest -p cutover_shim.pytest_plugin`: run another project's tests on the shim."""

from __future__ import annotations

import os

import confluent_kafka
import confluent_kafka.admin

from cutover_shim.adoption import install

install()


def pytest_report_header() -> str:
    """Say in the run's header what the clients are, and which cutover file they follow."""
    file = os.environ.get("CUTOVER_FILE") or "none: the plain client"
    return f"cutover_shim in the place of confluent_kafka {confluent_kafka.version()}, cutover file: {file}"
