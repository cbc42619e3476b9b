"""What `FaultProxy` is made of."""
