"""Parts of bench/control.py."""
