"""A server of S3's protocol that is not what takes the time."""
