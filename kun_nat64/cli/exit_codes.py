"""Exit codes of the commands. 2 is a wrong file or flag (cli/main.py)."""

DONE, FAILED, CHANGES, REFUSED = 0, 1, 10, 11
