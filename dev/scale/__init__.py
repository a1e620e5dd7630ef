"""Nodes that only pretend: KWOK's, on which pods go through the states of a real one without running anything.

They join whatever cluster is there. Nothing lands on them by accident (a taint), and what was made for them stays on
them (node selector, and the node affinity of their volumes).
"""
