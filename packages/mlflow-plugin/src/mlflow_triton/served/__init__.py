"""Files that are deployed with models and run where the server is."""
