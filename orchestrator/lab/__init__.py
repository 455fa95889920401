"""The policy lab: the scheduler's own decisions against others, on a request trace in simulated time."""
