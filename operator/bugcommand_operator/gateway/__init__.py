"""The HTTP side of the operator: it takes the agents' log lines in and answers only for what is committed.

It may not import Kubernetes (that is `cluster`'s) nor write SQL (that is `store`'s).
"""
