"""What code a result depends on."""
