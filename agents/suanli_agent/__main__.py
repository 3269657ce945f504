"""Entry point of `suanli-agent`."""

import sys

from suanli_agent.cli import root


def main() -> None:
    """Run the command line."""
    sys.exit(root.main())


if __name__ == "__main__":
    main()
