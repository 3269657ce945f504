"""What this box is: processor, system, memory, disks, accelerators, and how much of it pods may have.

Reads files below one root (`/`, or the host's root mounted into a container, or a fixture) and nothing else:
no network, no processes started, nothing written. A reader that fails is reported and never stops the others.
Facts and sources are those of util-linux `lscpu-arm.c`, the kernels' `cputype.h`, pci.ids and the x86-64 psABI.
"""
