"""The documents tell what there is: every key, every command, every room; and the examples in them are valid."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from appliance.cli.root import merpati
from appliance.config.load import parse
from appliance.config.schema import ALLOWED

ROOT = Path(__file__).parents[2]


def text(name: str) -> str:
    return (ROOT / name).read_text()


@pytest.mark.parametrize("key", [key for key, allowed in ALLOWED.items() if not allowed.startswith("a section")])
def test_every_key_is_in_the_configuration_document(key: str) -> None:
    assert f"| `{key}` | {ALLOWED[key]} |" in text("docs/configuration.md")


def test_the_example_configuration_is_valid() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", text("docs/configuration.md"), re.DOTALL)
    assert parse(example).is_set_up


def commands(group: click.Command, path: str = "merpati") -> list[str]:
    if not isinstance(group, click.Group):
        return [path]
    context = click.Context(group)
    found = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found += commands(command, f"{path} {name}")
    return found


@pytest.mark.parametrize("command", commands(merpati))
def test_every_command_is_in_the_command_document(command: str) -> None:
    assert f"`{command}" in text("docs/commands.md")


def test_every_room_is_on_the_map() -> None:
    rooms = sorted(path.parent.name for path in (ROOT / "appliance").glob("*/__init__.py"))
    table = text("docs/architecture.md")
    assert [room for room in rooms if f"`{room}/`" not in table and f"`appliance/{room}/`" not in table] == []


def test_every_decision_says_how_it_would_be_noticed_to_be_wrong() -> None:
    for path in (ROOT / "docs" / "decisions").glob("*.md"):
        assert "notice that it was wrong" in path.read_text(), path.name


@pytest.mark.parametrize(
    "document", [*sorted(ROOT.glob("docs/**/*.md")), ROOT / "README.md"], ids=lambda path: path.name
)
def test_files_that_are_named_exist(document: Path) -> None:
    named = re.findall(
        r"`((?:appliance|web|docs|bench|tests|systemd|firmware-config|image)/[\w/.-]+)`", document.read_text()
    )
    assert [name for name in named if not (ROOT / name).exists()] == []
