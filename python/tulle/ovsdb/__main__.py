"""`python -m tulle.ovsdb`: the same as `tulle ovsdb-server`."""

import sys

from tulle.ovsdb.command import main

if __name__ == "__main__":
    sys.exit(main())
