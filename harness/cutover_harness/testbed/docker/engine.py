"""The container engine: connect to it, pull images, label and remove everything that a run creates."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import psutil

from cutover_harness import reaper
from cutover_harness.errors import UsageError
from cutover_harness.testbed.base import Progress, TestbedError

PREFIX = "kafka-cutover"
RUN, PID, STARTED, MACHINE = (f"{PREFIX}.{what}" for what in ("run", "pid", "started", "host"))
"""Labels of every container and network: process and machine that created it, and the run."""
_TIMEOUT_S = 120
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_HELP = (
    "start one (Docker Desktop, or `systemctl start docker`), name yours in DOCKER_HOST, or rehearse with "
    "--testbed process, which needs none"
)


def connect() -> Any:
    """Return a client (`docker.DockerClient`) of the engine that DOCKER_HOST names, otherwise of the default one.

    Raises UsageError if there is none, if it is on another machine, or if the extra is not installed.
    """
    try:
        import docker  # noqa: PLC0415 - an extra
        import testcontainers  # noqa: F401, PLC0415
    except ModuleNotFoundError as why:
        raise UsageError(f"--testbed docker needs {why.name}: pip install 'kafka-cutover[docker]'") from why
    where = os.environ.get("DOCKER_HOST", "")
    parts = urlsplit(where)
    if parts.scheme in {"tcp", "http", "https", "ssh"} and parts.hostname not in _LOOPBACK:
        raise UsageError(
            f"DOCKER_HOST={where}: the engine has to be on this machine, as brokers are published on 127.0.0.1 alone"
        )
    try:
        client = docker.from_env(timeout=_TIMEOUT_S)
        client.ping()
    except docker.errors.DockerException as why:
        named = f"at DOCKER_HOST={where}" if where else "at the default address"
        raise UsageError(f"no container engine answers {named} ({_reason(why)}): {_HELP}") from why
    return client


@contextlib.contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn an error of the engine in the block into a TestbedError; `what` names the action."""
    import docker  # noqa: PLC0415 - an extra
    import requests  # noqa: PLC0415

    try:
        yield
    except (docker.errors.DockerException, requests.RequestException) as why:
        raise TestbedError(f"{what}: the container engine reports: {_reason(why)}") from why


def ensure_image(client: Any, image: str, option: str, progress: Progress) -> bool:
    """Pull the image if it is not on this machine; return whether it was pulled. Raises TestbedError."""
    import docker  # noqa: PLC0415 - an extra

    try:
        client.images.get(image)
    except docker.errors.ImageNotFound:
        pass
    else:
        return False
    progress(f"pulling image {image} (once)")
    try:
        # Alone a name means all of its tags.
        client.images.pull(image if ":" in image.rpartition("/")[2] or "@" in image else f"{image}:latest")
    except docker.errors.DockerException as why:
        raise TestbedError(
            f"{option} {image}: neither on this machine nor available from its registry ({_reason(why)}): use an "
            "image that is here, or create one with `python -m cutover_harness.testbed.docker.image`"
        ) from why
    return True


def has_path(client: Any, image: str, path: str, run: str) -> bool:
    """Return whether the image contains this path; nothing of it is run."""
    import docker  # noqa: PLC0415 - an extra

    probe = client.containers.create(image, command=["none"], labels=labels(run))
    try:
        probe.get_archive(path)
    except docker.errors.NotFound:
        return False
    finally:
        probe.remove(force=True, v=True)
    return True


def reading_options(client: Any) -> dict[str, str]:
    """Return the options of a container that reads this user's files (0600): its user is this one outside."""
    with explained("asking for its security options"):
        options = " ".join(client.info().get("SecurityOptions") or ())
    if "name=rootless" in options:
        return {"user": "0:0"}  # root inside is this user outside
    host = {"userns_mode": "host"} if "name=userns" in options else {}
    return {"user": f"{os.getuid()}:{os.getgid()}", **host}


def use_reaper(client: Any, *, registry: bool) -> None:
    """Let testcontainers' reaper (Ryuk) run if the user has not decided and its image is available.

    It removes what a killed run leaves within seconds; without it the next run or `doctor --clean` does. `registry`:
    whether images were just pulled, so that another one can be.
    """
    from testcontainers.core.config import testcontainers_config as config  # noqa: PLC0415 - an extra

    if "TESTCONTAINERS_RYUK_DISABLED" in os.environ or config.ryuk_disabled:
        return
    import docker  # noqa: PLC0415 - an extra

    try:
        client.images.get(config.ryuk_image)
    except docker.errors.ImageNotFound:
        if not registry:
            config.ryuk_disabled = True
            return
        try:
            client.images.pull(config.ryuk_image)
        except docker.errors.DockerException:
            config.ryuk_disabled = True


def new_run() -> str:
    """Return a run's name, for labels and for names of containers."""
    return secrets.token_hex(4)


def labels(run: str) -> dict[str, str]:
    """Return the labels of everything that this process creates for a run."""
    me = psutil.Process()
    return {RUN: run, PID: str(me.pid), STARTED: str(me.create_time()), MACHINE: socket.gethostname()}


def abandoned(found: Mapping[str, str]) -> bool:
    """Return by its labels whether a thing was created by us, on this machine, in a process that has ended."""
    if RUN not in found or found.get(MACHINE) != socket.gethostname():
        return False
    try:
        owner = reaper.identify(int(found[PID]), float(found[STARTED]))
    except (KeyError, ValueError):
        return True
    return owner is None or not reaper.alive(owner)


def of_run(run: str) -> Callable[[Mapping[str, str]], bool]:
    """Return a function that finds by labels whether a thing belongs to this run."""
    return lambda found: found.get(RUN) == run


def ours(client: Any, which: Callable[[Mapping[str, str]], bool]) -> list[tuple[str, Any]]:
    """Return containers, networks and volumes that carry our labels and are wanted, in the order of their removal."""
    containers = client.containers.list(all=True, filters={"label": RUN}, ignore_removed=True)
    found = [(f"container {c.name}", c) for c in containers if which(c.labels)]
    networks = client.networks.list(filters={"label": RUN})
    found += [(f"network {n.name}", n) for n in networks if which(n.attrs.get("Labels") or {})]
    volumes = client.volumes.list(filters={"label": RUN})
    found += [(f"volume {v.name}", v) for v in volumes if which(v.attrs.get("Labels") or {})]
    return found


def remove(client: Any, which: Callable[[Mapping[str, str]], bool]) -> list[str]:
    """Remove them, anonymous volumes included; return their names. What is gone already is no error."""
    import docker  # noqa: PLC0415 - an extra

    gone = []
    for name, thing in ours(client, which):
        with contextlib.suppress(docker.errors.NotFound):
            if name.startswith("container"):
                thing.remove(force=True, v=True)
            else:
                thing.remove()
            gone.append(name)
    return gone


def _reason(error: BaseException) -> str:
    explanation = getattr(error, "explanation", None)
    text = str(explanation or error).strip().splitlines()
    while not explanation and (inner := error.__cause__ or error.__context__) is not None:
        error = inner
        text = str(getattr(error, "strerror", None) or error).strip().splitlines()
    return text[-1] if text else type(error).__name__
