"""What people fill in, one file per family of pages. A form checks shape; policy decides."""
