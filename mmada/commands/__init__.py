"""What the command `mmada` does, a file for each of its commands.

`command_line.py` reads all of their arguments, and imports the file of a
command only then. The scripts of `tools/` call the same commands.
"""
