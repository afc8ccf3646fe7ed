"""Changes keys of merpati.yaml: comments and order stay, the whole is checked first, the file is replaced at once."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.error import YAMLError

from .load import ConfigFault, check, parse, round_trip
from .schema import ALLOWED, Config

_FIRST_LINES = (
    "# Merpati's settings. `merpati config set KEY VALUE` changes them and checks them first;\n"
    "# docs/configuration.md lists every key.\n"
)


def edit(path: Path, values: Mapping[str, Any]) -> Config:
    """Sets dotted keys; a value of None removes the key. Returns the configuration as it now is. Raises ConfigFault and
    leaves the file alone when the result would not be valid. Durability: durable."""
    text = path.read_text() if path.exists() else _FIRST_LINES
    parse(text, str(path))
    document = round_trip().load(io.StringIO(text))
    if document is None:
        document = CommentedMap()
    for key, value in values.items():
        _set(document, key, value)
    out = io.StringIO()
    if document:
        round_trip().dump(document, out)
    new = out.getvalue()
    if text.startswith("#") and not new.startswith("#"):  # a file of comments alone has no key to keep them by
        new = "".join(line for line in text.splitlines(True) if line.startswith("#")) + new
    config = check(round_trip().load(io.StringIO(new)), str(path))
    _replace(path, new)
    return config


def get(config: Config, key: str) -> Any:
    """The value of a dotted key, defaults included. Raises ConfigFault for a key that there is not."""
    if key not in ALLOWED:
        raise ConfigFault(f"there is no key {key}; the keys are {', '.join(ALLOWED)}")
    value: Any = msgspec.to_builtins(config)
    for level in key.split("."):
        value = value.get(level) if isinstance(value, dict) else None
    return value


def parse_value(text: str) -> Any:
    """What somebody typed after `config set KEY`, read as YAML would."""
    try:
        return YAML(typ="safe", pure=True).load(io.StringIO(text))
    except YAMLError:
        return text


def render_value(value: Any) -> str:
    if isinstance(value, (dict, list, tuple)):
        return msgspec.json.encode(value).decode()
    return {None: "", True: "true", False: "false"}.get(value, str(value))


def _set(document: CommentedMap, key: str, value: Any) -> None:
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


def _replace(path: Path, text: str) -> None:
    """Write, sync, rename, sync the folder: after a power cut there is the old file or the new one."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    with open(new, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
