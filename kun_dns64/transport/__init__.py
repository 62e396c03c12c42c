"""Sockets: listeners towards clients, connections towards upstreams. Foreign exceptions end here."""
