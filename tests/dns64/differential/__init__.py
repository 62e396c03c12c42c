"""kun-dns64 beside BIND and Unbound: the same names, the same prefix, the same resolver behind all three."""
