"""From a person's answers to a working server; over again after any interruption, and never twice."""

from __future__ import annotations

import dataclasses
import os
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from argon2 import PasswordHasher

from appliance.accounts import passwords
from appliance.accounts.accounts import Accounts, SignedInAccount
from appliance.config import load
from appliance.setup import set_up as room
from appliance.setup.set_up import Answers, SetupFault, Smarthost, hash_for_later, set_up, write_secret
from appliance.store.interface import Store
from appliance.tls.contexts import ServerContext
from appliance.transport import sign
from tests.support.stores import open_store

ADMIN, PASSWORD, OTHER = "administrator staple", "correct horse battery", "another long sentence"
ANSWERS = Answers(
    hostname="MX.Example.org.",
    domain=" example.org ",
    outbound="direct",
    admin_password=ADMIN,
    first_address="Bob@example.org",
    first_password=PASSWORD,
    first_name="Bob",
)


_KEYS: dict[str, tuple[sign.DkimKey, sign.DkimKey]] = {}


@pytest.fixture(autouse=True)
def quick_keys_and_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """An RSA key takes most of a second, so one of each domain does for all tests; hashes cost next to nothing."""
    monkeypatch.setattr(passwords, "_hasher", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
    generate = sign.generate_keys

    def once(domain: str) -> tuple[sign.DkimKey, sign.DkimKey]:
        if domain not in _KEYS:
            _KEYS[domain] = generate(domain)
        return _KEYS[domain]

    monkeypatch.setattr(sign, "generate_keys", once)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def store(home: Path) -> Iterator[Store]:
    with open_store(home) as store:
        yield store


def answers(**changed: object) -> Answers:
    return dataclasses.replace(ANSWERS, **changed)  # type: ignore[arg-type]


def works(home: Path, store: Store, *, user: str = "bob", password: str = PASSWORD) -> None:
    """Everything that a set-up server needs is there and fits together."""
    config = load(home / "merpati.yaml")
    assert config.is_set_up
    assert (config.hostname, config.domains) == ("mx.example.org", ("example.org",))
    ServerContext(home / "keys" / "tls" / "self-signed.crt", home / "keys" / "tls" / "self-signed.key")()
    assert len(sign.load_keys(home / "keys" / "dkim", "example.org")) == 2
    accounts = Accounts(store, config.domains)
    try:
        assert accounts.administrator_sign_in_now(ADMIN, ip="127.0.0.1") is None
        signed_in = accounts.sign_in_now(user, password, protocol="imap", ip="127.0.0.1")
        assert isinstance(signed_in, SignedInAccount)
        names = {alias.address: alias.targets for alias in accounts.list_aliases()}
        for role in ("postmaster", "abuse"):
            if role != user:
                assert names[f"{role}@example.org"][0].lower() == f"{user}@example.org"
    finally:
        accounts.close()


def test_the_answers_make_a_working_server(home: Path, store: Store) -> None:
    config = set_up(home, store, ANSWERS)
    assert config == load(home / "merpati.yaml")
    assert config.outbound.mode == "direct"
    works(home, store)
    (account,) = Accounts(store, ("example.org",)).all()
    assert (account.address, account.display_name) == ("bob@example.org", "Bob")


def test_what_is_secret_is_for_our_user_alone(home: Path, store: Store) -> None:
    relay = Smarthost("relay.example", 587, "starttls", "bob", "päss word")
    set_up(home, store, answers(outbound="smarthost", smarthost=relay))
    for path in home.rglob("*"):
        if path.name not in ("merpati.yaml", "self-signed.crt"):
            assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0 or path.parent.stat().st_mode & 0o077 == 0, path
    secret = home / "keys" / "smarthost-password"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert secret.read_text(encoding="utf-8") == "päss word"
    for key in [*(home / "keys").rglob("*.pem"), *(home / "keys").rglob("*.key")]:
        assert stat.S_IMODE(key.stat().st_mode) == 0o600, key
    text = (home / "merpati.yaml").read_text()
    assert "päss" not in text and PASSWORD not in text and ADMIN not in text
    found = load(home / "merpati.yaml").outbound.smarthost
    assert found is not None
    assert (found.host, found.port, found.tls, found.username) == ("relay.example", 587, "starttls", "bob")
    assert found.password_file == "keys/smarthost-password"


def test_a_secret_replaces_one_that_anybody_could_read(tmp_path: Path) -> None:
    for name in ("secret", "secret.new"):
        (tmp_path / name).write_text("old")
        (tmp_path / name).chmod(0o644)
    write_secret(tmp_path / "secret", "new")
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600
    assert (tmp_path / "secret").read_text() == "new"


def test_a_password_that_the_wizard_did_not_keep_works_by_its_hash(home: Path, store: Store) -> None:
    set_up(home, store, answers(admin_password=None, admin_password_hash=hash_for_later(ADMIN)))
    works(home, store)
    with pytest.raises(SetupFault) as fault:
        hash_for_later("short")
    assert fault.value.reason.id == "password-short"


def test_a_first_account_is_not_needed(home: Path, store: Store) -> None:
    assert set_up(home, store, answers(first_address=None, first_password=None)).is_set_up
    assert Accounts(store, ("example.org",)).all() == []


def test_where_to_listen_and_whom_to_ask_is_kept(home: Path, store: Store) -> None:
    config = set_up(home, store, answers(listen_address="0.0.0.0", resolver="127.0.0.1:5353"))
    assert (config.listen.address, config.resolver) == ("0.0.0.0", "127.0.0.1:5353")


def test_a_file_with_ports_of_the_owners_keeps_them(home: Path, store: Store) -> None:
    (home / "merpati.yaml").write_text("# mine\nlisten:\n  smtp: 25  # really\n")
    assert set_up(home, store, ANSWERS).listen.smtp == 25
    assert (home / "merpati.yaml").read_text().startswith("# mine\nlisten:\n  smtp: 25  # really\n")


def test_a_domain_in_another_alphabet(home: Path, store: Store) -> None:
    config = set_up(home, store, answers(domain="Münster.example", first_address="zoë@münster.example"))
    assert config.domains == ("xn--mnster-3ya.example",)
    assert [a.address for a in Accounts(store, config.domains).all()] == ["zoë@xn--mnster-3ya.example"]


# ---- never twice


def test_what_is_set_up_is_not_set_up_again(home: Path, store: Store) -> None:
    """Nobody who reaches the wizard later can take the server over."""
    set_up(home, store, ANSWERS)
    before = (home / "merpati.yaml").read_bytes()
    with pytest.raises(SetupFault) as fault:
        set_up(home, store, answers(hostname="evil.example", admin_password=OTHER, first_password=OTHER))
    assert fault.value.reason.id == "set-up-already"
    assert (home / "merpati.yaml").read_bytes() == before
    works(home, store)


def test_two_at_once_have_one_winner(home: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second waits for the first, and finds it done."""
    begun, release = threading.Event(), threading.Event()
    ensure = room.ensure_certificate

    def slow(folder: Path, hostname: str) -> tuple[Path, Path]:
        begun.set()
        assert release.wait(20)
        return ensure(folder, hostname)

    monkeypatch.setattr(room, "ensure_certificate", slow)
    results: list[str] = []

    def attempt(given: Answers) -> None:
        try:
            set_up(home, store, given)
            results.append("done")
        except SetupFault as fault:
            results.append(fault.reason.id)

    first = threading.Thread(target=attempt, args=(ANSWERS,))
    first.start()
    assert begun.wait(20)
    second = threading.Thread(target=attempt, args=(answers(admin_password=OTHER, first_password=OTHER),))
    second.start()
    release.set()
    first.join(30)
    second.join(30)
    assert sorted(results) == ["done", "set-up-already"]
    works(home, store)


# ---- refusals

REFUSED = [
    ("a host name without a dot", {"hostname": "localhost"}, "not-a-domain"),
    ("a host name that is an address", {"hostname": "[192.0.2.1]"}, "not-a-domain"),
    ("a domain that is none", {"domain": "exa mple.org"}, "not-a-domain"),
    ("no domain", {"domain": ""}, "not-a-domain"),
    ("a short administrator's password", {"admin_password": "short"}, "password-short"),
    ("a short password", {"first_password": "short"}, "password-short"),
    ("a first address that is none", {"first_address": "bob"}, "not-an-address"),
    ("a first address elsewhere", {"first_address": "bob@elsewhere.example"}, "not-our-domain"),
    ("a smarthost without its name", {"outbound": "smarthost"}, "configuration"),
    ("a resolver that is none", {"resolver": "dns.example"}, "configuration"),
    ("a listen address that is none", {"listen_address": "everywhere"}, "configuration"),
    ("a port that is none", {"outbound": "smarthost", "smarthost": Smarthost("relay.example", 0)}, "configuration"),
]


@pytest.mark.parametrize(("changed", "reason"), [r[1:] for r in REFUSED], ids=[r[0] for r in REFUSED])
def test_what_cannot_be_is_refused_and_can_be_put_right(
    home: Path, store: Store, changed: dict[str, object], reason: str
) -> None:
    with pytest.raises(SetupFault) as fault:
        set_up(home, store, answers(**changed))
    assert fault.value.reason.id == reason
    assert str(fault.value) == fault.value.reason.for_owner
    assert not load(home / "merpati.yaml").is_set_up
    set_up(home, store, ANSWERS)
    works(home, store)


def test_a_damaged_file_is_told_and_not_written_over(home: Path, store: Store) -> None:
    (home / "merpati.yaml").write_text("hostname: [\n")
    with pytest.raises(SetupFault, match="this is not YAML"):
        set_up(home, store, ANSWERS)
    assert (home / "merpati.yaml").read_text() == "hostname: [\n"


# ---- interrupted at each step, and done over again


class PowerCut(BaseException):
    """Nothing catches it."""


@pytest.mark.parametrize("step", ["ensure_certificate", "ensure_keys", "_administrator", "_first_account", "edit"])
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize(
    "again",
    [
        {},
        {"first_password": OTHER},
        {"first_address": "postmaster@example.org"},
        {"first_address": "eve@example.org"},
    ],
    ids=["the same answers", "another password", "the role's own account", "another account"],
)
def test_a_power_cut_at_any_step_costs_a_second_try(
    home: Path, monkeypatch: pytest.MonkeyPatch, step: str, when: str, again: dict[str, object]
) -> None:
    real = getattr(room, step)

    def cut(*args: object) -> object:
        if when == "after":
            real(*args)
        raise PowerCut

    with open_store(home) as store, monkeypatch.context() as interrupted:
        interrupted.setattr(room, step, cut)
        with pytest.raises(PowerCut):
            set_up(home, store, ANSWERS)
    with open_store(home) as store:
        if (step, when) == ("edit", "after"):
            with pytest.raises(SetupFault):
                set_up(home, store, answers(**again))
            works(home, store)
            return
        assert not load(home / "merpati.yaml").is_set_up
        second = answers(**again)
        set_up(home, store, second)
        assert second.first_address is not None and second.first_password is not None
        works(home, store, user=second.first_address.split("@")[0].lower(), password=second.first_password)


def test_a_role_that_was_the_first_account_of_an_earlier_try_may_stay_one(
    home: Path, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as interrupted:
        interrupted.setattr(room, "edit", _cut)
        with pytest.raises(PowerCut):
            set_up(home, store, answers(first_address="abuse@example.org"))
    assert set_up(home, store, ANSWERS).is_set_up
    accounts = Accounts(store, ("example.org",))
    assert [a.address for a in accounts.all()] == ["abuse@example.org", "bob@example.org"]
    assert [a.address for a in accounts.list_aliases()] == ["postmaster@example.org"]


def _cut(*_: object) -> None:
    raise PowerCut


def test_the_configuration_is_written_last(home: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as it is missing the server counts as not set up."""
    order: list[str] = []
    for name in ("ensure_certificate", "ensure_keys", "_administrator", "_first_account", "write_secret", "edit"):
        monkeypatch.setattr(room, name, _noting(order, name, getattr(room, name)))
    set_up(home, store, answers(outbound="smarthost", smarthost=Smarthost("relay.example", password="x")))
    assert order[-1] == "edit"
    assert set(order[:-1]) == {"ensure_certificate", "ensure_keys", "_administrator", "_first_account", "write_secret"}


def _noting(order: list[str], name: str, real: Callable[..., object]) -> Callable[..., object]:
    def noted(*args: object) -> object:
        order.append(name)
        return real(*args)

    return noted


def test_no_password_shows_in_a_repr() -> None:
    shown = repr(answers(smarthost=Smarthost("relay.example", password="relay secret"), admin_password_hash="hash"))
    for secret in (ADMIN, PASSWORD, "relay secret", "hash'"):
        assert secret not in shown


def test_nothing_is_left_lying_about(home: Path, store: Store) -> None:
    set_up(home, store, ANSWERS)
    assert [name for _, _, names in os.walk(home) for name in names if name.endswith(".new")] == []
