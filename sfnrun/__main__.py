"""`python -m sfnrun` is the command line."""

from sfnrun.cli.entry import main

if __name__ == "__main__":
    main()
