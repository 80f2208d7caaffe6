"""What `bench/vswitch.py` is made of: two switches side by side, loads, and a file for each row of the table."""
