"""The units are what systemd accepts, fit the program that they start, and give it no more than it needs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from appliance.cli.root import _COMMANDS
from appliance.config.load import FILE_NAME
from appliance.config.schema import ListenConfig
from appliance.leds.pins import CHIPS
from appliance.services.places import APPLIANCE_HOME, find_places

FOLDER = Path(__file__).parents[2] / "systemd"
UNITS = sorted(p for p in FOLDER.iterdir() if p.suffix in (".service", ".socket", ".target"))
SERVICES = [p for p in UNITS if p.suffix == ".service"]
SOCKETS = [p for p in UNITS if p.suffix == ".socket"]
STANDARD_PORTS = {  # IANA's
    "smtp": 25,
    "submission": 587,
    "submissions": 465,
    "imap": 143,
    "imaps": 993,
    "pop3": 110,
    "pop3s": 995,
    "web": 80,
}
EXPOSURE_MOST = {"merpati-mail.service": 1.5, "merpati-web.service": 1.5, "merpati-leds.service": 1.0}

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed (Debian package systemd)"
)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="making users and folders in a scratch root needs root")


def keys(unit: Path) -> dict[str, list[str]]:
    """`Section.Key` → values in order."""
    found: dict[str, list[str]] = {}
    section = ""
    for line in unit.read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            key, equals, value = line.partition("=")
            assert equals, f"{unit.name}: {line}"
            found.setdefault(f"{section}.{key}", []).append(value)
    return found


def one(unit: Path, key: str) -> str:
    (value,) = keys(unit)[key]
    return value


@pytest.fixture(scope="session")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The units in a folder of their own, with a program that is really there in place of ours."""
    folder = tmp_path_factory.mktemp("units")
    for unit in UNITS:
        (folder / unit.name).write_text(unit.read_text().replace("/usr/bin/merpati", "/bin/true"))
    return folder


@needs_systemd
def test_systemd_has_nothing_to_say_about_any_unit(scratch: Path) -> None:
    run = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(scratch / u.name) for u in UNITS)],
        capture_output=True,
        text=True,
        timeout=60,
        env=os.environ | {"SYSTEMD_UNIT_PATH": f"{scratch}:", "SYSTEMD_LOG_LEVEL": "warning"},
    )
    # What systemd says about units of this machine is not ours.
    ours = [line for line in run.stderr.splitlines() if "merpati" in line]
    assert (run.returncode, ours) == (0, []), run.stderr


@needs_systemd
@pytest.mark.parametrize("name", EXPOSURE_MOST)
def test_a_service_can_do_little_more_than_its_job(scratch: Path, name: str) -> None:
    run = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(scratch / name)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", run.stdout)
    assert found, run.stdout + run.stderr
    assert float(found[1]) <= EXPOSURE_MOST[name]
    assert "Invalid" not in run.stderr


def test_every_port_of_the_configuration_has_a_socket_and_no_other() -> None:
    configured = {name for name in ListenConfig.__struct_fields__ if name not in ("address", "managesieve")}
    assert configured == set(STANDARD_PORTS)
    assert {one(s, "Socket.FileDescriptorName"): int(one(s, "Socket.ListenStream")) for s in SOCKETS} == STANDARD_PORTS
    assert all(s.name == f"merpati-{one(s, 'Socket.FileDescriptorName')}.socket" for s in SOCKETS)


@pytest.mark.parametrize("unit", SOCKETS, ids=lambda p: p.name)
def test_a_socket_and_its_service_name_each_other(unit: Path) -> None:
    service = FOLDER / one(unit, "Socket.Service")
    assert unit.name in one(service, "Service.Sockets").split()


@pytest.mark.parametrize("unit", SERVICES, ids=lambda p: p.name)
def test_a_service_starts_a_command_that_there_is(unit: Path) -> None:
    program, *arguments = one(unit, "Service.ExecStart").split()
    assert program == "/usr/bin/merpati"
    assert arguments[-1] in _COMMANDS
    assert unit.name == f"merpati-{arguments[-1]}.service"


@pytest.mark.parametrize("unit", SERVICES, ids=lambda p: p.name)
def test_a_service_is_ready_when_it_says_so_and_comes_back_when_it_ends(unit: Path) -> None:
    assert one(unit, "Service.Type") == "notify"
    assert one(unit, "Service.Restart") == "always"
    assert one(unit, "Unit.StartLimitIntervalSec") == "0"


def test_the_mail_has_its_ten_seconds_to_stop() -> None:
    assert int(one(FOLDER / "merpati-mail.service", "Service.TimeoutStopSec")) > 10


@pytest.mark.parametrize("name", ["merpati-mail.service", "merpati-web.service"])
def test_data_and_runtime_folder_are_where_the_program_looks(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    unit = FOLDER / name
    assert f"MERPATI_HOME={APPLIANCE_HOME}" in keys(unit)["Service.Environment"]
    assert Path("/var/lib") / one(unit, "Service.StateDirectory") == APPLIANCE_HOME
    monkeypatch.setenv("RUNTIME_DIRECTORY", f"/run/{one(unit, 'Service.RuntimeDirectory')}")
    leds = dict(v.split("=", 1) for v in keys(FOLDER / "merpati-leds.service")["Service.Environment"])
    assert find_places(str(APPLIANCE_HOME)).runtime == Path(leds["RUNTIME_DIRECTORY"])


def test_the_leds_are_given_the_configuration_and_nothing_else_of_the_data_folder() -> None:
    unit = FOLDER / "merpati-leds.service"
    name, _, path = one(unit, "Service.LoadCredential").partition(":")
    assert (name, Path(path)) == (FILE_NAME, APPLIANCE_HOME / FILE_NAME)
    assert one(unit, "Service.SetCredential").startswith(f"{FILE_NAME}:#")  # a comment: no key is set
    assert one(unit, "Service.ExecStart").split()[1:3] == ["--home", "%d"]
    assert one(unit, "Service.RestrictAddressFamilies") == "AF_UNIX"
    assert one(unit, "Unit.ConditionPathExistsGlob") == CHIPS


@pytest.mark.parametrize("unit", SERVICES, ids=lambda p: p.name)
def test_no_service_is_root_or_can_become_it(unit: Path) -> None:
    users = {line.split()[1] for line in sysusers() if line.startswith("u ")}
    assert one(unit, "Service.User") in users
    assert one(unit, "Service.CapabilityBoundingSet") == one(unit, "Service.AmbientCapabilities") == ""
    assert one(unit, "Service.NoNewPrivileges") == "yes"


@pytest.mark.parametrize("unit", UNITS, ids=lambda p: p.name)
def test_every_unit_is_enabled_with_the_target(unit: Path) -> None:
    wanted = "multi-user.target" if unit.suffix == ".target" else "merpati.target"
    assert one(unit, "Install.WantedBy") == wanted


def test_everything_here_is_told_in_the_readme() -> None:
    readme = (FOLDER / "README.md").read_text()
    told = [p for p in FOLDER.rglob("*") if p.is_file() and p.name != "README.md" and p.suffix != ".socket"]
    assert [p.name for p in told if str(p.relative_to(FOLDER)) not in readme] == []


def sysusers() -> list[str]:
    return (FOLDER / "sysusers.d" / "merpati.conf").read_text().splitlines()


def test_groups_that_the_units_name_are_made() -> None:
    made = {line.split()[1] for line in sysusers() if line[:2] in ("u ", "g ")}
    (supplementary,) = keys(FOLDER / "merpati-leds.service")["Service.SupplementaryGroups"]
    assert set(supplementary.split()) <= made
    assert 'GROUP="gpio"' in (FOLDER / "udev" / "60-merpati-gpio.rules").read_text()


@needs_systemd
@needs_root
def test_users_and_the_data_folder_are_made_as_said(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    for command, folder in (("systemd-sysusers", "sysusers.d"), ("systemd-tmpfiles", "tmpfiles.d")):
        create = ["--create"] if command == "systemd-tmpfiles" else []
        subprocess.run(
            [command, *create, f"--root={tmp_path}", str(FOLDER / folder / "merpati.conf")], check=True, timeout=60
        )
    users = {line.split(":")[0]: line.split(":") for line in (tmp_path / "etc/passwd").read_text().splitlines()}
    groups = {line.split(":")[0]: line.split(":")[3] for line in (tmp_path / "etc/group").read_text().splitlines()}
    assert "nologin" in users["merpati"][6] and users["merpati"][5] == str(APPLIANCE_HOME)
    assert (groups["gpio"], groups["merpati"]) == ("merpati-leds", "merpati-leds")
    made = (tmp_path / "var/lib/merpati").stat()
    assert (made.st_mode & 0o777, str(made.st_uid)) == (0o700, users["merpati"][2])
