"""Users, tokens, roles and access control entries."""

from dataclasses import dataclass, field

from simulator.access.privileges import ROLES

ROOT = "root@pam"


@dataclass(frozen=True)
class Identity:
    """Who makes a call: a user by ticket, or one of the user's tokens."""

    user: str
    token: str | None = None

    @property
    def name(self) -> str:
        """As it stands in task ids: `user@realm` or `user@realm!token`."""
        return f"{self.user}!{self.token}" if self.token else self.user

    @property
    def is_root(self) -> bool:
        """Only a ticket of root@pam is root; a token of root is not."""
        return self.user == ROOT and self.token is None


@dataclass
class Token:
    """An API token. With privilege separation it has no more than its own entries and its user's allow."""

    secret: str
    separated: bool = True
    comment: str = ""
    expire: int = 0


@dataclass
class User:
    """A PVE user."""

    password: str = ""
    tokens: dict[str, Token] = field(default_factory=dict)
    comment: str = ""
    enabled: bool = True
    expire: int = 0


@dataclass
class Entry:
    """One access control entry."""

    path: str
    subject: str
    """A user or a full token id."""
    role: str
    propagate: bool = True


@dataclass
class Directory:
    """All of /etc/pve/user.cfg."""

    users: dict[str, User] = field(default_factory=lambda: {ROOT: User()})
    roles: dict[str, frozenset[str]] = field(default_factory=lambda: dict(ROLES))
    entries: list[Entry] = field(default_factory=list)

    def grant(self, path: str, subject: str, role: str, propagate: bool = True) -> None:
        """Add or replace an entry."""
        self.revoke(path, subject, role)
        self.entries.append(Entry(path, subject, role, propagate))

    def revoke(self, path: str, subject: str, role: str) -> None:
        """Remove an entry."""
        self.entries = [
            entry
            for entry in self.entries
            if (entry.path, entry.subject, entry.role) != (path, subject, role)
        ]

    def token(self, identity: Identity) -> Token | None:
        """The token behind an identity."""
        user = self.users.get(identity.user)
        return user.tokens.get(identity.token) if user and identity.token else None
