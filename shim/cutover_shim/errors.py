"""The exception that the shim adds to those of the client."""

from __future__ import annotations


class CutoverFileError(ValueError):
    """The cutover file cannot be used; the text is one line: the file or field, what was found, what to do.

    The text never contains a property's value, because values may be secrets.
    """


class UnresolvedError(CutoverFileError):
    """A reference cannot be resolved now: its variable or file may appear later."""


class UnverifiedError(CutoverFileError):
    """A signature cannot be verified with the present keys: the key may be replaced by another one later."""
