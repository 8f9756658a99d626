"""What `storywire channel` and `storywire subscriber` do alike."""

from collections.abc import Sequence

from cli.command_context import open_context, show
from cli.list_output import ListOptions, print_list, walk
from models import Recipient, RecipientKind
from models.recipients.audience import list_recipients, remove_recipient


def recipient_json(found: Recipient) -> dict[str, object]:
    """A recipient as --json prints it; the URL of a channel is masked."""
    shown: dict[str, object] = {
        "state": found.state,
        "reason": found.reason,
        "confirmed_at": found.confirmed_at,
    }
    if found.kind is RecipientKind.MAIL:
        return {"id": found.id, "email": found.address, **shown}
    failing = {
        "failing": found.failing,
        "failing_since": found.failing_since,
        "sick_since": found.sick_since,
    }
    return {
        "name": found.address,
        "service": found.service,
        "url": found.masked_url,
        **failing,
        **shown,
    }


def show_recipients(kind: RecipientKind, options: ListOptions, empty: str, after: int = 0) -> None:
    """Print recipients of a kind, those after the id ``after``."""
    db = open_context().db

    def read(last: Recipient | None, size: int) -> Sequence[Recipient]:
        with db.read() as tx:
            return list_recipients(tx, kind, limit=size, after=last.id if last else after)

    print_list(walk(read, options), options, value=recipient_json, cells=_cells, empty=empty)


def _cells(found: Recipient) -> tuple[object, ...]:
    state = "failing" if found.failing else found.state
    return found.address, state, found.service, found.masked_url, found.reason


def remove(kind: RecipientKind, address: str, as_json: bool) -> None:
    """End a recipient, and say so."""
    context = open_context()
    found = remove_recipient(context.db, context.actor, kind, address, "removed")
    show(recipient_json(found), f"{found.address} gets no more alerts.", as_json=as_json)
