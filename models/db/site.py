"""The site's one row: its public counter, the authority of its ids."""

import ipaddress
import uuid
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from models.db.clock import now
from models.db.database import Database
from models.tables.stories import Site

_SITE = 1
_LOCAL_DOMAINS = (
    ".local", ".localhost", ".internal", ".lan", ".test", ".example", ".invalid", ".home.arpa",
)  # fmt: skip


def ensure_site(db: Database, *, id_authority: str, base_url: str) -> Site:
    """The site's row, created at the first start.

    The authority of tag: ids (RFC 4151 section 2.1) is ``id_authority``, else the host of
    ``base_url`` where that is a public name, else empty; once stored it never changes, because
    every id ever given depends on it.
    """
    with db.begin() as tx:
        site = tx.get(Site, _SITE)
        if site is None:
            site = Site(
                id=_SITE, id_authority=id_authority or _public_name(base_url), created_at=now(tx)
            )
            tx.add(site)
        return site


def site_exists(db: Database) -> bool:
    """Whether the site's row exists: an interrupted first start may have created tables only."""
    with db.read() as tx:
        return tx.get(Site, _SITE) is not None


def _public_name(base_url: str) -> str:
    host = (urlsplit(base_url).hostname or "").rstrip(".")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return "" if host.endswith(_LOCAL_DOMAINS) or "." not in host else host
    return ""


def next_seq(tx: Session) -> int:
    """Count a public change.  The row stays locked until the end of the transaction, so the order
    is the commit order.
    """
    return tx.execute(
        update(Site).where(Site.id == _SITE).values(seq=Site.seq + 1).returning(Site.seq)
    ).scalar_one()


def lock_site(tx: Session) -> None:
    """Take a lock until the end of the transaction, before a row is created if it is missing.

    Without it two concurrent transactions on PostgreSQL both find nothing, and the second fails on
    the unique key.
    """
    tx.execute(select(Site.id).where(Site.id == _SITE).with_for_update())


def current_seq(tx: Session) -> int:
    """The site's counter; while it is the same, no public document has changed."""
    return tx.execute(select(Site.seq).where(Site.id == _SITE)).scalar_one()


def mint_guid(tx: Session, name: str, day: datetime) -> str:
    """A new unique id for feeds: a tag: URI where the site has an authority, else a urn:uuid:."""
    authority = tx.execute(select(Site.id_authority).where(Site.id == _SITE)).scalar_one()
    return f"tag:{authority},{day:%Y-%m-%d}:{name}" if authority else uuid.uuid4().urn
