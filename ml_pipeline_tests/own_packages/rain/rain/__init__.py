"""Will it rain tomorrow? Asked anew every week."""
