"""Secrets that fleet.yaml only names: ``secret:NOTIFY_URL`` is read from the environment when it is used."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from quartermaster.fleet.errors import MissingPart

__all__ = ["Secret"]

_PREFIX = "secret:"
_STARS = "********"


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that prints as stars. ``name`` is the environment variable that holds it; empty for a literal."""

    name: str = ""
    _literal: str = field(default="", repr=False)

    @classmethod
    def parse(cls, text: str) -> Secret:
        """``secret:NAME`` names a variable of the environment; any other text is the value itself."""
        if not text.startswith(_PREFIX):
            return cls(_literal=text)
        name = text.removeprefix(_PREFIX)
        if not name.isidentifier():
            raise ValueError(f"{name!r} cannot name an environment variable; write secret:NOTIFY_URL")
        return cls(name=name)

    def reveal(self, environment: Mapping[str, str] | None = None) -> str:
        """The value itself, read now. Raises MissingPart when the environment does not hold it."""
        if not self.name:
            return self._literal
        value = (os.environ if environment is None else environment).get(self.name, "")
        if not value:
            raise MissingPart(
                f"secret {self.name} is not in the environment", remedy=f"export {self.name}=… before the command"
            )
        return value

    def __str__(self) -> str:
        return _STARS

    def __repr__(self) -> str:
        return f"Secret({self.name or _STARS})"

    def __format__(self, spec: str) -> str:
        return format(_STARS, spec)
