"""Reads and checks merpati.yaml. A fault names the file, the line, the key, what was found and what is allowed."""

from __future__ import annotations

import contextlib
import io
import ipaddress
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import MarkedYAMLError

from ..mail.address import AddressFault, parse_domain
from .schema import ALLOWED, SECTIONS, Config

FILE_NAME = "merpati.yaml"


class ConfigFault(Exception):
    """str() is one sentence for the owner."""


def load(path: Path) -> Config:
    """The checked configuration; an absent or empty file is a configuration without any key. Raises ConfigFault."""
    try:
        return parse(read_text(path), str(path))
    except FileNotFoundError:
        return parse("", str(path))


def read_text(path: Path) -> str:
    """The file as text. Raises FileNotFoundError, or ConfigFault when it cannot be read."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise
    except UnicodeDecodeError as fault:
        line = fault.object[: fault.start].count(b"\n") + 1
        raise ConfigFault(f"{path}, line {line}: this is not UTF-8 text") from None
    except OSError as fault:
        raise ConfigFault(f"{path}: cannot be read: {fault.strerror}") from None


def parse(text: str, name: str = FILE_NAME) -> Config:
    return check(read_document(text, name), name)


def read_document(text: str, name: str) -> Any:
    """YAML with its comments and line numbers, not checked yet. Raises ConfigFault."""
    try:
        return round_trip().load(io.StringIO(text))
    except MarkedYAMLError as fault:
        line = fault.problem_mark.line + 1 if fault.problem_mark else 1
        raise ConfigFault(f"{name}, line {line}: this is not YAML: {fault.problem}") from None
    except Exception as fault:  # the parser lets out whatever it stumbles over: `!!int x`, `!!int`, too deep a nest
        first_line = str(fault).partition("\n")[0]
        raise ConfigFault(f"{name}: this is not YAML: {first_line}") from None


def check(document: Any, name: str) -> Config:
    """Types, then what types cannot say. Names of hosts and domains come out in lower-case A-labels."""
    if document is None:
        document = CommentedMap()
    if not isinstance(document, CommentedMap):
        raise ConfigFault(f"{name}, line 1: keys such as hostname and domains are expected here")
    try:
        config = msgspec.convert(_without_empty_sections(_plain(document)), Config, strict=True)
    except msgspec.ValidationError as fault:
        raise _explain(document, name, str(fault)) from None
    except RecursionError:
        raise ConfigFault(f"{name}: a value contains itself") from None
    for key, sentence in _beyond_types(config):
        raise _fault(document, name, key, sentence)
    return msgspec.structs.replace(
        config,
        hostname=parse_domain(config.hostname) if config.hostname is not None else None,
        domains=tuple(parse_domain(domain) for domain in config.domains),
    )


def round_trip() -> YAML:
    yaml = YAML(typ="rt", pure=True)
    yaml.preserve_quotes = True
    yaml.width = 4096  # a long value stays on its line
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _beyond_types(config: Config) -> Iterator[tuple[str, str | None]]:
    """(key, sentence or None for the usual one) of each value that is of the right type and yet impossible."""
    for key, names in (
        ("hostname", [config.hostname] if config.hostname is not None else []),
        ("domains", config.domains),
    ):
        for each in names:
            with _as_fault() as wrong:
                if parse_domain(each).startswith("[") or "." not in each:
                    wrong.append(each)
            if wrong:
                yield key, None
    if len({parse_domain(domain) for domain in config.domains}) != len(config.domains):
        yield "domains", "a domain is named twice"
    with _as_fault() as wrong:
        ipaddress.ip_address(config.listen.address)
    if wrong:
        yield "listen.address", None
    taken: dict[int, str] = {}
    for name in config.listen.__struct_fields__:
        port = getattr(config.listen, name)
        if isinstance(port, int) and port and taken.setdefault(port, name) != name:
            yield f"listen.{name}", f"found {port}, which is the port of {taken[port]} already"
    if _bad_resolver(config):
        yield "resolver", None
    if config.outbound.mode == "smarthost" and config.outbound.smarthost is None:
        yield "outbound.mode", "it is smarthost, but outbound.smarthost does not say which"
    if (config.tls.certificate is None) != (config.tls.key is None):
        yield "tls", "a certificate and its key belong together: give both or none"
    with _as_fault() as wrong:
        ZoneInfo(config.locale.timezone)
    if wrong:
        yield "locale.timezone", None


def _bad_resolver(config: Config) -> bool:
    with _as_fault() as wrong:
        endpoint = config.resolver_endpoint
        if endpoint is not None:
            ipaddress.ip_address(endpoint[0])
            if not 0 < endpoint[1] < 65536:
                wrong.append(endpoint)
    return bool(wrong)


@contextlib.contextmanager
def _as_fault() -> Iterator[list[object]]:
    wrong: list[object] = []
    try:
        yield wrong
    except (ValueError, AddressFault, KeyError, OSError) as fault:
        wrong.append(fault)


def _explain(document: CommentedMap, name: str, fault: str) -> ConfigFault:
    """msgspec says `… - at `$.listen.smtp``; for an unknown key it names the section it stands in."""
    at = re.search(r"at `\$\.?([^`]*)`$", fault)
    key = re.sub(r"\[(\d+|\.\.\.)\]", "", at.group(1)) if at else ""
    unknown = re.search(r"unknown field `([^`]+)`", fault)
    if unknown:
        key = f"{key}.{unknown.group(1)}".strip(".")
        section, _, _ = key.rpartition(".")
        known = sorted(
            k.removeprefix(section + "." if section else "") for k in ALLOWED if k.rpartition(".")[0] == section
        )
        return ConfigFault(
            f"{name}, line {_line(document, key)}: there is no key {key}; allowed here are {', '.join(known) or 'none yet'}"
        )
    missing = re.search(r"missing required field `([^`]+)`", fault)
    if missing:
        return ConfigFault(f"{name}, line {_line(document, key)}: {key} lacks the key {missing.group(1)}")
    return _fault(document, name, key, None)


def _fault(document: CommentedMap, name: str, key: str, sentence: str | None) -> ConfigFault:
    if sentence is None:
        sentence = f"found {_found(document, key)}; allowed is {ALLOWED.get(key, 'something else')}"
    return ConfigFault(f"{name}, line {_line(document, key)}: {key}: {sentence}")


def _line(document: CommentedMap, key: str) -> int:
    """The line, counted from 1, of the innermost level of `key` that exists."""
    line, node = 1, document
    for level in key.split("."):
        if not isinstance(node, CommentedMap) or level not in node:
            break
        line = node.lc.key(level)[0] + 1
        node = node[level]
    return int(line)


def _found(document: CommentedMap, key: str) -> str:
    node: Any = document
    for level in key.split("."):
        node = node.get(level) if isinstance(node, CommentedMap) else None
    return repr(_plain(node)) if node is not None else "nothing"


def _without_empty_sections(values: dict[str, Any]) -> dict[str, Any]:
    """A section all of whose keys are commented out is a section of defaults."""
    return {key: value for key, value in values.items() if value is not None or key not in SECTIONS}


def _plain(node: Any) -> Any:
    """Ruamel's types as Python's own; numbers and words as YAML 1.2 reads them."""
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    if isinstance(node, bool) or node is None:
        return node
    for kind in (int, float, str):
        if isinstance(node, kind):
            return kind(node)
    return str(node)
