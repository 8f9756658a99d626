"""What `storywire channel` and `storywire subscriber` do alike."""

from cli.door import open_door, show, table
from models import Recipient, RecipientKind
from models.audience import list_recipients, remove_recipient


def recipient_json(found: Recipient) -> dict[str, object]:
    """A recipient as --json prints it; the URL of a channel is masked."""
    shown: dict[str, object] = {"state": found.state, "reason": found.reason, "confirmed_at": found.confirmed_at}
    if found.kind is RecipientKind.MAIL:
        return {"id": found.id, "email": found.address, **shown}
    failing = {"failing": found.failing, "failing_since": found.failing_since, "sick_since": found.sick_since}
    return {"name": found.address, "service": found.service, "url": found.masked_url, **failing, **shown}


def show_recipients(kind: RecipientKind, limit: int, as_json: bool, empty: str, after: int = 0) -> None:
    """Print recipients of a kind, those after the id ``after``."""
    with open_door().db.read() as tx:
        found = list_recipients(tx, kind, limit=limit, after=after)
    rows = [(one.address, "failing" if one.failing else one.state, one.service, one.masked_url, one.reason) for one in found]
    show([recipient_json(one) for one in found], table(rows, empty=empty), as_json=as_json)


def remove(kind: RecipientKind, address: str, as_json: bool) -> None:
    """End a recipient, and say so."""
    door = open_door()
    found = remove_recipient(door.db, door.actor, kind, address, "removed")
    show(recipient_json(found), f"{found.address} gets no more alerts.", as_json=as_json)
