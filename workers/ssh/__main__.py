"""`python -m workers.ssh`: try one login, as JSON on stdin says; credentials are never arguments.

Reads `{"address", "port", "username", "fingerprint", "password" | "key_file"}`. Exit code 0: let in,
1: refused, 2: could not be tried (stderr says why).
"""

import json
import sys
from pathlib import Path

from orchestrator.errors import SshAuthNotOffered, SshError, SshNotYet
from workers.ssh.login import log_in

TIMEOUT_SECONDS = 20


def main() -> int:
    """Try the login."""
    asked = json.load(sys.stdin)
    key_file = asked.get("key_file")
    try:
        hostname = log_in(
            asked["address"],
            asked["port"],
            asked["username"],
            password=asked.get("password"),
            private_key=Path(key_file).read_text(encoding="utf-8") if key_file else None,
            expected_fingerprint=asked["fingerprint"],
            timeout_seconds=TIMEOUT_SECONDS,
        )
    except (SshNotYet, SshAuthNotOffered) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except SshError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"{hostname}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
