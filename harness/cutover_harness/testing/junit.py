"""Names of scenario files in pytest's JUnit file."""

from __future__ import annotations

import pytest
from _pytest.junitxml import xml_key


class ClassNames:
    """Gives a scenario the class name of its file: `scenarios.careful` for scenarios/careful.yaml.

    pytest removes only .py, and CI servers take what follows the last dot for the class, so all scenarios would be in
    one class called yaml.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Set the name before pytest writes its own, which it then keeps."""
        name = class_name(report.nodeid)
        xml = self._config.stash.get(xml_key, None)
        if name is not None and xml is not None:
            xml.node_reporter(report).add_attribute("classname", ".".join(filter(None, [xml.prefix, name])))


def class_name(nodeid: str) -> str | None:
    """Return the class name of a scenario's test, None for any other test."""
    file = nodeid.split("::", maxsplit=1)[0]
    stem, dot, suffix = file.rpartition(".")
    return stem.replace("/", ".") if dot and suffix in ("yaml", "yml") else None
