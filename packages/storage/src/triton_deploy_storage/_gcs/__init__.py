"""What `GcsStore` is made of."""
