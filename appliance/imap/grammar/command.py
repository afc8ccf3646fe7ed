"""Which verb is read by whom: the one table from a command's name to its grammar. RFC 3501 9 (command)."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from . import acl, append, fetch, mailboxes, messages, metadata, notify, quota, search, session, sort
from . import list as list_
from .acl import DeleteAcl, GetAcl, ListRights, MyRights, SetAcl
from .append import Append, Replace
from .cursor import Cursor, GrammarFault
from .fetch import Fetch
from .list import List
from .mailboxes import (
    Check,
    Close,
    Create,
    Delete,
    Lsub,
    Namespace,
    Rename,
    Select,
    Status,
    Subscribe,
    Unselect,
)
from .messages import Copy, Expunge, Move, StoreFlags
from .metadata import GetMetadata, SetMetadata
from .notify import Notify
from .quota import GetQuota, GetQuotaRoot
from .search import Search
from .session import Authenticate, Capability, Compress, Enable, Id, Idle, Login, Logout, Noop, StartTls
from .sort import Sort, Thread

Command = (
    Append | Authenticate | Capability | Check | Close | Compress | Copy | Create | Delete | DeleteAcl | Enable | Expunge | Fetch | GetAcl | GetMetadata | GetQuota | GetQuotaRoot | Id | Idle | List | ListRights | Login | Logout | Lsub | Move | MyRights | Namespace | Noop | Notify | Rename | Replace | Search | Select | SetAcl | SetMetadata | Sort | StartTls | Status | StoreFlags | Subscribe | Thread | Unselect
)  # fmt: skip

Reader = Callable[[Cursor], Command]

READERS: dict[bytes, Reader] = {
    b"APPEND": append.append,
    b"AUTHENTICATE": session.authenticate,
    b"CAPABILITY": session.capability,
    b"CHECK": mailboxes.check,
    b"CLOSE": mailboxes.close,
    b"COMPRESS": session.compress,
    b"COPY": messages.copy,
    b"CREATE": mailboxes.create,
    b"DELETE": mailboxes.delete,
    b"DELETEACL": acl.delete_acl,
    b"ENABLE": session.enable,
    b"EXAMINE": mailboxes.examine,
    b"EXPUNGE": messages.expunge,
    b"FETCH": fetch.fetch,
    b"GETACL": acl.get_acl,
    b"GETMETADATA": metadata.get_metadata,
    b"GETQUOTA": quota.get_quota,
    b"GETQUOTAROOT": quota.get_quota_root,
    b"ID": session.id_,
    b"IDLE": session.idle,
    b"LIST": list_.list_,
    b"LISTRIGHTS": acl.list_rights,
    b"LOGIN": session.login,
    b"LOGOUT": session.logout,
    b"LSUB": mailboxes.lsub,
    b"MOVE": messages.move,
    b"MYRIGHTS": acl.my_rights,
    b"NAMESPACE": mailboxes.namespace,
    b"NOOP": session.noop,
    b"NOTIFY": notify.notify,
    b"RENAME": mailboxes.rename,
    b"REPLACE": append.replace,
    b"SEARCH": search.search,
    b"SELECT": mailboxes.select,
    b"SETACL": acl.set_acl,
    b"SETMETADATA": metadata.set_metadata,
    b"SORT": sort.sort,
    b"STARTTLS": session.starttls,
    b"STATUS": mailboxes.status,
    b"STORE": messages.store,
    b"SUBSCRIBE": mailboxes.subscribe,
    b"THREAD": sort.thread,
    b"UNSELECT": mailboxes.unselect,
    b"UNSUBSCRIBE": mailboxes.unsubscribe,
}

UID_READERS: dict[bytes, Reader] = {
    b"COPY": partial(messages.copy, by_uid=True),
    b"EXPUNGE": messages.uid_expunge,
    b"FETCH": partial(fetch.fetch, by_uid=True),
    b"MOVE": partial(messages.move, by_uid=True),
    b"REPLACE": append.uid_replace,
    b"SEARCH": partial(search.search, by_uid=True),
    b"SORT": partial(sort.sort, by_uid=True),
    b"STORE": partial(messages.store, by_uid=True),
    b"THREAD": partial(sort.thread, by_uid=True),
}

_VERB = re.compile(rb"[A-Za-z][A-Za-z0-9-]*")


def verb(cursor: Cursor) -> tuple[bytes, Reader]:
    """The name of the command that stands here, in capitals (`UID FETCH` for those by UID), and its reader."""
    name = cursor.match(_VERB, "a command").group().upper()
    readers = READERS
    if name == b"UID":
        cursor.space()
        name, readers = cursor.match(_VERB, "a command after UID").group().upper(), UID_READERS
    if name not in readers:
        raise GrammarFault("there is no such command")
    return name if readers is READERS else b"UID " + name, readers[name]


def parse_command(octets: bytes) -> Command:
    """One whole command without its tag and its final CRLF. Raises GrammarFault."""
    cursor = Cursor(octets)
    _, reader = verb(cursor)
    command = reader(cursor)
    cursor.end()
    return command
