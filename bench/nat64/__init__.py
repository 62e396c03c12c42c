"""The gateway agent's own costs: planning, a cycle, idling."""
