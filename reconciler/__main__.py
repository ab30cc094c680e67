"""``python -m reconciler``, and the command ``reconciler``."""

from __future__ import annotations

import signal


def main() -> None:
    """Run the command line of this process. An interrupt while modules load ends it at once: nothing has been done yet."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from reconciler.cli import main as run

    run()


if __name__ == "__main__":
    main()
