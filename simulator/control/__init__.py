"""The simulator's own interface beside PVE's: faults, events, state, and a page to look at."""
