"""Builds the project's images without any registry, brings them into a cluster, or pushes them to one of the user's."""
