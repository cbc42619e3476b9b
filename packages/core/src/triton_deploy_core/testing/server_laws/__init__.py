"""The laws of `InferenceServer`, one module for each kind; `server_contract` puts them together."""
