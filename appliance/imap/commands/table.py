"""Which command is done by whom, and during which no EXPUNGE may be said."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ..answers import Done
from ..grammar import acl as r
from ..grammar import append as a
from ..grammar import mailboxes as m
from ..grammar import messages as g
from ..grammar import quota as q
from ..grammar import session as s
from ..grammar.command import Command
from ..grammar.fetch import Fetch
from ..grammar.list import List
from ..grammar.metadata import GetMetadata, SetMetadata
from ..grammar.notify import Notify
from ..grammar.search import Search
from ..grammar.sort import Sort, Thread
from ..session import Session
from . import acl, append, fetch, mailboxes, messages, metadata, notify, quota, search, session, sort, status
from . import list as list_

# The value's second parameter is of the key's type, which a dict cannot say.
DOES: dict[type, Callable[[Session, Any], Awaitable[Done]]] = {
    a.Append: append.append_whole,
    a.Replace: append.append_whole,
    s.Authenticate: session.authenticate,
    s.Capability: session.capability,
    s.Compress: session.compress,
    s.Enable: session.enable,
    s.Id: session.id_,
    s.Idle: session.idle,
    s.Login: session.login,
    s.Logout: session.logout,
    s.Noop: session.noop,
    s.StartTls: session.starttls,
    m.Check: mailboxes.check,
    m.Close: mailboxes.close,
    m.Create: mailboxes.create,
    m.Delete: mailboxes.delete,
    List: list_.list_,
    m.Lsub: list_.lsub,
    m.Namespace: mailboxes.namespace,
    m.Rename: mailboxes.rename,
    m.Select: mailboxes.select,
    m.Status: status.status,
    m.Subscribe: mailboxes.subscribe,
    m.Unselect: mailboxes.unselect,
    g.Copy: messages.copy,
    g.Expunge: messages.expunge,
    g.Move: messages.move,
    g.StoreFlags: messages.store,
    Fetch: fetch.fetch,
    Notify: notify.notify,
    Search: search.search,
    GetMetadata: metadata.get_metadata,
    SetMetadata: metadata.set_metadata,
    q.GetQuota: quota.get_quota,
    q.GetQuotaRoot: quota.get_quota_root,
    r.DeleteAcl: acl.delete_acl,
    r.GetAcl: acl.get_acl,
    r.ListRights: acl.list_rights,
    r.MyRights: acl.my_rights,
    r.SetAcl: acl.set_acl,
    Sort: sort.sort,
    Thread: sort.thread,
}


def goes_by_numbers(command: Command) -> bool:
    """It needs to know which message has which sequence number: all that name messages do, for their answers have them."""
    return isinstance(command, (Fetch, Search, Sort, Thread, g.StoreFlags, g.Copy, g.Move, g.Expunge))


def may_tell_expunged(command: Command) -> bool:
    """RFC 3501 7.4.1: not in answer to FETCH, STORE or SEARCH, whose sequence numbers would shift under the client. RFC 5256 3:
    nor to SORT and THREAD."""
    return not (isinstance(command, (Fetch, Search, Sort, Thread, g.StoreFlags)) and not command.by_uid)
