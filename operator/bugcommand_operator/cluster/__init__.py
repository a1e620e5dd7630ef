"""All Kubernetes I/O: the one room that talks to an API server, and the process's log format.

It knows no BugCommand policy and takes no decision; rooms above say what to read and write.
"""
