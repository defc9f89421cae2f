"""Colours and fonts of all HTML pages."""

from __future__ import annotations

from importlib import resources


def palette() -> str:
    """Return the style sheet that defines them; a page's own sheet follows it."""
    return (resources.files("cutover_harness") / "assets" / "palette.css").read_text("utf-8")
