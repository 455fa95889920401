"""The evaluation of access control lists: which privileges somebody has on a path."""

from simulator.access.directory import Directory, Identity
from simulator.access.privileges import PRIVILEGES

STANDARD_PATHS = ("/", "/access", "/access/groups", "/nodes", "/pool", "/sdn", "/storage", "/vms")
"""The paths that /access/permissions shows beside those of entries."""


def privileges(directory: Directory, who: Identity, path: str, pool: str | None = None) -> dict[str, bool]:
    """Privileges on a path, each with whether it propagates below it. A VM has those of its pool as well."""
    if who.is_root:
        return dict.fromkeys(PRIVILEGES, True)
    token = directory.token(who)
    of_user = _of_subject(directory, who.user, path)
    if pool is not None:
        of_user |= _of_subject(directory, who.user, f"/pool/{pool}")
    if token is None or not token.separated:
        return dict.fromkeys(PRIVILEGES, True) if who.user == "root@pam" else of_user
    of_token = _of_subject(directory, who.name, path)
    if pool is not None:
        of_token |= _of_subject(directory, who.name, f"/pool/{pool}")
    if who.user == "root@pam":
        return of_token
    return {name: of_token[name] and of_user[name] for name in of_token if name in of_user}


def _of_subject(directory: Directory, subject: str, path: str) -> dict[str, bool]:
    """Roles of the deepest level that has any: an entry replaces what it would inherit."""
    result: dict[str, bool] = {}
    for level in _levels(path):
        here = [entry for entry in directory.entries if entry.path == level and entry.subject == subject]
        if level != path:
            here = [entry for entry in here if entry.propagate]
        if here:
            result = {
                privilege: entry.propagate
                for entry in here
                for privilege in directory.roles.get(entry.role, ())
            }
    return result


def _levels(path: str) -> list[str]:
    parts = [part for part in path.split("/") if part]
    return ["/", *("/" + "/".join(parts[: count + 1]) for count in range(len(parts)))]
