"""The bridge: commands that come as rows of `bridge_commands` or by `POST /bridge/commands` become BugCommands, and
what becomes of those is written back. It decides nothing about how a command is carried out.
"""
