"""Where the rooms meet: `suanli-controller` and its verbs."""

from suanli_controller.cli import root


def main() -> None:
    """Run the command line."""
    root.cli()


if __name__ == "__main__":
    main()
