"""/version and /access."""

from typing import Any

from simulator.access.acl import STANDARD_PATHS, privileges
from simulator.access.directory import Identity, Token, User
from simulator.access.privileges import BUILT_IN_ROLES, PRIVILEGES
from simulator.access.rules import on
from simulator.api.call import Call, Endpoint
from simulator.errors import PveError, bad_parameters
from simulator.schema import formats
from simulator.schema.formats import split_tags
from simulator.schema.parameters import boolean, integer, need, text

VERSION = {"version": "9.2.11", "release": "9.2", "repoid": "14a22df35955d97d"}

_CAPABILITY_GROUPS = {
    "access": ("User.", "Group.", "Permissions."),
    "dc": ("Sys.Audit", "Sys.Modify", "SDN."),
    "mapping": ("Mapping.", "Permissions."),
    "nodes": ("Sys.", "Permissions."),
    "sdn": ("SDN.", "Permissions."),
    "storage": ("Datastore.", "Permissions."),
    "vms": ("VM.", "Permissions."),
}


def _version(_call: Call) -> dict[str, str]:
    return VERSION


def _log_in(call: Call) -> dict[str, Any]:
    name = call.args["username"]
    if "@" not in name:
        name = f"{name}@{call.args.get('realm', 'pam')}"
    identity = call.world.logins.log_in(name, call.args["password"])
    owned = privileges(call.world.cluster.directory, identity, "/")
    return {
        "username": identity.user,
        "ticket": call.world.logins.ticket(identity.user),
        "CSRFPreventionToken": call.world.logins.csrf_token(identity.user),
        "cap": {
            group: {name: 1 for name in sorted(owned) if name.startswith(prefixes)}
            for group, prefixes in _CAPABILITY_GROUPS.items()
        },
    }


def _list_users(call: Call) -> list[dict[str, Any]]:
    users = call.world.cluster.directory.users
    everybody = call.rights.any("/access", "User.Modify", "Sys.Audit")
    return [
        {"userid": name, "enable": int(user.enabled), "expire": user.expire, "comment": user.comment}
        for name, user in users.items()
        if everybody or name == call.who.user
    ]


def _add_user(call: Call) -> None:
    name = call.args["userid"]
    users = call.world.cluster.directory.users
    if name in users:
        raise PveError(f"create user failed: user '{name}' already exists")
    users[name] = User(call.args.get("password", ""), comment=call.args.get("comment", ""))


def _remove_user(call: Call) -> None:
    users = call.world.cluster.directory.users
    _known_user(call)
    del users[call.args["userid"]]


def _known_user(call: Call) -> User:
    user = call.world.cluster.directory.users.get(call.args["userid"])
    if user is None:
        raise PveError(f"no such user ('{call.args['userid']}')")
    return user


def _list_tokens(call: Call) -> list[dict[str, Any]]:
    return [
        {"tokenid": name, "privsep": int(token.separated), "expire": token.expire, "comment": token.comment}
        for name, token in _known_user(call).tokens.items()
    ]


def _add_token(call: Call) -> dict[str, Any]:
    tokens, name = _known_user(call).tokens, call.args["tokenid"]
    if name in tokens:
        raise bad_parameters({"tokenid": "Token already exists."})
    separated = call.args.get("privsep", True)
    token = Token(call.world.new_uuid(), separated, call.args.get("comment", ""), call.args.get("expire", 0))
    tokens[name] = token
    info = {
        option: call.written[option] for option in ("privsep", "comment", "expire") if option in call.written
    }
    return {
        "full-tokenid": f"{call.args['userid']}!{name}",
        "value": token.secret,
        "info": {"privsep": str(int(separated)), **info},
    }


def _remove_token(call: Call) -> None:
    tokens, name = _known_user(call).tokens, call.args["tokenid"]
    if name not in tokens:
        raise PveError(f"no such token '{name}' for user '{call.args['userid']}'")
    del tokens[name]


def _check_privileges(value: str) -> None:
    for name in split_tags(value):
        if name not in PRIVILEGES:
            raise ValueError(f"invalid privilege '{name}'\n")


def _list_roles(call: Call) -> list[dict[str, Any]]:
    return [
        {"roleid": name, "privs": ",".join(sorted(owned)), "special": int(name in BUILT_IN_ROLES)}
        for name, owned in call.world.cluster.directory.roles.items()
    ]


def _known_role(call: Call) -> frozenset[str]:
    roles = call.world.cluster.directory.roles
    if call.args["roleid"] not in roles:
        raise PveError(f"role '{call.args['roleid']}' does not exist")
    return roles[call.args["roleid"]]


def _add_role(call: Call) -> None:
    roles, name = call.world.cluster.directory.roles, call.args["roleid"]
    if name in roles:
        raise PveError(f"create role failed: role '{name}' already exists")
    roles[name] = frozenset(split_tags(call.args.get("privs", "")))


def _change_role(call: Call) -> None:
    kept = _known_role(call) if call.args.get("append") else frozenset()
    roles = call.world.cluster.directory.roles
    roles[call.args["roleid"]] = kept | frozenset(split_tags(call.args.get("privs", "")))


def _remove_role(call: Call) -> None:
    _known_role(call)
    del call.world.cluster.directory.roles[call.args["roleid"]]


def _read_role(call: Call) -> dict[str, int]:
    return dict.fromkeys(sorted(_known_role(call)), 1)


def _list_acl(call: Call) -> list[dict[str, Any]]:
    return [
        {
            "path": entry.path,
            "ugid": entry.subject,
            "type": "token" if "!" in entry.subject else "user",
            "roleid": entry.role,
            "propagate": int(entry.propagate),
        }
        for entry in call.world.cluster.directory.entries
        if call.rights.has(entry.path, "Permissions.Modify")
    ]


def _change_acl(call: Call) -> None:
    path = "/" + call.args["path"].strip("/")
    call.rights.require(path, "Permissions.Modify")
    directory = call.world.cluster.directory
    subjects = split_tags(call.args.get("users", "")) + split_tags(call.args.get("tokens", ""))
    for subject in subjects:
        for role in split_tags(call.args["roles"]):
            if role not in directory.roles:
                raise bad_parameters({"roles": f"role '{role}' does not exist"})
            if call.args.get("delete"):
                directory.revoke(path, subject, role)
            else:
                directory.grant(path, subject, role, call.args.get("propagate", True))


def _permissions(call: Call) -> dict[str, dict[str, int]]:
    who = call.who
    if "userid" in call.args:
        user, _, token = call.args["userid"].partition("!")
        who = Identity(user, token or None)
    directory = call.world.cluster.directory
    wanted = [call.args["path"]] if "path" in call.args else STANDARD_PATHS
    paths = {*wanted, *(entry.path for entry in directory.entries if "path" not in call.args)}
    found = {path: privileges(directory, who, path) for path in sorted(paths)}
    return {
        path: {name: int(spreads) for name, spreads in sorted(owned.items())}
        for path, owned in found.items()
        if owned
    }


_USER = {"userid": need(text(formats.user_id, max_length=64))}
_PRIVS = {"privs": text(_check_privileges)}

ENDPOINTS = (
    Endpoint("GET", "/version", _version),
    Endpoint(
        "POST",
        "/access/ticket",
        _log_in,
        {
            "username": need(text(max_length=64)),
            "password": need(text()),
            "realm": text(max_length=32),
            "otp": text(),
            "tfa-challenge": text(),
            "path": text(max_length=64, requires="privs"),
            "privs": text(_check_privileges, max_length=64, requires="path"),
            "new-format": boolean(),
        },
        world_readable=True,
        no_token=True,
    ),
    Endpoint("GET", "/access/users", _list_users, {"enabled": boolean(), "full": boolean()}),
    Endpoint(
        "POST",
        "/access/users",
        _add_user,
        {
            **_USER,
            "comment": text(max_length=2048),
            "email": text(max_length=254),
            "enable": boolean(),
            "expire": integer(0),
            "firstname": text(max_length=1024),
            "groups": text(),
            "keys": text(),
            "lastname": text(max_length=1024),
            "password": text(min_length=8, max_length=64),
        },
        on("/access", "User.Modify"),
    ),
    Endpoint("DELETE", "/access/users/{userid}", _remove_user, {}, on("/access", "User.Modify")),
    Endpoint("GET", "/access/users/{userid}/token", _list_tokens, {}, on("/access", "User.Modify")),
    Endpoint(
        "POST",
        "/access/users/{userid}/token/{tokenid}",
        _add_token,
        {"comment": text(), "expire": integer(0), "privsep": boolean()},
        on("/access", "User.Modify"),
    ),
    Endpoint(
        "DELETE", "/access/users/{userid}/token/{tokenid}", _remove_token, {}, on("/access", "User.Modify")
    ),
    Endpoint("GET", "/access/roles", _list_roles),
    Endpoint(
        "POST",
        "/access/roles",
        _add_role,
        {"roleid": need(text(formats.role_id)), **_PRIVS},
        on("/access", "Sys.Modify"),
    ),
    Endpoint("GET", "/access/roles/{roleid}", _read_role),
    Endpoint(
        "PUT",
        "/access/roles/{roleid}",
        _change_role,
        {**_PRIVS, "append": boolean(requires="privs")},
        on("/access", "Sys.Modify"),
    ),
    Endpoint("DELETE", "/access/roles/{roleid}", _remove_role, {}, on("/access", "Sys.Modify")),
    Endpoint("GET", "/access/acl", _list_acl),
    Endpoint(
        "PUT",
        "/access/acl",
        _change_acl,
        {
            "path": need(text()),
            "roles": need(text()),
            "users": text(formats.user_list),
            "tokens": text(formats.token_list),
            "groups": text(),
            "propagate": boolean(),
            "delete": boolean(),
        },
    ),
    Endpoint("GET", "/access/permissions", _permissions, {"path": text(), "userid": text()}),
)
