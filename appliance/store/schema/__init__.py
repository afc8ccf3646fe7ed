"""The steps of the schema, one SQL file each, run in the order of their numbers by `migrate.py`."""
