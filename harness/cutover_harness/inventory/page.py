"""The listing as one self-contained HTML file; the template escapes everything."""

from __future__ import annotations

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from cutover_harness.inventory import words
from cutover_harness.inventory.model import PARTIAL, Listing
from cutover_harness.inventory.tables import gap_line


def html(listing: Listing) -> str:
    """Return the page. Nothing in it is fetched from anywhere."""
    return _environment().get_template("inventory.html.j2").render(listing=listing, words=words, partial=PARTIAL)


@cache
def _environment() -> Environment:
    loader = PackageLoader("cutover_harness.inventory", "assets")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["gap_line"] = gap_line
    return environment
