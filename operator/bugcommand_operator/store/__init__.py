"""All SQL of the project: the log rows, their migrations, and nothing that knows what a command is.

It may not import Kubernetes, HTTP or any room above it. Callers see frozen dataclasses, one small
protocol for each direction and the exceptions of `errors`; an engine or a row never leaves this room.
"""
