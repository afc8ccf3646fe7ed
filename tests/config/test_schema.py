"""The schema and the words for it are one list of keys."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from appliance.config.schema import ALLOWED, SECTIONS, Config


def _keys(struct: type[msgspec.Struct], above: str = "") -> Iterator[tuple[str, bool]]:
    """(dotted key, whether it is a section), all the way down."""
    for field in msgspec.inspect.type_info(struct).fields:  # type: ignore[attr-defined]
        key = f"{above}{field.encode_name}"
        kinds = getattr(field.type, "types", (field.type,))
        section = next((kind.cls for kind in kinds if isinstance(kind, msgspec.inspect.StructType)), None)
        yield key, section is not None
        if section is not None:
            yield from _keys(section, f"{key}.")


def test_every_key_is_explained_and_every_explanation_has_its_key() -> None:
    assert sorted(key for key, _ in _keys(Config)) == sorted(ALLOWED)


def test_the_sections_are_those_of_the_schema() -> None:
    assert {key for key, section in _keys(Config) if section} == SECTIONS


def test_the_contract_names_these_keys() -> None:
    """Other programs and the owners' scripts build on them."""
    listeners = {"address", "smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s", "managesieve", "web"}
    relay = {"host", "port", "tls", "username", "password_file", "cafile"}
    top = {"hostname", "domains", "listen", "resolver", "outbound", "tls", "limits", "leds", "backup", "locale"}
    assert {key for key in ALLOWED if "." not in key} == top
    assert {key.removeprefix("listen.") for key in ALLOWED if key.startswith("listen.")} == listeners
    assert {key.rsplit(".", 1)[1] for key in ALLOWED if key.startswith("outbound.smarthost.")} == relay
    assert {"outbound.mode", "outbound.mx_port"} <= set(ALLOWED)
