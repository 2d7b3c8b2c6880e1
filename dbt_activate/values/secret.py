"""A string that must not be seen."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """Holds a secret; prints as ``***``. Only the code that puts it on the wire calls :meth:`reveal`."""

    _text: str

    def reveal(self) -> str:
        """Return the secret itself."""
        return self._text

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__
