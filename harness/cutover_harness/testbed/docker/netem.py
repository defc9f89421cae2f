"""Delay and loss in a container's network, by the kernel's netem if it has that (`man tc-netem`)."""

from __future__ import annotations

import re
from typing import Any

from cutover_harness.errors import UnavailableError
from cutover_harness.testbed.base import TestbedError
from cutover_harness.testbed.docker import engine

SHOW_COMMAND = ["tc", "qdisc", "show"]
_DEVICE = re.compile(r"\bdev (?!lo\b)(\S+)")


def device(shown: str) -> str:
    """Return the one network device of a container next to loopback: eth0, or another after it was off the network.

    `shown` is the output of `SHOW_COMMAND`. Raises UnavailableError if there is none.
    """
    found = _DEVICE.search(shown)
    if found is None:
        raise UnavailableError(f"netem: the container is on no network (tc shows {shown.strip() or 'nothing'})")
    return found[1]


def impair_command(on: str, delay_ms: int, loss_percent: float) -> list[str]:
    """Return the command that delays what the container sends, or loses a part of it."""
    what = [
        *(("delay", f"{delay_ms}ms") if delay_ms else ()),
        *(("loss", f"{loss_percent:g}%") if loss_percent else ()),
    ]
    return ["tc", "qdisc", "replace", "dev", on, "root", "netem", *what]


def heal_command(on: str) -> list[str]:
    """Return the command that removes all of it."""
    return ["tc", "qdisc", "del", "dev", on, "root"]


def run(client: Any, image: str, container_id: str, run_id: str, command: list[str]) -> str:
    """Run `tc` in a container's network; return its output. Raises UnavailableError with its reason."""
    import docker  # noqa: PLC0415 - an extra

    try:
        engine.ensure_image(client, image, "--netem-image", lambda _text: None)
        said: bytes = client.containers.run(
            image,
            entrypoint=command[:1],
            command=command[1:],
            network_mode=f"container:{container_id}",
            cap_add=["NET_ADMIN"],
            user="root",
            labels=engine.labels(run_id),
            remove=True,
            stdout=True,
            stderr=True,
        )
    except docker.errors.ContainerError as why:
        text = (why.stderr or b"").decode(errors="replace").strip().splitlines()
        raise UnavailableError(f"netem: {text[0] if text else why}") from why
    except (TestbedError, docker.errors.DockerException) as why:
        raise UnavailableError(f"netem: {why}") from why
    return said.decode(errors="replace")
