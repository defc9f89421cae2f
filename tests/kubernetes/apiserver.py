"""Builds the API server of the Kubernetes tests from its Go module, once: `python -m tests.kubernetes.apiserver`.

`go.mod` beside this file pins its version. The program is kept in the cache folder of kafka-cutover. The first build
takes about six minutes of processor time; a machine needs Go 1.24 or later, and etcd to run it.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from cutover_harness.errors import UsageError
from cutover_harness.locks import FileLock
from cutover_harness.testbed.jars import cache_folder

HERE = Path(__file__).parent
PACKAGE = "k8s.io/kubernetes/cmd/kube-apiserver"
FLAGS = ("-mod=readonly", "-trimpath", "-buildvcs=false", "-gcflags=all=-l")
"""Without inlining (-l) the build takes 40 % less processor time."""
_BUILD_S = 3600.0


def version() -> str:
    """Return the version that is pinned, such as v1.34.3."""
    found = re.search(r"^\s*(?:require )?k8s\.io/kubernetes (v\S+)", (HERE / "go.mod").read_text(), re.MULTILINE)
    assert found is not None
    return found.group(1)


def binary() -> Path:
    """Return where the program of this version, with these dependencies, is kept."""
    content = b"".join([*((HERE / name).read_bytes() for name in ("go.mod", "go.sum")), " ".join(FLAGS).encode()])
    return cache_folder() / "kube-apiserver" / f"{version()}-{hashlib.sha256(content).hexdigest()[:12]}"


def missing() -> str | None:
    """Return what this machine lacks to run the tests, with the remedy; None if it lacks nothing."""
    if shutil.which("etcd") is None:
        return "etcd is not installed: install it (Debian: etcd-server)"
    if not binary().exists():
        remedy = "run `python -m tests.kubernetes.apiserver`" if shutil.which("go") else "install Go 1.24 or later"
        return f"the API server {version()} is not built: {remedy}"
    return None


def build() -> Path:
    """Return the program, after building it if it is not kept yet."""
    program = binary()
    program.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(program.with_name(f"{program.name}.lock"), wait_s=_BUILD_S):  # another checkout may be building it
        if not program.exists():
            if shutil.which("go") is None:
                raise UsageError("go is not installed: install Go 1.24 or later")
            half = program.with_name(f"{program.name}.half")
            link = f"-s -w -X k8s.io/component-base/version.gitVersion={version()}"
            # Without cgo, and with a compiler that collects less garbage: less processor time.
            env = {**os.environ, "CGO_ENABLED": "0", "GOGC": "400", "GOFLAGS": "", "GOWORK": "off"}
            command = ["nice", "go", "build", *FLAGS, f"-ldflags={link}", "-o", str(half), PACKAGE]
            if subprocess.run(command, cwd=HERE, env=env, check=False).returncode:
                raise UsageError(f"the API server {version()} cannot be built: see the lines above")
            half.rename(program)
    return program


if __name__ == "__main__":
    print(f"==> API server {version()} (the first build takes minutes)", flush=True)
    try:
        print(build())
    except UsageError as why:
        sys.exit(str(why))
