"""A whole data centre on one machine: nodes, controller and workloads in network namespaces.

What it is not: a part of the product that runs on real hosts.  It starts the same processes with the
same options that an operator would, and knows nothing of their inside.
"""
