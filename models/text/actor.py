"""Who asks for a change."""

from dataclasses import dataclass
from typing import Self

from models.tables.people import Account, Role
from models.text.errors import Forbidden


@dataclass(frozen=True)
class Actor:
    """An account and its role.  ``account_id`` is None for the service itself, such as the ticker."""

    account_id: int | None
    role: Role

    @classmethod
    def of(cls, account: Account) -> Self:
        """The actor behind an account."""
        return cls(account.id, account.role)

    def must_be(self, role: Role) -> None:
        """Raise Forbidden unless this actor may do what ``role`` may."""
        if not self.role.includes(role):
            raise Forbidden(f"This needs the role {role.value}; you are {self.role.value}.")


SYSTEM = Actor(None, Role.ADMIN)
