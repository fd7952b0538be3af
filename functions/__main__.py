"""`python -m functions`: the command line."""

from functions.cli.start import main

main()
