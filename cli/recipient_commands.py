"""Code that `storywire channel` and `storywire subscriber` share."""

from collections.abc import Sequence

from cli.command_context import open_context, show
from cli.list_output import ListOptions, print_list, walk
from models import Recipient, RecipientKind
from models.recipients.audience import list_recipients, remove_recipient


def recipient_json(recipient: Recipient) -> dict[str, object]:
    """A recipient as --json prints it; the URL of a channel is masked."""
    state = {
        "state": recipient.state,
        "reason": recipient.reason,
        "confirmed_at": recipient.confirmed_at,
    }
    if recipient.kind is RecipientKind.MAIL:
        return {"id": recipient.id, "email": recipient.address, **state}
    return {
        "name": recipient.address,
        "service": recipient.service,
        "url": recipient.masked_url,
        "failing": recipient.failing,
        "failing_since": recipient.failing_since,
        "sick_since": recipient.sick_since,
        **state,
    }


def show_recipients(
    kind: RecipientKind, options: ListOptions, empty: str, after_id: int = 0
) -> None:
    """Print the recipients of a kind with ids above ``after_id``."""
    db = open_context().db

    def read(last: Recipient | None, size: int) -> Sequence[Recipient]:
        with db.read() as tx:
            return list_recipients(tx, kind, limit=size, after=last.id if last else after_id)

    print_list(walk(read, options), options, value=recipient_json, cells=_cells, empty=empty)


def _cells(recipient: Recipient) -> tuple[object, ...]:
    state = "failing" if recipient.failing else recipient.state
    return recipient.address, state, recipient.service, recipient.masked_url, recipient.reason


def remove(kind: RecipientKind, address: str, as_json: bool) -> None:
    """Remove a recipient and print a confirmation."""
    context = open_context()
    recipient = remove_recipient(context.db, context.actor, kind, address, "removed")
    show(recipient_json(recipient), f"Removed {recipient.address}.", as_json=as_json)
