"""Every sentence of POP3 has its Indonesian one."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from appliance.mail.reason import WORDINGS
from appliance.pop3.words import INDONESIAN, INDONESIAN_REFUSALS

ROOM = Path(__file__).parents[2] / "appliance/pop3"


def places(sentence: str) -> set[str]:
    return set(re.findall(r"{(\w+)}", sentence))


def said() -> tuple[set[str], set[str]]:
    """(the sentences, the ids of the reasons) in the code of machine and session."""
    sentences, reasons = set(), set()
    for name in ("machine.py", "session.py"):
        for node in ast.walk(ast.parse((ROOM / name).read_text())):
            if not isinstance(node, ast.Call) or not node.args:
                continue
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            texts = {
                c.value for c in ast.walk(node.args[0]) if isinstance(c, ast.Constant) and isinstance(c.value, str)
            }
            if called == "because":
                reasons |= texts
            elif called == "ok" and isinstance(node.func, ast.Attribute):
                sentences |= texts
    return sentences, reasons


def test_nothing_is_forgotten() -> None:
    sentences, reasons = said()
    assert len(sentences) > 5 and len(reasons) > 10
    assert sentences <= set(INDONESIAN)
    assert reasons <= set(INDONESIAN_REFUSALS)


def test_both_have_the_same_places_to_fill_in() -> None:
    for english, indonesian in INDONESIAN.items():
        assert places(indonesian) == places(english), english
    for id, indonesian in INDONESIAN_REFUSALS.items():
        assert places(indonesian) <= places(WORDINGS[id].peer), id
