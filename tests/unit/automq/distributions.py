"""Folders in the layout of AutoMQ's distribution, for tests."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cutover_harness.testbed.automq import AutomqOptions
from cutover_harness.testbed.automq.options import automq_options
from cutover_harness.testbed.s3 import S3Store

STORE = S3Store("http://127.0.0.1:9000", "eu-west-1", "the-access-key", "the-secret-key")
Maker = Callable[..., Path]
RELEASE_1_7_3 = "8a59d474aaaaaaaa"
ANOTHER = "0123456789abcdef"


def jar(file: Path, *entries: str, version: str = "3.9.1", commit: str = RELEASE_1_7_3) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for entry in entries:
            text = f"commitId={commit}\nversion={version}\n" if entry.endswith("version.properties") else ""
            archive.writestr(entry, text)


def options(**given: Any) -> AutomqOptions:
    nothing: dict[str, Any] = dict.fromkeys(
        ("home", "url", "version", "sha256", "s3_endpoint", "s3_region", "s3_credentials")
    )
    return automq_options(**{**nothing, "keep": False, "env": {}, "progress": print, **given})
