"""The switch process: an Open_vSwitch database, OpenFlow and control sockets around the native data path.

`process` is the entry point.  It knows nothing of virtual networks, agents or controllers.
"""
