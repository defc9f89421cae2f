"""Names of a package that are imported from its modules only once they are used.

Every command imports `judge.measures` and `ledger.files`; without this each of them would load numpy and pyarrow, which
takes longer than most commands.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazily(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` (PEP 562) of a package. homes: exported name -> module of the package."""

    def found(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return found
