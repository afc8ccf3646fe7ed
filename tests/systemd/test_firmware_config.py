"""The firmware settings are ones that the firmware knows, said once, with a reason, and where Debian takes them from."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from appliance.leds.settings import LedSettings

FOLDER = Path(__file__).parents[2] / "firmware-config"
KNOWN = {  # from Raspberry Pi's documentation of config.txt: key → what its value looks like
    "enable_uart": r"[01]",
    "gpu_mem": r"\d{2,3}",
    "disable_splash": r"[01]",
    "gpio": r"\d+=op,d[hl]",
}
WRITTEN_BY_THE_PACKAGE = {"arm_64bit": "1", "enable_uart": "1", "upstream_kernel": "1"}
LINE_MOST = 98  # the firmware reads no more of a line


def settings() -> list[tuple[str, str, str]]:
    """(key, value, the comment before it)."""
    found, comment = [], ""
    for line in (FOLDER / "config.txt").read_text().splitlines():
        if line.startswith("#"):
            comment += line.lstrip("# ") + " "
            continue
        if line:
            key, equals, value = line.partition("=")
            assert equals and key == key.strip() and value == value.strip(), line
            found.append((key, value, comment))
        comment = ""
    return found


def test_each_setting_is_known_and_its_value_possible() -> None:
    assert settings()
    for key, value, _ in settings():
        assert key in KNOWN, key
        assert re.fullmatch(KNOWN[key], value), (key, value)


def test_each_setting_is_said_once_and_has_its_reason() -> None:
    keys = [key for key, _, _ in settings()]
    assert len(keys) == len(set(keys))
    assert all(len(comment) > 30 for _, _, comment in settings())


def test_what_the_package_writes_is_only_said_again_to_change_it_and_that_is_said() -> None:
    for key, value, comment in settings():
        if key in WRITTEN_BY_THE_PACKAGE:
            assert value != WRITTEN_BY_THE_PACKAGE[key]
            assert f"{key}={WRITTEN_BY_THE_PACKAGE[key]}" in comment


def test_no_setting_is_cut_off() -> None:
    lines = (FOLDER / "config.txt").read_text().splitlines()
    assert all(len(line) <= LINE_MOST for line in lines if not line.startswith("#"))


def test_the_lamp_lit_by_the_firmware_is_the_power_led() -> None:
    (gpio,) = [value for key, value, _ in settings() if key == "gpio"]
    assert gpio == f"{LedSettings('').power}=op,dh"


def test_the_kernels_arguments_are_one_line_and_each_has_its_reason() -> None:
    text = (FOLDER / "cmdline.txt").read_text()
    assert text.count("\n") == 1 and text.endswith("\n") and "#" not in text
    arguments = text.split()
    names = [argument.partition("=")[0] for argument in arguments]
    assert len(names) == len(set(names))
    # The package says these itself; a second one would contradict it.
    assert not {"root", "console", "rootwait", "cma", "rw", "ro"} & set(names)
    readme = (FOLDER / "README.md").read_text()
    assert [a for a in arguments if f"| `{a}` |" not in readme] == []


def test_the_package_reads_what_is_meant() -> None:
    run = subprocess.run(
        ["sh", "-ec", '. "$0"; echo "$ROOTPART $CMA $CONSOLES"', str(FOLDER / "raspi-firmware")],
        capture_output=True,
        text=True,
        check=True,
        timeout=10,
    )
    assert run.stdout == "LABEL=merpati-root 0 tty0\n"


def test_every_file_is_told_in_the_readme() -> None:
    readme = (FOLDER / "README.md").read_text()
    assert [p.name for p in FOLDER.iterdir() if p.name != "README.md" and f"| `{p.name}` |" not in readme] == []
