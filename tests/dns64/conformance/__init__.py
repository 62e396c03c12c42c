"""Black-box conformance of kun-dns64: a scripted upstream behind it, a client in front, one row per rule."""
