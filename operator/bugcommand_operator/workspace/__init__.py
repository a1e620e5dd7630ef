"""Git at the edges of a command's life: fetch the mirror, prepare the tree, export the work, publish it.

Runs in short-lived containers as `mentu-workspace`. It knows no Kubernetes, and it never runs git inside a
repository that an agent could write to. Its start-up time stands in every agent's way, so it imports little:
`typing.NamedTuple` instead of dataclasses, `os.path` instead of pathlib, everything else where it is needed.
"""
