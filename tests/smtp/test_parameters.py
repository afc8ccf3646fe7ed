"""MAIL and RCPT: what their arguments mean, and which are refused with what."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.mail.address import Address
from appliance.mail.envelope import Notify, Recipient
from appliance.mail.reply import Reply
from appliance.smtp.parameters import MailCommand, parse_mail, parse_rcpt

BO = Address("bo", "far.example")
ANA = Address("ana", "example.org")


def mail(argument: str, *, extended: bool = True, dsn: bool = True) -> MailCommand | Reply:
    return parse_mail(argument, extended=extended, dsn=dsn)


def rcpt(argument: str, *, extended: bool = True, dsn: bool = True, smtputf8: bool = False) -> Recipient | Reply:
    return parse_rcpt(argument, extended=extended, dsn=dsn, smtputf8=smtputf8, postmaster_domain="example.org")


MAIL = {
    "FROM:<bo@far.example>": MailCommand(BO),
    "from:<bo@far.example>": MailCommand(BO),
    "FROM: <bo@far.example>": MailCommand(BO),
    "FROM:<>": MailCommand(None),
    "FROM:<bo@FAR.Example>": MailCommand(BO),
    "FROM:<@a.example,@b.example:bo@far.example>": MailCommand(BO),
    'FROM:<"b>o b"@far.example>': MailCommand(Address("b>o b", "far.example")),
    r'FROM:<"b\"<o"@far.example>': MailCommand(Address('b"<o', "far.example")),
    "FROM:<bo@[192.0.2.1]>": MailCommand(Address("bo", "[192.0.2.1]")),
    "FROM:<bo@far.example> SIZE=1000": MailCommand(BO, size_octets=1000),
    "FROM:<bo@far.example> size=0": MailCommand(BO, size_octets=0),
    "FROM:<bo@far.example>  BODY=8BITMIME  SIZE=5": MailCommand(BO, size_octets=5, eight_bit=True),
    "FROM:<bo@far.example> BODY=7bit": MailCommand(BO),
    "FROM:<bo@far.example> AUTH=<>": MailCommand(BO),
    "FROM:<bo@far.example> AUTH=e+3Dmc2@example.com": MailCommand(BO),
    "FROM:<bo@far.example> SMTPUTF8": MailCommand(BO, smtputf8=True),
    "FROM:<bö@far.example> SMTPUTF8": MailCommand(Address("bö", "far.example"), smtputf8=True),
    "FROM:<bo@bücher.example> SMTPUTF8": MailCommand(Address("bo", "xn--bcher-kva.example"), smtputf8=True),
    "FROM:<bo@far.example> RET=HDRS ENVID=QQ314159": MailCommand(BO, ret="HDRS", envid="QQ314159"),
    "FROM:<bo@far.example> RET=full ENVID=aB+2B+3Dc": MailCommand(BO, ret="FULL", envid="aB+=c"),
}

MAIL_REFUSED = {
    "": "501 5.5.4",
    "FROM": "501 5.5.4",
    "TO:<bo@far.example>": "501 5.5.4",
    "FROM:bo@far.example": "501 5.5.4",
    "FROM:<bo@far.example": "501 5.5.4",
    "FROM:<bo@far.example>SIZE=5": "501 5.5.4",
    "FROM:<bo@far.example> <x>": "501 5.5.4",
    "FROM:<bo@far.example> SIZE=": "501 5.5.4",
    "FROM:<bo@far.example> SIZE": "501 5.5.4",
    "FROM:<bo@far.example> SIZE=five": "501 5.5.4",
    "FROM:<bo@far.example> SIZE=-5": "501 5.5.4",
    "FROM:<bo@far.example> SIZE=٣": "501 5.5.4",
    "FROM:<bo@far.example> SIZE=111111111111111111111": "501 5.5.4",
    "FROM:<bo@far.example> SIZE=5 SIZE=6": "501 5.5.4",
    "FROM:<bo@far.example> BODY=BINARYMIME": "501 5.5.4",
    "FROM:<bo@far.example> SMTPUTF8=yes": "501 5.5.4",
    "FROM:<bo@far.example> RET=SOME": "501 5.5.4",
    "FROM:<bo@far.example> ENVID=a+2": "501 5.5.4",
    "FROM:<bo@far.example> ENVID=a+0D+0AX": "501 5.5.4",
    "FROM:<bo@far.example> ENVID=" + "x" * 101: "501 5.5.4",
    "FROM:<bo@far.example> AUTH=a=b": "501 5.5.4",
    "FROM:<bo@far.example> MT-PRIORITY=3": "555 5.5.4",
    "FROM:<bo@far.example> REQUIRETLS": "555 5.5.4",
    "FROM:<bo@far.example> HOLDFOR=60": "555 5.5.4",
    "FROM:<bö@far.example>": "553 5.6.7",
    "FROM:<bo@bücher.example>": "553 5.6.7",
    "FROM:<a..b@far.example>": "501 5.1.7",
    "FROM:<.a@far.example>": "501 5.1.7",
    "FROM:<bo>": "501 5.1.7",
    "FROM:<bo@>": "501 5.1.7",
    "FROM:<@far.example>": "501 5.1.7",
    "FROM:<bo@far..example>": "501 5.1.7",
    "FROM:<bo@[192.0.2.300]>": "501 5.1.7",
    "FROM:<bo(comment)@far.example>": "501 5.1.7",
    "FROM:<bo@far.example,al@far.example>": "501 5.1.7",
    "FROM:<@a..b:bo@far.example>": "501 5.1.7",
    "FROM:<@a.example,b.example:bo@far.example>": "501 5.1.7",
    "FROM:<" + "x" * 65 + "@far.example>": "501 5.1.7",
    "FROM:<bo@far.example\udcff>": "501 5.5.2",
    "FROM:<b\to@far.example>": "501 5.5.4",
}


@pytest.mark.parametrize(("argument", "command"), MAIL.items())
def test_mail(argument: str, command: MailCommand) -> None:
    assert mail(argument) == command


@pytest.mark.parametrize(("argument", "start"), MAIL_REFUSED.items())
def test_mail_refused(argument: str, start: str) -> None:
    refusal = mail(argument)
    assert isinstance(refusal, Reply)
    assert str(refusal).startswith(start)


RCPT = {
    "TO:<ana@example.org>": Recipient(ANA),
    "to: <ana@example.org>": Recipient(ANA),
    "TO:<Ana+Tag@Example.ORG>": Recipient(Address("Ana+Tag", "example.org")),
    "TO:<@hop.example:ana@example.org>": Recipient(ANA),
    "TO:<postmaster>": Recipient(Address("postmaster", "example.org")),
    "TO:<PostMaster>": Recipient(Address("PostMaster", "example.org")),
    "TO:<ana@example.org> NOTIFY=NEVER": Recipient(ANA, frozenset({Notify.NEVER})),
    "TO:<ana@example.org> NOTIFY=success,DELAY": Recipient(ANA, frozenset({Notify.SUCCESS, Notify.DELAY})),
    "TO:<ana@example.org> ORCPT=rfc822;Ana+2BX@Example.org": Recipient(ANA, orcpt="rfc822;Ana+X@Example.org"),
    "TO:<ana@example.org> ORCPT=utf-8;änne@example.org": Recipient(ANA, orcpt="utf-8;änne@example.org"),
}

RCPT_REFUSED = {
    "": "501 5.5.4",
    "TO:": "501 5.5.4",
    "TO:ana@example.org": "501 5.5.4",
    "FROM:<ana@example.org>": "501 5.5.4",
    "TO:<>": "501 5.1.3",
    "TO:<root>": "501 5.1.3",
    "TO:<änne@example.org>": "553 5.6.7",
    "TO:<ana@example.org> SIZE=5": "555 5.5.4",
    "TO:<ana@example.org> NOTIFY": "501 5.5.4",
    "TO:<ana@example.org> NOTIFY=NEVER,DELAY": "501 5.5.4",
    "TO:<ana@example.org> NOTIFY=DELAY,DELAY": "501 5.5.4",
    "TO:<ana@example.org> NOTIFY=SOMETIMES": "501 5.5.4",
    "TO:<ana@example.org> ORCPT=ana@example.org": "501 5.5.4",
    "TO:<ana@example.org> ORCPT=;a": "501 5.5.4",
    "TO:<ana@example.org> ORCPT=rfc822;": "501 5.5.4",
    "TO:<ana@example.org> ORCPT=rfc822;a+0Ab": "501 5.5.4",
    "TO:<ana@example.org> ORCPT=rfc822;" + "x" * 500: "501 5.5.4",
}


@pytest.mark.parametrize(("argument", "recipient"), RCPT.items())
def test_rcpt(argument: str, recipient: Recipient) -> None:
    assert rcpt(argument) == recipient


@pytest.mark.parametrize(("argument", "start"), RCPT_REFUSED.items())
def test_rcpt_refused(argument: str, start: str) -> None:
    refusal = rcpt(argument)
    assert isinstance(refusal, Reply)
    assert str(refusal).startswith(start)


@pytest.mark.parametrize("argument", ["FROM:<a@b.example> RET=FULL", "FROM:<a@b.example> ENVID=x"])
def test_dsn_parameters_are_unknown_while_dsn_is_not_announced(argument: str) -> None:
    refusal = mail(argument, dsn=False)
    assert isinstance(refusal, Reply) and refusal.code == 555


def test_after_helo_there_are_no_parameters() -> None:
    refusal = mail("FROM:<a@b.example> SIZE=5", extended=False)
    assert isinstance(refusal, Reply) and refusal.code == 501
    assert mail("FROM:<bo@far.example>", extended=False) == MailCommand(BO)


def test_international_recipient_after_smtputf8() -> None:
    assert rcpt("TO:<änne@example.org>", smtputf8=True) == Recipient(Address("änne", "example.org"))


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=40) | st.text(alphabet='<>@:."\\ =;+aFROMTO\udcff', max_size=40).map("FROM:<".__add__))
def test_any_text_is_a_value_or_a_refusal(text: str) -> None:
    """Never an exception, and no refusal that could not be said on the wire."""
    for outcome in (mail(text), rcpt(text.replace("FROM", "TO"))):
        if isinstance(outcome, Reply):
            assert outcome.code in (501, 553, 555)
            assert "\r" not in str(outcome) and "\n" not in str(outcome)


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=20))
def test_envid_comes_back_as_it_was_meant(envid: str) -> None:
    encoded = "".join(c if "!" <= c <= "~" and c not in "+=" else f"+{ord(c):02X}" for c in envid)
    command = mail(f"FROM:<> ENVID={encoded}")
    assert isinstance(command, MailCommand) and command.envid == envid
