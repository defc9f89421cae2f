"""Configuration that one process writes as a JSON file and another reads: conductor, replay apps, Locust workers."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from cutover_harness.errors import UsageError


class ConfigFile(BaseModel):
    """A frozen model with a file form; `what` names it in errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    what: ClassVar[str]

    def save(self, file: Path) -> None:
        """Write the file that `load` reads; its folder is made."""
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(self.model_dump_json(indent=1), encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> Self:
        """Return the configuration in `file`. Raises UsageError naming the file and the field."""
        try:
            return cls.model_validate_json(file.read_bytes())
        except OSError as why:
            raise UsageError(f"{cls.what} {file}: {why.strerror}") from why
        except ValidationError as why:
            first = why.errors()[0]
            field = ".".join(map(str, first["loc"])) or "file"
            raise UsageError(f"{cls.what} {file}: {field}: {first['msg']}") from why
