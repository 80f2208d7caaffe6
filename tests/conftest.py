"""What holds for all tests: deterministic, whatever else the machine does and however they were started."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

# Who starts the tests in the background may have SIGINT ignored, and programs under test would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "tulle", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("tulle")
