"""The command line: `tulle`.  Commands read like sentences; each is one call of `tulle.api`.

It knows words and tables only.  Heavy modules are imported by the commands that need them.
"""
