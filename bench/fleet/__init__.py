"""A simulation of ECMP over a fleet of gateways: imbalance, flows that move, what the ring and N-1 carry."""
