"""The account in whose name a change is made."""

from dataclasses import dataclass
from typing import Self

from config.languages import mark
from models.tables.people import Account, Role
from models.text.errors import Forbidden

_NEEDED = {
    Role.AUTHOR: mark("Only people who work here can do this."),
    Role.EDITOR: mark("Only editors can do this."),
    Role.ADMIN: mark("Only admins can do this."),
}


@dataclass(frozen=True)
class Actor:
    """An account and its role.  ``account_id`` is None for the service itself."""

    account_id: int | None
    role: Role

    @classmethod
    def of(cls, account: Account) -> Self:
        """The actor behind an account."""
        return cls(account.id, account.role)

    def must_be(self, role: Role) -> None:
        """Raise Forbidden unless this actor may do what ``role`` may."""
        if not self.role.includes(role):
            raise Forbidden(_NEEDED[role])


SYSTEM = Actor(None, Role.ADMIN)
