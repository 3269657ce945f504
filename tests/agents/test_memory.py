"""What a burst leaves in the heap goes back to the box."""

import subprocess
import sys

# A process of its own: the tests' own heap is of no use for this.
BURST = """
from suanli_agent import memory
thrift = memory.Thrift()
assert not thrift.look(), "nothing to be had yet"
before = memory.resident()
held = [bytes(2000) for _ in range(30_000)]  # pieces too large for Python's own pools, too small for mmap
last = bytes(2000)  # lies above them: without a trim the heap's top cannot fall
grown = memory.resident()
assert grown > before + (40 << 20), (before, grown)
del held
assert thrift.look(), "there is something to be had"
after = memory.resident()
assert after < before + (8 << 20), (before, grown, after)
assert not thrift.look(), "once is enough"
"""


def test_what_a_burst_leaves_is_given_back_once() -> None:
    done = subprocess.run([sys.executable, "-c", BURST], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
