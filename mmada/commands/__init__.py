"""What the command `mmada` does, a file for each of its commands.

`command_line.py` finds the command, with what `arguments.py` says of it, and
imports its file only then. The scripts of `tools/` call the same commands.
"""
