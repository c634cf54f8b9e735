"""What stores hold, in a database that is asked instead of every record."""
