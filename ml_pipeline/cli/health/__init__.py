"""What `ml-pipeline doctor` looks at, each by itself."""
