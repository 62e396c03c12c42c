"""The file of a kun-dns64 that follows a controller."""

CONFIG = """
[server]
listen = ["127.0.0.1:{port}"]
workers = 1
trust_ecs_from = ["127.0.0.1/32"]
[admin]
listen = ""
[control]
socket = "none"
[upstream]
servers = ["udp://127.0.0.1:{upstream}"]
[follow]
url = "http://127.0.0.1:{controller}"
token_file = "token"
state_dir = "state"
"""


def one_worker(port: int, upstream: int, controller: int) -> str:
    """Give the file: all ports on the loopback, one worker, no admin pages."""
    return CONFIG.format(port=port, upstream=upstream, controller=controller)
