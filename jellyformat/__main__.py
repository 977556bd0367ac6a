"""``python -m jellyformat``, and the installed commands ``jelly`` and ``jellyformat``."""

from jellyformat import searchpath


def main() -> None:
    """Run the command line and exit."""
    searchpath.leave_current_directory()
    from jellyformat.cli.main import main as run  # only now: it imports much

    run()


if __name__ == "__main__":
    main()
