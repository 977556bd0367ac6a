"""``python -m jellyformat``."""

from jellyformat.cli.main import main

main()
