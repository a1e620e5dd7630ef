"""A Postgres for development and tests on a cluster: its image, its manifests, its password."""
