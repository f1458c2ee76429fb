"""From findings to a change of the user's own files, and its proof: two short runs of the program, with and without the change.

Nothing of a log is executed. A proof runs the program that the user names, in processes of its own.
"""
