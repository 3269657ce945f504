"""Capacity, what is held back of it, and usage between two samples."""

import dataclasses
import functools

from hypothesis import given
from hypothesis import strategies as st

from suanli_agent.hardware import capacity, root, system, usage

amounts = capacity.Amounts(cpus=4, memory_bytes=8 << 30, storage_bytes=100 << 30, pods=110)
numbers = st.integers(min_value=0, max_value=1 << 45)
others = st.builds(capacity.Others, numbers, numbers, numbers)


def test_allocatable_is_capacity_less_what_else_runs() -> None:
    reserve = capacity.Others(cpu_milli=300, memory_bytes=1 << 30, storage_bytes=10 << 30)
    assert capacity.allocatable(amounts, reserve) == {
        "cpu": "3700m",
        "memory": f"{7 << 20}Ki",
        "ephemeral-storage": f"{80 << 20}Ki",
        "pods": "110",
    }


def test_hugepages_are_taken_out_of_memory() -> None:
    """Pages that were set aside cannot serve ordinary memory."""
    with_pages = dataclasses.replace(amounts, extended={"hugepages-2Mi": 1 << 30, "nvidia.com/gpu": 2})
    result = capacity.allocatable(with_pages, capacity.Others())
    assert result["memory"] == f"{7 << 20}Ki"
    assert result["hugepages-2Mi"] == str(1 << 30)
    assert result["nvidia.com/gpu"] == "2"


@given(others, others)
def test_the_reserve_covers_what_was_measured(before: capacity.Others, measured: capacity.Others) -> None:
    held = capacity.hold_back(before, measured)
    assert held.cpu_milli >= measured.cpu_milli
    assert held.memory_bytes >= measured.memory_bytes
    assert held.storage_bytes >= measured.storage_bytes


@given(others)
def test_the_same_measure_twice_changes_nothing(measured: capacity.Others) -> None:
    held = capacity.hold_back(None, measured)
    assert capacity.hold_back(held, measured) == held


def test_a_small_drop_is_not_announced() -> None:
    """Else a program at the edge of a step would write the Node at every reading."""
    held = capacity.hold_back(None, capacity.Others(memory_bytes=300 * capacity.MIB))
    dropped = capacity.hold_back(held, capacity.Others(memory_bytes=250 * capacity.MIB))
    assert dropped == held
    assert (
        capacity.hold_back(held, capacity.Others(memory_bytes=100 * capacity.MIB)).memory_bytes
        == 128 * capacity.MIB
    )


@given(st.lists(others, min_size=1))
def test_between_two_writes_of_the_node_the_reserve_only_grows(readings: list[capacity.Others]) -> None:
    """Law: another program's ups and downs cost few writes, and the last word covers the peak."""
    held = [capacity.Others()]
    for reading in readings:
        held.append(capacity.grown(held[-1], reading))
        assert capacity.most(held[-2], held[-1]) == held[-1] == capacity.most(held[-1], reading)
    peak = functools.reduce(capacity.most, readings)
    assert capacity.grown(held[-1], peak) == held[-1]


def test_cpu_use_is_what_ran_between_two_samples() -> None:
    first = usage.parse_cpu_ticks("cpu  100 0 100 800 0 0 0 0 0 0\n")
    second = usage.parse_cpu_ticks("cpu  150 0 150 900 0 0 0 0 0 0\n")
    sample = usage.read(root.Root("/"), "/", now=0.0)
    before = dataclasses.replace(sample, cpu_busy_ticks=first[0], cpu_total_ticks=first[1])
    after = dataclasses.replace(sample, cpu_busy_ticks=second[0], cpu_total_ticks=second[1])
    assert usage.cpu_milli(before, after, cpus=4) == 2000
    assert usage.cpu_milli(after, after, cpus=4) == 0


def test_pod_interfaces_do_not_count_twice() -> None:
    text = "Inter-| Receive\n  lo: 9 0 0 0 0 0 0 0 9 0\neth0: 100 1 0 0 0 0 0 0 50 1\nveth1: 7 0 0 0 0 0 0 0 7 0\n"
    assert usage.parse_network(text) == (100, 50)


def test_meminfo_counts_kib() -> None:
    assert system.parse_meminfo("MemTotal:       1024 kB\nHugePages_Total:   3\n") == {
        "MemTotal": 1 << 20,
        "HugePages_Total": 3,
    }


def test_this_machine_can_be_sampled() -> None:
    """The real /proc, not a copy of it."""
    sample = usage.read(root.Root("/"), "/")
    assert 0 < sample.memory_available_bytes < sample.memory_bytes
    assert 0 < sample.cpu_busy_ticks < sample.cpu_total_ticks
    assert 0 < sample.processes < sample.processes_limit
    assert sample.disk_total_bytes > 0
