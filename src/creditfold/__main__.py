"""`python -m creditfold` is the command line."""

from creditfold.cli.app import main

if __name__ == "__main__":
    main()
