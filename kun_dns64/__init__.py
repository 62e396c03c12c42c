"""DNS64 server that knows its gateways."""
