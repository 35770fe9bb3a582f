"""`python healthy.py URL`: exits with 0 where the program behind the URL says within four seconds that it is well."""

import sys
import urllib.request

try:
    with urllib.request.urlopen(sys.argv[1], timeout=4):
        pass
except OSError as error:
    sys.exit(f"{sys.argv[1]}: {error}")
