"""Passengers of ferries: a location that was there before, and adopts by degrees."""
