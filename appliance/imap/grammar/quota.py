"""GETQUOTA and GETQUOTAROOT. RFC 9208 6. SETQUOTA is the owner's, at the command line."""

from __future__ import annotations

from dataclasses import dataclass

from .cursor import Cursor


@dataclass(slots=True, frozen=True)
class GetQuota:
    root: bytes


@dataclass(slots=True, frozen=True)
class GetQuotaRoot:
    mailbox: str


def get_quota(cursor: Cursor) -> GetQuota:
    """getquota = "GETQUOTA" SP quota-root-name; quota-root-name = astring"""
    cursor.space()
    return GetQuota(cursor.astring())


def get_quota_root(cursor: Cursor) -> GetQuotaRoot:
    """getquotaroot = "GETQUOTAROOT" SP mailbox"""
    cursor.space()
    return GetQuotaRoot(cursor.mailbox())
