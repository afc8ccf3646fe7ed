"""Changes keys of merpati.yaml: comments and order stay, the whole is checked first, the file is replaced at once."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from .load import ConfigFault, check, read_document, read_text, round_trip
from .schema import ALLOWED, Config

_FIRST_LINES = (
    "# Merpati's settings. `merpati config set KEY VALUE` changes them and checks them first;\n"
    "# docs/configuration.md lists every key.\n"
)


def edit(path: Path, values: Mapping[str, Any]) -> Config:
    """Sets dotted keys; a value of None removes the key. Returns the configuration as it now is. Raises ConfigFault and
    leaves the file alone when the result would not be valid. Two processes may edit at once: they take turns.
    Durability: durable."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _folder_of(path) as folder:
        fcntl.flock(folder, fcntl.LOCK_EX)
        try:
            text = read_text(path)
        except FileNotFoundError:
            text = _FIRST_LINES
        document = read_document(text, str(path))
        check(document, str(path))
        out = io.StringIO()
        if document is None:
            document = CommentedMap()
            out.write(
                "".join(line for line in text.splitlines(True) if line.lstrip().startswith("#") or not line.strip())
            )
        for key, value in values.items():
            _set(document, key, value)
        if document:
            round_trip().dump(document, out)
        config = check(read_document(out.getvalue(), str(path)), str(path))
        _replace(path, out.getvalue(), folder)
    return config


def get(config: Config, key: str) -> Any:
    """The value of a dotted key, defaults included. Raises ConfigFault for a key that there is not."""
    _known(key)
    value: Any = msgspec.to_builtins(config)
    for level in key.split("."):
        value = value.get(level) if isinstance(value, dict) else None
    return value


def parse_value(text: str) -> Any:
    """What somebody typed after `config set KEY`, read as YAML would."""
    try:
        return YAML(typ="safe", pure=True).load(io.StringIO(text))
    except Exception:  # whatever the parser stumbles over is a word
        return text


def render_value(value: Any) -> str:
    if isinstance(value, (dict, list, tuple)):
        return msgspec.json.encode(value).decode()
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _known(key: str) -> None:
    if key not in ALLOWED:
        raise ConfigFault(f"there is no key {key}; the keys are {', '.join(ALLOWED)}")


def _set(document: CommentedMap, key: str, value: Any) -> None:
    _known(key)
    *levels, last = key.split(".")
    node = document
    for level in levels:
        if not isinstance(node.get(level), CommentedMap):
            node[level] = CommentedMap()
        node = node[level]
    if value is None:
        node.pop(last, None)
    else:
        node[last] = list(value) if isinstance(value, tuple) else value


def _replace(path: Path, text: str, folder: int) -> None:
    """Write, sync, rename, sync the folder: after a power cut there is the old file or the new one."""
    new = path.with_name(path.name + ".new")
    with open(new, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
    os.fsync(folder)


@contextlib.contextmanager
def _folder_of(path: Path) -> Iterator[int]:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield folder
    finally:
        os.close(folder)
