"""Side-by-side benchmarks: `python -m bench dns64` and `python -m bench nat64`."""
