"""The main job, shown and checked: one section a file, each a function of the running lab.

A section prints what it saw and tells the report what was expected; the demo's exit code is the report's.
"""
