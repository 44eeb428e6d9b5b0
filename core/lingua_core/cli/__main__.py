"""`python -m lingua_core.cli` is the `lingua` command."""

from lingua_core.cli import main

if __name__ == "__main__":
    main()
