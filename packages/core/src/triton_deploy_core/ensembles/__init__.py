"""Deployments made of several models: an ensemble, and parts that are models of their own."""
