"""What `LocalStore` is made of."""
