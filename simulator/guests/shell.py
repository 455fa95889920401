"""The shell of a simulated guest: a few commands, and plain words about being simulated."""

import shlex
from collections.abc import Callable
from dataclasses import dataclass

from simulator.guests.images import IMAGES
from simulator.state.vms import Vm

BANNER = (
    "This is a simulated VM: nothing here computes. Try: nvidia-smi -L, cloud-init status, hostname, exit\n"
)

SHELLS = ("sh", "bash")
WRAPPERS = (*SHELLS, "sudo", "env")


@dataclass(frozen=True)
class Gpu:
    """A card as nvidia-smi shows it."""

    product: str
    uuid: str
    bus: str


@dataclass(frozen=True)
class Session:
    """Where a command runs."""

    vm: Vm
    user: str
    gpus: tuple[Gpu, ...]
    uptime: int
    power_off: Callable[[], None]


@dataclass(frozen=True)
class Result:
    """What a command printed and how it ended."""

    code: int = 0
    out: str = ""
    err: str = ""


def run(session: Session, line: str) -> Result:
    """Run a command line: simple commands joined with `;` and `&&`."""
    out = err = ""
    code = 0
    for part in line.replace("&&", ";&&").split(";"):
        command = part.strip()
        if command.startswith("&&"):
            command = command.removeprefix("&&").strip()
            if code:
                continue
        if not command:
            continue
        result = _redirected(session, _words(command))
        code, out, err = result.code, out + result.out, err + result.err
    return Result(code, out, err)


def _redirected(session: Session, words: list[str]) -> Result:
    """Run a command; `> file` and `>> file` at its end write to a file of the guest."""
    if len(words) < 3 or words[-2] not in (">", ">>"):
        return run_one(session, words)
    result, files, path = run_one(session, words[:-2]), session.vm.disk.files, words[-1]
    files[path] = (files.get(path, "") if words[-2] == ">>" else "") + result.out
    return Result(result.code, "", result.err)


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:
        return [command]


def run_one(session: Session, words: list[str]) -> Result:
    """Run one command given as words; `sudo` and a shell's `-c` are seen through."""
    while words and words[0] in ("sudo", "env", "-n"):
        words = words[1:]
    if not words:
        return Result()
    name = words[0].rsplit("/", 1)[-1]
    if name in SHELLS and len(words) > 2 and words[1] in ("-c", "-lc"):
        return run(session, words[2])
    command = COMMANDS.get(name)
    if command is None:
        return Result(127, err=f"{name}: command not found (this is a simulated VM)\n")
    return command(session, words[1:])


def _nvidia_smi(session: Session, arguments: list[str]) -> Result:
    if not session.gpus:
        return Result(6, "No devices were found\n")
    if "-L" in arguments or "--list-gpus" in arguments:
        lines = [f"GPU {i}: {gpu.product} (UUID: {gpu.uuid})" for i, gpu in enumerate(session.gpus)]
    elif any(argument.startswith("--query-gpu") for argument in arguments):
        lines = [f"{i}, {gpu.product}, {gpu.uuid}, {gpu.bus}" for i, gpu in enumerate(session.gpus)]
    else:
        lines = ["NVIDIA-SMI (simulated)"]
        lines += [f"  {i}  {gpu.product:<52} {gpu.bus}" for i, gpu in enumerate(session.gpus)]
    return Result(0, "\n".join(lines) + "\n")


def _cloud_init(session: Session, arguments: list[str]) -> Result:
    if arguments[:1] != ["status"]:
        return Result(2, err="usage: cloud-init status [--wait]\n")
    return Result(0, "status: done\n")


def _id(session: Session, arguments: list[str]) -> Result:
    number = 0 if session.user == "root" else 1000
    if "-u" in arguments:
        return Result(0, f"{number}\n")
    return Result(0, f"uid={number}({session.user}) gid={number}({session.user})\n")


def _cat(session: Session, arguments: list[str]) -> Result:
    out = err = ""
    for path in arguments:
        content = read_file(session.vm, path)
        if content is None:
            err += f"cat: {path}: No such file or directory\n"
        else:
            out += content
    return Result(1 if err else 0, out, err)


def _test(session: Session, arguments: list[str]) -> Result:
    there = len(arguments) > 1 and read_file(session.vm, arguments[1]) is not None
    return Result(0 if there else 1)


def _uname(session: Session, arguments: list[str]) -> Result:
    kernel = IMAGES[session.vm.disk.image].kernel
    return Result(
        0, f"Linux {session.vm.disk.hostname} {kernel} x86_64 GNU/Linux\n" if "-a" in arguments else "Linux\n"
    )


def _power_off(session: Session, arguments: list[str]) -> Result:
    session.power_off()
    return Result()


def read_file(vm: Vm, path: str) -> str | None:
    """A file of the guest: one that was written, or one of the few that every guest has."""
    image = IMAGES[vm.disk.image]
    release = f'PRETTY_NAME="{image.pretty_name}"\nID={image.id}\nVERSION_ID="{image.version_id}"\n'
    standard = {"/etc/hostname": f"{vm.disk.hostname}\n", "/etc/os-release": release}
    return vm.disk.files.get(path, standard.get(path))


COMMANDS: dict[str, Callable[[Session, list[str]], Result]] = {
    "[": _test,
    "cat": _cat,
    "cloud-init": _cloud_init,
    "echo": lambda _session, arguments: Result(0, " ".join(arguments) + "\n"),
    "false": lambda _session, _arguments: Result(1),
    "hostname": lambda session, _arguments: Result(0, f"{session.vm.disk.hostname}\n"),
    "id": _id,
    "nproc": lambda session, _arguments: Result(0, f"{session.vm.vcpus}\n"),
    "nvidia-smi": _nvidia_smi,
    "poweroff": _power_off,
    "shutdown": _power_off,
    "test": _test,
    "true": lambda _session, _arguments: Result(),
    "uname": _uname,
    "uptime": lambda session, _arguments: Result(0, f" up {session.uptime} s (simulated)\n"),
    "wall": lambda _session, _arguments: Result(),
    "whoami": lambda session, _arguments: Result(0, f"{session.user}\n"),
}
