"""Telling an OpenLineage server which datasets were made of which, by which run."""
