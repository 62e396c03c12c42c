"""Agent that runs one anycast NAT64 gateway."""
