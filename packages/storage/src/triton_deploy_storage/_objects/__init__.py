"""What the adapters of all object stores share."""
