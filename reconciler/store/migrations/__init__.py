"""Upgrades of the database's schema, one file each, run by alembic."""
