"""What people and programs see: pages, the REST API, settings."""

__version__ = "0.1.0"
