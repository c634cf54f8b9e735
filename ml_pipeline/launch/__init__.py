"""How a request becomes a run, from any door."""
