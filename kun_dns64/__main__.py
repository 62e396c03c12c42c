"""Run `python -m kun_dns64` as the kun-dns64 command."""

from kun_dns64.cli.main import main

main()
