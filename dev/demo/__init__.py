"""The demo: a real project with a failing test, a BugCommand, and a branch that makes the test pass.

It uses what any user has (kubectl, helm, git) and the files of examples/; it has no way into the operator.
"""
