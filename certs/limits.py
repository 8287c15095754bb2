"""Every number of this package, each tested at its edge."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

ROOT_DAYS: Final = 7300
ISSUING_DAYS: Final = 1825
SERVER_DAYS: Final = 90
GATEWAY_DAYS: Final = 30
LEAF_DAYS_MAX: Final = 398

# A box whose clock runs a little late must still accept a certificate made a minute ago.
BACKDATE: Final = timedelta(hours=1)

HOSTS_MAX: Final = 32
KEY_FILE_BYTES_MAX: Final = 65_536
