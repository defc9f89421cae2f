"""Blackout of a fleet that moves without a restart while its mounted cutover files are up to 60 s late.

    python -m benchmarks.late_files [rounds]

Runs the scenario `configmap-with-channel` with files that are 30 to 60 s late: real brokers, a real mirror, five
application processes, and the control topic. Then the same on a target that takes 250 ms to acknowledge. Prints the
blackouts of each round; the exit code is 1 if one is longer than 2 s (3 s on the slow target) or a round does not pass.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from benchmarks.figures import Figure, at_most, conclude

NAME = "configmap-with-channel"
SLOW_MS = 250
BARS_MS = {0: 2000.0, SLOW_MS: 3000.0}
PROGRAM = [sys.executable, "-P", "-c", "from cutover_harness.cli import main; main()"]


def scenario(folder: Path, bar_ms: float) -> Path:
    """Write the catalogue's scenario with later files and this limit, and return its path."""
    (file,) = resources.files("cutover_scenarios").glob(f"*-{NAME}.yaml")  # type: ignore[attr-defined]
    content = yaml.safe_load(file.read_text(encoding="utf-8"))
    content["fleet"]["file_delay"] = {"least_s": 30, "most_s": 60}
    content["expect"]["max_blackout_ms"] = bar_ms
    made = folder / f"{NAME}.yaml"
    made.write_text(yaml.safe_dump(content), encoding="utf-8")
    return made


def round_of(folder: Path, slow_ms: int, seed: int) -> dict[str, Any]:
    """Rehearse once; return the content of `verdict.json`."""
    folder.mkdir()
    file, out = scenario(folder, BARS_MS[slow_ms]), folder / "out"
    slow = ["--target-ack-delay", str(slow_ms)] if slow_ms else []
    command = [*PROGRAM, "rehearse", str(file), "--out", str(out), "--seed", str(seed), *slow]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    verdict = out / NAME / "verdict.json"
    assert verdict.exists(), done.stdout[-2000:] + done.stderr[-2000:]
    found: dict[str, Any] = json.loads(verdict.read_text(encoding="utf-8"))
    return found


def blackouts(verdict: dict[str, Any]) -> dict[str, float]:
    """Return the longest blackout of producers and of each group; infinite if one is not known."""
    found = verdict["judgement"]["blackouts"]
    return {
        each["group"] or "producers": float("inf") if each["longest_ms"] is None else each["longest_ms"]
        for each in found
    }


def main(rounds: int = 3) -> int:
    figures: list[Figure] = []
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as name:
        for slow_ms, bar_ms in BARS_MS.items():
            target = f"target that acknowledges after {slow_ms} ms" if slow_ms else "target"
            found: dict[str, list[float]] = {}
            for seed in range(1, rounds + 1):
                verdict = round_of(Path(name) / f"{slow_ms}-{seed}", slow_ms, seed)
                for who, longest in blackouts(verdict).items():
                    found.setdefault(who, []).append(longest)
                if verdict["verdict"]["outcome"] != "PASS":
                    wrong.append(f"{target}, seed {seed}: {'; '.join(verdict['verdict']['reasons'])}")
            figures += [
                at_most(f"blackout of {who}, files 30 to 60 s late, {target}", its, "ms", bar_ms)
                for who, its in found.items()
            ]
    return conclude(figures, wrong)


if __name__ == "__main__":
    raise SystemExit(main(*map(int, sys.argv[1:2])))
