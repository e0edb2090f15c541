"""`python -m attribute`: the same as the command."""

from attribute.cli.main import main

if __name__ == "__main__":
    main()
