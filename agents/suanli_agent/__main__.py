"""Entry point of `suanli-agent`."""

import sys


def main() -> None:
    """Run the command line."""
    if sys.argv[1:] == ["run"]:
        # The daemon, as its unit starts it, without a parser: argparse would stay in its memory, 1 MiB, for ever.
        from suanli_agent.cli import run  # noqa: PLC0415

        sys.exit(run.start())
    from suanli_agent.cli import root  # noqa: PLC0415

    sys.exit(root.main())


if __name__ == "__main__":
    main()
