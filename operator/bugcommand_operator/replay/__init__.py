"""A model server that speaks the Messages API from a written scenario.

With it the real agent really edits, runs tests and commits, without a key.
It never contacts a real model and holds no secret.
"""
