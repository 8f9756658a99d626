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


def ensure_site(db: Database, *, id_authority: str, base_url: str) -> Site:
    """The site's row, made at first start.

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
    """Whether the site's row is there: a first start that was cut off may have left the tables
    alone.
    """
    with db.read() as tx:
        return tx.get(Site, _SITE) is not None


def _public_name(base_url: str) -> str:
    host = (urlsplit(base_url).hostname or "").rstrip(".")
    try:
        ipaddress.ip_address(host)
    except ValueError:
        local = host.endswith(
            (
                ".local",
                ".localhost",
                ".internal",
                ".lan",
                ".test",
                ".example",
                ".invalid",
                ".home.arpa",
            )
        )
        return "" if local or "." not in host else host
    return ""


def next_seq(tx: Session) -> int:
    """Count one more public change. Whoever counts holds the row until the end of the transaction,
    so order is commit order.
    """
    return tx.execute(
        update(Site).where(Site.id == _SITE).values(seq=Site.seq + 1).returning(Site.seq)
    ).scalar_one()


def lock_site(tx: Session) -> None:
    """Until the end of the transaction nobody else gets past this: called before looking whether
    something is there, to make it if not.

    Without it two that look at once on PostgreSQL both find nothing, and the second fails on the
    unique key.
    """
    tx.execute(select(Site.id).where(Site.id == _SITE).with_for_update())


def current_seq(tx: Session) -> int:
    """The site's counter now; while it stands, no public document has changed."""
    return tx.execute(select(Site.seq).where(Site.id == _SITE)).scalar_one()


def mint_guid(tx: Session, name: str, moment: datetime) -> str:
    """A new id for feeds, never to be given twice: a tag: URI where the site has an authority, else
    a urn:uuid:.
    """
    authority = tx.execute(select(Site.id_authority).where(Site.id == _SITE)).scalar_one()
    return f"tag:{authority},{moment:%Y-%m-%d}:{name}" if authority else uuid.uuid4().urn
