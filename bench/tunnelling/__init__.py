"""Tunnels beside bridges, the kernel's VXLAN and Open vSwitch: the pieces of bench/tunnels.py."""
