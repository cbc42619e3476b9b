"""What the documentation's site has beside the pages in ``docs/``: see ``nox -s docs``."""
