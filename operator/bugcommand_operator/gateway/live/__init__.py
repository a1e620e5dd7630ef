"""Live reading: lines as they are committed, over server-sent events and a WebSocket.

Level-based: an announcement only says how far a log has come. A reader holds how far it has read and takes what is
between the two from a bounded ring of recent lines, or else from the store. Nothing is queued for a reader.
"""
