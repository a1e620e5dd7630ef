"""The git server for development and tests: its image, its manifests, its certificate and user."""
