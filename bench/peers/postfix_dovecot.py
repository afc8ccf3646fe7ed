"""Debian's Postfix and Dovecot as an instance of their own; nothing of the machine's own configuration is read.

Postfix takes the mail into its queue and hands it to Dovecot over LMTP; Dovecot keeps it and serves IMAP and POP3. When
they flush is left as both ship it. What differs from a fresh installation: ports of our choosing, the users in a file,
no limit on connections from one address, and mail for elsewhere goes to one given port of this machine.
Debian's packages: postfix dovecot-imapd dovecot-lmtpd dovecot-pop3d. Known limit: Dovecot 2.3 (Debian 12); version 2.4
has another configuration language.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from bench.rig import DOMAIN, HOST, PASSWORD, Command, Place, programs_missing

SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
DAEMONS = Path("/usr/lib/postfix/sbin")

MAIN_CF = """
compatibility_level = 3.6
queue_directory = {data}/queue
data_directory = {run}/postfix-data
daemon_directory = {daemons}
meta_directory = /etc/postfix
command_directory = /usr/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = /dev/stdout
myhostname = mail.{domain}
inet_interfaces = {host}
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
virtual_mailbox_domains = {domain}
virtual_mailbox_maps = texthash:{run}/postfix/mailboxes
virtual_transport = lmtp:inet:{host}:{lmtp}
relayhost = {relayhost}
smtpd_sasl_type = dovecot
smtpd_sasl_path = {run}/dovecot/postfix-auth
"""

# Nothing runs in a chroot, since the queue lies on a card without its files; else as shipped. Fields: service, type,
# private, unprivileged, chroot, wake-up, most processes, command.
MASTER_CF = """
{smtp}     inet      n - n - -     smtpd
{submission} inet    n - n - -     smtpd -o smtpd_sasl_auth_enable=yes
pickup     unix      n - n 60 1    pickup
cleanup    unix      n - n - 0     cleanup
qmgr       unix      n - n 300 1   qmgr
rewrite    unix      - - n - -     trivial-rewrite
bounce     unix      - - n - 0     bounce
defer      unix      - - n - 0     bounce
trace      unix      - - n - 0     bounce
verify     unix      - - n - 1     verify
flush      unix      n - n 1000? 0 flush
proxymap   unix      - - n - -     proxymap
smtp       unix      - - n - -     smtp
lmtp       unix      - - n - -     lmtp
error      unix      - - n - -     error
retry      unix      - - n - -     error
showq      unix      n - n - -     showq
anvil      unix      - - n - 1     anvil
scache     unix      - - n - 1     scache
postlog    unix-dgram n - n - 1    postlogd
"""

DOVECOT_CONF = """
base_dir = {run}/dovecot
state_dir = {run}/dovecot
log_path = /dev/stderr
protocols = imap pop3 lmtp
listen = {host}
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
default_internal_user = dovecot
default_login_user = dovenull
first_valid_uid = 1
mail_location = {format}:{data}/mail/%n
mail_max_userip_connections = 200
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {run}/dovecot/users
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={data}/home/%n
}}
namespace inbox {{
  inbox = yes
  mailbox Archive {{
    auto = create
  }}
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    address = {host}
    port = {lmtp}
  }}
}}
service auth {{
  unix_listener postfix-auth {{
    mode = 0660
    user = postfix
  }}
}}
"""


class PostfixDovecot:
    def __init__(self, mailbox_format: str) -> None:
        """mailbox_format: maildir or sdbox."""
        self._format = mailbox_format

    @property
    def name(self) -> str:
        return f"Postfix + Dovecot {self._format}"

    def missing(self) -> str | None:
        if absent := programs_missing("postfix", "dovecot"):
            return f"{' and '.join(absent)} not installed"
        for protocol in ("imap", "lmtp", "pop3"):
            if not Path(f"/usr/lib/dovecot/{protocol}").exists():
                return f"Dovecot's {protocol} is not installed"
        version = subprocess.run(
            ["dovecot", "--version"], env={"PATH": SYSTEM_PATH}, capture_output=True, text=True
        ).stdout
        if not version.startswith("2.3."):
            return f"its configuration here is for Dovecot 2.3, and this is {version.split()[0]}"
        return "they start as root only" if os.geteuid() else None

    def set_up(self, place: Place) -> None:
        postfix, dovecot = place.run / "postfix", place.run / "dovecot"
        postfix.mkdir()
        dovecot.mkdir()
        (place.run / "postfix-data").mkdir(mode=0o700)
        shutil.chown(place.run / "postfix-data", "postfix")
        (place.data / "queue").mkdir()
        for name in ("mail", "home"):
            (place.data / name).mkdir()
            shutil.chown(place.data / name, "mail", "mail")
        relayhost = "" if place.mx_port is None else f"[{HOST}]:{place.mx_port}"
        words = {
            **{name: str(getattr(place.ports, name)) for name in ("smtp", "submission", "imap", "pop3", "lmtp")},
            "data": str(place.data),
            "run": str(place.run),
            "daemons": str(DAEMONS),
            "domain": DOMAIN,
            "host": HOST,
            "format": self._format,
            "relayhost": relayhost,
        }
        (postfix / "main.cf").write_text(MAIN_CF.format(**words))
        (postfix / "master.cf").write_text(MASTER_CF.format(**words))
        (postfix / "mailboxes").write_text("".join(f"{user} here\n" for user in place.users))
        (place.run / "dovecot.conf").write_text(DOVECOT_CONF.format(**words))
        subprocess.run(
            ["postfix", "-c", str(postfix), "check"], env={"PATH": SYSTEM_PATH}, check=True
        )  # makes the queue
        (dovecot / "users").write_text("".join(f"{user}:{PASSWORD}\n" for user in place.users))

    def commands(self, place: Place) -> list[Command]:
        env = {"PATH": SYSTEM_PATH}
        # The `postfix` command would stand between us and its master, and pass no signal on.
        return [
            Command(["dovecot", "-F", "-c", str(place.run / "dovecot.conf")], env),
            Command([str(DAEMONS / "master"), "-c", str(place.run / "postfix"), "-s"], env),
        ]
