"""Tulle: virtual networks over any physical network, operated as whole objects."""
