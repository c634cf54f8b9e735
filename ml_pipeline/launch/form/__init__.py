"""The parameters of a pipeline as one page that needs neither a server nor anything else."""
