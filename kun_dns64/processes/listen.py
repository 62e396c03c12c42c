"""Opens the listening sockets at the start, and waits for addresses that are not there yet.

At boot an address may come later than this program, or belong for a moment to the one before. That is no error of the
file: the program says what it waits for, and tries again.
"""

import time

from kun_base.errors import ConfigError, Fault
from kun_base.journal import Journal
from kun_base.notify import notify
from kun_dns64.config.settings import Settings
from kun_dns64.transport.activation import inherited
from kun_dns64.transport.sockets import ListenError, Listening, bind_sets

FIRST_PAUSE_S, MAX_PAUSE_S = 0.2, 5.0


def open_sockets(settings: Settings, journal: Journal) -> list[list[Listening]]:
    """A set for each worker; the kernel spreads queries over them (SO_REUSEPORT).

    Raises ConfigError for what waiting would not change: no permission, no such family.
    """
    pause_s = FIRST_PAUSE_S
    while True:
        try:
            return _opened(settings)
        except ListenError as error:
            if not error.passes:
                raise ConfigError("listen", [Fault("server.listen", "", str(error))]) from error
            journal.warning("waiting", reason=str(error), next_try_s=pause_s)
            # systemd gives a start so long, and as long again with every try.
            notify(f"STATUS=waiting: {error}", "EXTEND_TIMEOUT_USEC=30000000")
        except OSError as error:
            raise ConfigError("listen", [Fault("server.listen", "", str(error))]) from error
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, MAX_PAUSE_S)


def _opened(settings: Settings) -> list[list[Listening]]:
    return inherited(settings.workers) or bind_sets(
        settings.listen, settings.tls_listen, settings.workers, freebind=settings.freebind
    )
