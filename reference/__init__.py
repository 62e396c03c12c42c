"""Files that are written from the code: the example configuration files and docs/reference.md (`make reference`)."""
