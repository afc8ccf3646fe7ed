"""The fields that say what a part is: Content-Type, Content-Disposition and their kin, with parameters.

Promises: never raises. Types, names of parameters and encodings come out in lower case, values as they were written
less their quotes and comments; RFC 2231 sections are left to `encoded_words.decode_parameters`. A Content-Type that
cannot be read counts as none (RFC 2045 5.2). Reads what careless programs write: values with spaces and without
quotes, empty parameters, a missing `;`-value, trailing comments. At most PARAMETERS_MOST parameters are kept.
RFC 2045 5 and 6, RFC 2183, RFC 3282.
"""

from __future__ import annotations

import re
from itertools import islice

from .addresses import unquote

Parameters = tuple[tuple[bytes, bytes], ...]

PARAMETERS_MOST = 100
VALUE_OCTETS = 16 * 1024

_TYPE = re.compile(
    rb"\s*([!#$&^_.+A-Za-z0-9-]{1,127})\s*/\s*([!#$&^_.+A-Za-z0-9-]{1,127})\s*(?=[;(\s]|\Z)"
)  # RFC 6838 4.2
_TOKEN = re.compile(rb"[\s\"]*([!#$%&'*+.^_`{|}~A-Za-z0-9-]+)")
# Linear: a quoted value that is not closed can only be the last one, since `="` would have closed any before it.
_PARAMETER = re.compile(rb""";\s*([^\s=;"()]+)\s*=\s*(?:"((?:[^"\\]++|\\.)*+)"|"?([^;"]*))""", re.DOTALL)
_LANGUAGE = re.compile(rb"[A-Za-z0-9-]+")


def parse_content_type(value: bytes) -> tuple[bytes, bytes, Parameters] | None:
    """(type, subtype, parameters), or None where the value is no type."""
    value = value[:VALUE_OCTETS]
    found = _TYPE.match(value)
    if found is None:
        return None
    return found[1].lower(), found[2].lower(), _parameters(value[found.end() :])


def parse_disposition(value: bytes) -> tuple[bytes, Parameters] | None:
    value = value[:VALUE_OCTETS]
    found = _TOKEN.match(value)
    return (found[1].lower(), _parameters(value[found.end() :])) if found else None


def parse_encoding(value: bytes) -> bytes:
    """`7bit` where nothing can be made out, RFC 2045 6.1."""
    found = _TOKEN.match(value)
    return found[1].lower()[:64] if found else b"7bit"


def parse_languages(value: bytes) -> tuple[bytes, ...]:
    return tuple(_LANGUAGE.findall(value[:256]))


def parameter(parameters: Parameters, name: bytes) -> bytes:
    """The value of the first parameter called `name` (lower case), or b""."""
    for found, value in parameters:
        if found == name:
            return value
    return b""


def _parameters(text: bytes) -> Parameters:
    if not text:
        return ()
    kept: list[tuple[bytes, bytes]] = []
    for found in islice(_PARAMETER.finditer(text), PARAMETERS_MOST):
        name, quoted, plain = found.groups()
        kept.append((name.lower(), unquote(quoted) if quoted else _plain(plain or b"")))
    return tuple(kept)


def _plain(value: bytes) -> bytes:
    """An unquoted value: spaces in it are taken as meant, a comment after it is not (`us-ascii (Plain text)`)."""
    value = value.replace(b"\r", b"").replace(b"\n", b"").strip()
    if value.endswith(b")"):
        opening = value.rfind(b"(")
        if opening > 0 and value[opening - 1 : opening].isspace():
            value = value[:opening].rstrip()
    return value
