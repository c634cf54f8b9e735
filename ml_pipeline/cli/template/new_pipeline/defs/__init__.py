"""What `dg scaffold defs` adds here is loaded beside the pipeline."""
