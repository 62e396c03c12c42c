"""`python -m lab`: see --help."""

from lab.cli import main

main()
