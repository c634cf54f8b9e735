"""What runs, sweeps and promotions came to, in MLflow: noted here, and sent by another process."""
