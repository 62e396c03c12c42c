"""A long run under load: reloads, upstreams that come and go, every answer checked, memory watched."""
