"""Errors that the shim adds to those of the client."""

from __future__ import annotations


class CutoverFileError(ValueError):
    """The cutover file cannot be used: one line that names the file or field, what was found and what to do.

    The text never holds a property's value, because values may be secrets.
    """
