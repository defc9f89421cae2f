"""Addresses, command lines and names as they may be shown: without passwords, tokens and control characters."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_URL = re.compile(r"""[A-Za-z][A-Za-z0-9+.-]*://[^\s'"<>]+""")
# JDBC addresses that are written otherwise: jdbc:oracle:thin:user/password@host, and host;name=value.
_ORACLE = re.compile(r"""(jdbc:oracle:\w+:)[^\s'"<>@]+@""")
_PARAMETER = re.compile(r"(;[^;=]*=)[^;]*")
_SECRET_OPTION = re.compile(r"^--?[\w-]*(?:password|secret|token|credential|key)[\w-]*$", re.IGNORECASE)
_SECRET_PROPERTY = re.compile(
    r"password|passphrase|pwd|jaas|secret|token(?!\.endpoint\.url)|credential|user\.info|[._-]key$|certificate",
    re.IGNORECASE,
)
_VALUE = "***"
_INVISIBLE = ("Cc", "Cf", "Cs", "Zl", "Zp")


def printable(text: str) -> str:
    """Return the text with what would change a terminal as in `visible`, but with its line breaks and tabs."""
    return "".join(c if c in "\n\t" else visible(c) for c in text)


def visible(text: str) -> str:
    r"""Return the text in one line: a line break, and what else would change a terminal, as an escape such as `\n`.

    Names of groups, keys and folders can have any character, and a line that is about one of them has to stay one line.
    """
    if text.isprintable():
        return text
    return "".join(c.encode("unicode_escape").decode() if unicodedata.category(c) in _INVISIBLE else c for c in text)


def is_secret(key: str) -> bool:
    """Return whether a property of this name holds a secret."""
    return _SECRET_PROPERTY.search(key) is not None


def masked(text: str) -> str:
    """Return the text, in whose URLs user names, passwords, the values of parameters and the fragment are `***`."""
    return _ORACLE.sub(rf"\1{_VALUE}@", _URL.sub(lambda found: _masked_url(found[0]), text))


def masked_command(arguments: Iterable[str]) -> list[str]:
    """Return a command line's arguments as `masked`, and with `***` for the values of options that hold a secret.

    Values that name a file stay: what is in the file is not shown anywhere.
    """
    shown: list[str] = []
    hidden = False
    for argument in arguments:
        option, equals, value = argument.partition("=")
        if hidden and not argument.startswith("-"):
            shown.append(_VALUE)
        elif equals and _SECRET_OPTION.match(option) and not _names_a_file(option):
            shown.append(f"{option}={_VALUE}" if value else argument)
        else:
            shown.append(masked(argument))
        hidden = not equals and bool(_SECRET_OPTION.match(argument)) and not _names_a_file(argument)
    return shown


def _names_a_file(option: str) -> bool:
    return option.endswith(("-credentials", "-file", "-key-location"))


def _masked_url(url: str) -> str:
    scheme, _, rest = url.partition("://")
    # In a password that is not percent-encoded may be any character, also / and #: all up to the last @ may be it.
    _, at, place = rest.rpartition("@")
    rest, _, fragment = f"{_VALUE if at else ''}{at}{place}".partition("#")
    place, question, query = rest.partition("?")
    values = "&".join(
        f"{name}={_VALUE}" if equals else _VALUE
        for name, equals, _ in (part.partition("=") for part in query.split("&"))
    )
    place = _PARAMETER.sub(rf"\1{_VALUE}", place)
    return f"{scheme}://{place}{question}{values if question else ''}{'#' + _VALUE if fragment else ''}"
