"""`python -m bench.follow`."""

from bench.follow import clients, stream

for line in [*clients.report(), *stream.report()]:
    print(line)
