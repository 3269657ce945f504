"""Entry point of `suanli-agent`."""

import argparse


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="suanli-agent", description=__doc__)
    parser.parse_args()


if __name__ == "__main__":
    main()
