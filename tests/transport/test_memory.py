"""A message of 25 MB goes out without 10 MB more memory, whether the line is encrypted or not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.authority import CertificateAuthority
from tests.support.remote_mta import RemoteMta

LINES = 25_000_000 // 72

# In a process of its own: memory that others used before would hide a rise.
SENDER = f"""
import asyncio, resource, sys
from pathlib import Path
from appliance.config.schema import OutboundConfig
from appliance.dns.resolver import Resolver
from appliance.mail.address import Address
from appliance.mail.envelope import Recipient
from appliance.transport.deliver import Deliverer
from appliance.transport.transaction import Job
from tests.support.contents import Repeated

def job(times):
    bob = Recipient(Address("bob", "[127.0.0.1]"))
    return Job("[127.0.0.1]", None, (bob,), b"", Repeated(b"Subject: x\\r\\n\\r\\n", b"." * 70 + b"\\r\\n", times))

async def main():
    deliverer = Deliverer(OutboundConfig(mode="direct", mx_port=int(sys.argv[1])), Resolver([]),
                          hostname="mx.us.test", home=Path("/"))
    (first,) = await deliverer.deliver(job(10_000))
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (second,) = await deliverer.deliver(job({LINES}))
    await deliverer.close()
    print(second.outcome, second.tls is not None, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib)

asyncio.run(main())
"""


@pytest.mark.parametrize("encrypted", [False, True])
def test_25_mb_go_out_in_little_memory(tmp_path: Path, encrypted: bool) -> None:
    certificate = CertificateAuthority(tmp_path).issue("localhost") if encrypted else None
    with RemoteMta(certificate=certificate, keep_content=False) as mta:
        done = subprocess.run(
            [sys.executable, "-c", SENDER, str(mta.port)], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        outcome, tls, rise_kib = done.stdout.split()
        assert (outcome, tls) == ("delivered", str(encrypted))
        assert mta.messages[-1].size_octets == LINES * 72 + 14
        assert int(rise_kib) < 10_000
