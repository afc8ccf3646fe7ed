"""Mail from the network: port 25 for strangers, submission (587) and submissions (465) for our own people.

The wire is spoken by a subclass of aiosmtpd's `SMTP`; what may be accepted is decided by `intake/` and who somebody is
by `accounts/`, both behind the doors in `doors.py`. This room never stores, routes or changes a message: the octets of
the content go to the spool as they were received, less the dots that SMTP added.

Pure: line_rules, data_scanner, chunking, parameters, relay_policy, limits, transaction. With asyncio: inbox,
connection, session, arrival, handler, starttls, sasl_exchange, repeats, server. It may import intake/, accounts/,
sasl/, status/ and mail/.
"""

from .server import ServerState, SmtpServer
from .settings import Listener, SmtpSettings

__all__ = ["Listener", "ServerState", "SmtpServer", "SmtpSettings"]
