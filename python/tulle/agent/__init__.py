"""The agent of a node: turns intent and state into interfaces, flows and attachments of the local switch.

`process` is the entry point.  Pure decisions are in `placing`, `interfaces` and `compilation`.
"""
