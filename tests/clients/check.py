"""Clients too heavy for every run, driven step by step: `python -m tests.clients.check [roundcube] [thunderbird]`.

Each step prints what was done and what was seen; a step that does not hold ends the check with status 1.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path

from tests.support.world import PASSWORD, World, eventually

from .conftest import send, sign_in
from .recording import Recording
from .roundcube import INSTALLED, roundcube, rows
from .thunderbird import thunderbird

USER = "ann@near.example"
FOLDER = "Grüße & 日本"
HTML = (
    "From: Zoë <zoe@far.example>\r\nTo: ann@near.example\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe_in_HTML?=\r\n"
    "Message-ID: <html@far.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n"
    "--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHallo Welt\r\n"
    '--b\r\nContent-Type: text/html; charset=utf-8\r\n\r\n<p>Hallo <b>schöne</b> Welt</p><script>alert("x")</script>\r\n'
    "--b--\r\n"
).encode()
THREAD = tuple(
    f"From: a@far.example\r\nMessage-ID: <t{number}@far.example>\r\n{more}Subject: {subject}\r\n\r\nx\r\n".encode()
    for number, more, subject in (
        (1, "", "garden"),
        (2, "References: <t1@far.example>\r\nIn-Reply-To: <t1@far.example>\r\n", "Re: garden"),
        (3, "", "kitchen"),
    )
)


def seen(step: str, what: object) -> None:
    print(f"  {step}: {what}", flush=True)


def told(recording: Recording) -> None:
    seen("commands", ", ".join(f"{verb} {count}" for verb, count in sorted(recording.verbs().items())))
    seen("answered NO or BAD", recording.refused() or "none")


def prepare(world: World) -> None:
    send(world, USER, "to flag", "to move", "to delete")
    with sign_in(world, "ann") as imap:
        imap.append("INBOX", HTML)
        imap.create_folder("Threads")
        for message in THREAD:
            imap.append("Threads", message)
        imap.subscribe_folder("Threads")


def check_roundcube(world: World, home: Path) -> None:
    with (
        Recording(world.ports["imap"]) as recording,
        roundcube(home, recording.port, world.ports["submission"]) as web,
    ):
        page = web.sign_in(USER, PASSWORD)
        seen(
            "signed in, folders", [name for name in ("INBOX", "Drafts", "Sent", "Junk", "Trash") if f'"{name}"' in page]
        )
        listed = rows(web.ask("list", _mbox="INBOX", _page="1"))
        uids = {subject: uid for uid, (subject, _) in listed.items()}
        assert set(uids) == {"to flag", "to move", "to delete", "Grüße in HTML"}, listed
        seen("list", sorted(uids))
        found = rows(
            web.ask("search", _mbox="INBOX", _q="Grüße", _headers="subject,from", _scope="base", _filter="ALL")
        )
        assert [subject for subject, _ in found.values()] == ["Grüße in HTML"], found
        seen("search in headers for Grüße", [subject for subject, _ in found.values()])
        found = rows(web.ask("search", _mbox="INBOX", _q="schöne", _headers="text", _scope="base", _filter="ALL"))
        assert [subject for subject, _ in found.values()] == ["Grüße in HTML"], found
        seen("search in the text for schöne", [subject for subject, _ in found.values()])
        web.ask("list", _mbox="INBOX", _page="1")
        opened = web.page(_task="mail", _action="preview", _mbox="INBOX", _uid=uids["Grüße in HTML"])
        assert "<b>schöne</b>" in opened and 'alert("x")' not in opened
        seen("opened the message with HTML", "<b>schöne</b> shown, the script taken out")
        web.tell("mark", _mbox="INBOX", _uid=uids["to flag"], _flag="flagged")
        web.submit(task="settings", action="save-folder", _name=FOLDER, _parent="", _viewmode="0")
        web.tell("move", _mbox="INBOX", _uid=uids["to move"], _target_mbox=_utf7(FOLDER))
        web.tell("move", _mbox="INBOX", _uid=uids["to delete"], _target_mbox="Trash")
        web.tell("delete", _mbox="Trash", _uid="1")
        with sign_in(world, "ann") as imap:
            assert FOLDER in [name for _, _, name in imap.list_folders()]
            assert FOLDER in [name for _, _, name in imap.list_sub_folders()]
            assert imap.select_folder(FOLDER)[b"EXISTS"] == 1
            assert imap.select_folder("Trash")[b"EXISTS"] == 0
            imap.select_folder("INBOX")
            assert len(imap.search(["SUBJECT", "to flag", "FLAGGED"])) == 1
            assert len(imap.search(["HEADER", "Message-ID", "html@far.example", "SEEN"])) == 1
            assert imap.search(["SUBJECT", "to move"]) == imap.search(["SUBJECT", "to delete"]) == []
        seen("flagged, made a folder, moved, deleted", f"as asked; the folder is {FOLDER!r}")
        answer = web.ask("list", _mbox="Threads", _page="1")
        flags = {subject: how for subject, how in rows(answer).values()}
        assert flags["Re: garden"].get("parent_uid") == 1 and flags["Re: garden"].get("depth") == 1, answer
        seen("threads", {subject: how.get("depth", 0) for subject, how in flags.items()})
        told(recording)
        assert recording.refused() == []


SET_UP = """
const [port, user, password] = args;
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const login = Components.classes["@mozilla.org/login-manager/loginInfo;1"]
  .createInstance(Components.interfaces.nsILoginInfo);
login.init("imap://127.0.0.1", null, "imap://127.0.0.1", user, password, "", "");
await Services.logins.addLoginAsync(login);
const server = MailServices.accounts.createIncomingServer(user, "127.0.0.1", "imap");
server.port = port;
server.socketType = 0;
server.authMethod = 3;
server.password = password;
server.valid = true;
const account = MailServices.accounts.createAccount();
const identity = MailServices.accounts.createIdentity();
identity.email = user;
account.incomingServer = server;
account.addIdentity(identity);
MailServices.accounts.defaultAccount = account;
server.performExpand(null);
"""
FIND = """
const { MailServices } = ChromeUtils.importESModule("resource:///modules/MailServices.sys.mjs");
const server = MailServices.accounts.defaultAccount.incomingServer;
const folders = server.rootFolder.descendants;
const find = name => folders.find(each => each.name == name || each.prettyName == name || each.localizedName == name);
const wait = start => new Promise((resolve, reject) => start({
  QueryInterface: ChromeUtils.generateQI(["nsIUrlListener", "nsIMsgCopyServiceListener"]),
  OnStartRunningUrl() {}, OnStopRunningUrl(url, status) { status ? reject(status) : resolve(); },
  onStartCopy() {}, onProgress() {}, setMessageKey() {}, getMessageId() { return null; },
  onStopCopy(status) { status ? reject(status) : resolve(); },
}));
"""


def check_thunderbird(world: World, home: Path) -> None:
    with Recording(world.ports["imap"]) as recording, thunderbird(home) as bird:
        bird.run(SET_UP, recording.port, USER, PASSWORD)
        eventually(
            lambda: "Threads" in bird.run(FIND + "return folders.map(each => each.name);"),
            lambda: "\n".join(recording.conversation[-80:]),
        )
        flags = bird.run(FIND + "return Object.fromEntries(folders.map(each => [each.name, each.flags.toString(16)]));")
        seen("the account's folders, with Thunderbird's flags (hex)", flags)

        def subjects(name: str) -> list[str]:
            listed: list[str] = bird.run(
                FIND
                + "const folder = find(args[0]);"
                + "await wait(l => folder.QueryInterface(Components.interfaces.nsIMsgImapMailFolder) && "
                + "folder.updateFolderWithListener(null, l));"
                + "return [...folder.messages].map(each => each.mime2DecodedSubject);",
                name,
            )
            return sorted(listed)

        inbox = bird.run(FIND + "return server.rootFolder.getFolderWithFlags(0x1000).name;")
        eventually(lambda: len(subjects(inbox)) == 4, lambda: "\n".join(recording.conversation[-80:]))
        seen("the inbox's subjects", subjects(inbox))
        bird.run(
            FIND
            + "const folder = find(args[0]); const all = [...folder.messages];"
            + "const of = subject => all.find(each => each.mime2DecodedSubject == subject);"
            + "folder.markMessagesFlagged([of('to flag')], true); folder.markMessagesRead([of('to flag')], true);"
            + "await wait(l => MailServices.copy.copyMessages(folder, [of('to move')], find('Threads'), true, l, null, false));"
            + "await wait(l => folder.deleteMessages([of('to delete')], null, false, false, l, false));"
            + "server.rootFolder.createSubfolder(args[1], null);",
            inbox,
            FOLDER,
        )

        def as_asked() -> bool:
            with sign_in(world, "ann") as imap:
                imap.select_folder("INBOX")
                flagged = imap.search(["SUBJECT", "to flag", "FLAGGED", "SEEN"])
                gone = imap.search(["UNDELETED", "OR", "SUBJECT", "to move", "SUBJECT", "to delete"])
                imap.select_folder("Threads")
                moved = imap.search(["SUBJECT", "to move"])
                imap.select_folder("Trash")
                binned = imap.search(["SUBJECT", "to delete"])
                names = [name for _, _, name in imap.list_folders()]
                return bool(flagged and not gone and moved and binned and FOLDER in names)

        eventually(as_asked, lambda: "\n".join(recording.conversation[-120:]))
        seen("flagged, read, moved, deleted (to Trash), made a folder", f"as asked; the folder is {FOLDER!r}")
        subjects(inbox)  # a person looks at the inbox again, and Thunderbird waits there
        eventually(lambda: recording.waits_in("INBOX"), lambda: "\n".join(recording.conversation[-40:]))
        send(world, USER, "while Thunderbird waits")
        eventually(
            lambda: "while Thunderbird waits" in bird.run(FIND + "return [...find(args[0]).messages].map(each => each.mime2DecodedSubject);", inbox),
            lambda: "\n".join(recording.conversation[-80:]),
        )  # fmt: skip
        seen("mail that came while it waited", "shown without being asked for")
        told(recording)
        assert recording.refused() == []
        kept = sorted(
            path.relative_to(home / "profile" / "ImapMail") for path in (home / "profile" / "ImapMail").rglob("*")
        )
        seen("kept on the disk", ", ".join(f"{path}" for path in kept))


CHECKS = {"roundcube": check_roundcube, "thunderbird": check_thunderbird}
PRESENT = {
    "roundcube": lambda: INSTALLED.exists() and shutil.which("php") is not None,
    "thunderbird": lambda: shutil.which("thunderbird") is not None,
}
VERSIONS = {
    "roundcube": ["dpkg-query", "-W", "-f", "${Version}", "roundcube-core"],
    "thunderbird": ["dpkg-query", "-W", "-f", "${Version}", "thunderbird"],
}


def _utf7(name: str) -> str:
    from imapclient.imap_utf7 import encode

    encoded: bytes = encode(name)
    return encoded.decode("ascii")


def main(names: list[str]) -> int:
    failed = 0
    for name in names or list(CHECKS):
        if not PRESENT[name]():
            print(f"{name}: not installed, not checked")
            continue
        version = subprocess.run(VERSIONS[name], capture_output=True, text=True).stdout
        print(f"{name} {version}", flush=True)
        with tempfile.TemporaryDirectory() as folder, World(Path(folder) / "server", users=("ann",)) as world:
            prepare(world)
            try:
                CHECKS[name](world, Path(folder) / name)
                print(f"{name}: all as a person would expect")
            except Exception:
                failed += 1
                traceback.print_exc(file=sys.stdout)
                print(f"{name}: FAILED")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
