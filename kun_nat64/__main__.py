"""Run `python -m kun_nat64` as the kun-nat64 command."""

from kun_nat64.cli.main import main

main()
