"""`python -m workers --node vm01 [--node …]`: the worker pool of one or more nodes."""

import argparse
import logging
import os
import socket

from orchestrator.settings import Settings
from workers.process import WorkerProcess


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(prog="python -m workers", description=__doc__)
    parser.add_argument("--node", action="append", required=True, help="node to serve; may be repeated")
    parser.add_argument("--name", help="unique name of this worker; default: nodes, host and process id")
    arguments = parser.parse_args()
    settings = Settings()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    name = arguments.name or f"{'+'.join(arguments.node)}.{os.getpid()}@{socket.gethostname()}"
    WorkerProcess(settings, arguments.node, name).run()


if __name__ == "__main__":
    main()
