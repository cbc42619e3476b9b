"""The laws of `BlobStore`, one module for each kind; `store_contract` puts them together."""
