"""DNS64 server that knows its gateways."""

__version__ = "0.1.0"
