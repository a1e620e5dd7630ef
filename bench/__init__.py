"""`make bench`: measures the operator against its peers, each pair in the same minutes on the same machine.

It may not judge by itself: whatever the figures, it ends with 0 once they were taken.
"""
