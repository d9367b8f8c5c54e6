"""Tokens: from the environment or from a file that it names, and never shown."""

from __future__ import annotations

import os
from pathlib import Path

from greensched.errors import Finding, UsageError


class Secret:
    """A text that prints as `***`; `reveal` gives it to who sends it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Keep `text`."""
        self._text = text

    def reveal(self) -> str:
        """Return the text itself."""
        return self._text

    def __eq__(self, other: object) -> bool:
        """Tell whether it is the same text."""
        return isinstance(other, Secret) and self._text == other._text

    def __hash__(self) -> int:
        """Return the hash of the text."""
        return hash(self._text)

    def __repr__(self) -> str:
        """Return nothing of it."""
        return "***"

    def __reduce__(self) -> str:
        """Refuse to be pickled: what is pickled is written somewhere."""
        message = "a secret is not written anywhere"
        raise TypeError(message)


def secret(variable: str) -> Secret | None:
    """Return `$VARIABLE`, else the first line of the file that `$VARIABLE_FILE` names, else None.

    Raises UsageError where that file cannot be read or the text cannot be sent in a header.
    """
    text = os.environ.get(variable, "")
    file = os.environ.get(f"{variable}_FILE", "")
    if not text and file:
        try:
            text = Path(file).read_text(encoding="utf-8").partition("\n")[0]
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "is no text"
            what = f"{file} cannot be read: {why}"
            raise UsageError(Finding(where=f"${variable}_FILE", what=what)) from None
    text = text.strip()
    if not text:
        return None
    if not (text.isascii() and text.isprintable()):
        what = "holds characters that no token has"
        raise UsageError(Finding(where=f"${variable}", what=what))
    return Secret(text)


def needed(variable: str, source: str) -> Secret:
    """Return the secret; raises UsageError that says where it is looked for."""
    found = secret(variable)
    if found is None:
        raise UsageError(
            Finding(
                where=source,
                what="needs a token, and there is none",
                remedy=f"set ${variable}, or ${variable}_FILE to a file that holds it",
            )
        )
    return found


def masked(text: str, *secrets: Secret) -> str:
    """Return `text` without any of the secrets in it; the longest first, as one may hold another.

    Mask before a text is cut: half a secret is not recognised.
    """
    for hidden in sorted({one.reveal() for one in secrets}, key=len, reverse=True):
        text = text.replace(hidden, "***")
    return text
