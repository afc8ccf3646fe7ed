"""Whether a command speaks of message numbers, which a client gives up with UIDONLY. RFC 9586 3.

It asks the values that the grammar makes, whichever verb they are of: what has a form by UID and is not in it, and a
search key that is a set of numbers, wherever in the program it stands.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass

from .cursor import GrammarFault
from .modifiers import SelectParameters
from .search import Numbers


class UidRequired(GrammarFault):
    """Answered with BAD and the code UIDREQUIRED."""

    def __init__(self) -> None:
        super().__init__("there are no message numbers after ENABLE UIDONLY")


def speaks_of_numbers(command: object) -> bool:
    if getattr(command, "by_uid", True) is False:
        return True
    parameters = getattr(command, "parameters", None)
    if isinstance(parameters, SelectParameters) and parameters.resync is not None:
        return parameters.resync.matches is not None  # RFC 9586 3: seq-match-data has numbers
    return _has_numbers(getattr(command, "key", None))


def _has_numbers(key: object) -> bool:
    if isinstance(key, Numbers):
        return not key.messages.is_saved  # `$` is neither numbers nor UIDs
    if isinstance(key, tuple):
        return any(map(_has_numbers, key))
    return is_dataclass(key) and any(_has_numbers(getattr(key, field.name)) for field in fields(key))
