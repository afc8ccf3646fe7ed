"""The order of texts that people read: i;unicode-casemap, which SORT and THREAD go by. RFC 5051 2, RFC 5256 2.

Two texts have equal keys when they are the same without regard to case and to how accents are composed; keys compare as
the collation does, since the order of code points is that of UTF-8's octets. Pure.

Known limit: of a text longer than LONGEST characters the first ones decide, then a hash of the whole.
"""

from __future__ import annotations

import unicodedata
from hashlib import blake2b

LONGEST = 200


class _Titlecase(dict[int, str]):
    """The simple titlecase mapping: where the full one makes several characters of one, it stays as it is."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        title = character.title()
        mapped = title if len(title) == 1 else character
        if len(self) < _MOST_REMEMBERED:
            self[code] = mapped
        return mapped


_MOST_REMEMBERED = 5000
_titlecase = _Titlecase()


def collation_key(text: str) -> str:
    # The titlecase of a letter in ASCII is the capital, and nothing is composed there.
    key = text.upper() if text.isascii() else unicodedata.normalize("NFKD", text.translate(_titlecase))
    if len(key) > LONGEST:
        whole = blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        key = f"{key[:LONGEST]}\0{whole}"
    return key
