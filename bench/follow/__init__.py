"""What the followed table costs: memory, look-ups, deltas; and how long a pod's change takes to the new answer."""
