"""Telling others what became of runs, sweeps and promotions, once it is in the store."""
