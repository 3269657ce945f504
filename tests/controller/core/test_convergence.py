"""The steps from what a cluster has to what it should have; played out on a model of a cluster they lead there."""

from collections.abc import Mapping

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from suanli_controller.core import convergence
from suanli_controller.core.convergence import Apply, Delete, Have, Key, Scale, Want


def want(
    name: str = "web", kind: str = "Deployment", replicas: int | None = 2, content: str = "c", terms: str = "t",
    create: bool = True, suspend: bool = False,
) -> Want:  # fmt: skip
    spec = {"parallelism": replicas, "suspend": suspend} if kind == "Job" else {"replicas": replicas}
    manifest = {"kind": kind, "metadata": {"namespace": "office", "name": name}, "spec": spec}
    return Want(manifest, None if kind == "DaemonSet" else replicas, content, terms, "Cloud/core", create)


def have(wanted: Want, generation: int = 1, **other: object) -> Have:
    suspended = bool(wanted.manifest["spec"].get("suspend", False))
    made = Have(
        wanted.key, "uid-1", "9", generation, wanted.replicas, wanted.content, wanted.terms, suspended=suspended
    )
    return msgspec.structs.replace(made, **other)


def test_what_is_not_there_is_applied_without_force() -> None:
    """It may be there under another owner's hand, and is then not to be taken."""
    assert convergence.steps([want()], [], {}) == [Apply(want(), known=False)]


def test_what_is_not_wanted_is_deleted_and_last() -> None:
    old = have(want("old"))
    assert convergence.steps([want("new")], [old], {}) == [Apply(want("new"), known=False), Delete(old)]


def test_what_is_going_already_is_neither_deleted_again_nor_written_to() -> None:
    going = have(want(), deleting=True)
    assert convergence.steps([], [going], {}) == []
    assert convergence.steps([want(content="new")], [going], {}) == []


def test_new_content_is_applied_with_force() -> None:
    new = want(content="new")
    assert convergence.steps([new], [have(want())], {new.key: 1}) == [Apply(new, known=True)]


def test_an_object_is_brought_in_line_once_after_a_restart() -> None:
    assert convergence.steps([want()], [have(want())], {}) == [Apply(want(), known=True)]


def test_a_spec_that_somebody_else_changed_is_put_right() -> None:
    assert convergence.steps([want()], [have(want(), generation=2)], {want().key: 1}) == [
        Apply(want(), known=True)
    ]


def test_fewer_replicas_on_other_nodes_roll_no_pod() -> None:
    fewer = want(replicas=1, terms="other nodes")
    there = have(want())
    assert convergence.steps([fewer], [there], {fewer.key: 1}) == [Scale(fewer, there)]


def test_more_replicas_may_need_the_other_nodes() -> None:
    more = want(replicas=3, terms="other nodes")
    assert convergence.steps([more], [have(want())], {more.key: 1}) == [Apply(more, known=True)]


def test_other_nodes_alone_change_no_deployment() -> None:
    same = want(terms="other nodes")
    assert convergence.steps([same], [have(want())], {}) == []


def test_what_somebody_changed_is_put_right_on_other_nodes_too() -> None:
    same = want(terms="other nodes")
    assert convergence.steps([same], [have(want(), generation=2)], {same.key: 1}) == [Apply(same, known=True)]


def test_a_daemon_set_follows_its_nodes() -> None:
    new = want(kind="DaemonSet", terms="other nodes")
    assert convergence.steps([new], [have(want(kind="DaemonSet"))], {}) == [Apply(new, known=True)]


def test_a_job_keeps_its_template_and_follows_counts_and_suspend() -> None:
    there = have(want(kind="Job"))
    assert convergence.steps([want(kind="Job", content="new", terms="new")], [there], {}) == []
    for changed in (want(kind="Job", replicas=5), want(kind="Job", suspend=True)):
        assert convergence.steps([changed], [there], {}) == [Scale(changed, there)]


def test_a_job_that_has_ended_is_not_made_again() -> None:
    assert convergence.steps([want(kind="Job", create=False)], [], {}) == []


KINDS = st.sampled_from(["Deployment", "Job", "DaemonSet"])
WANTS = st.lists(
    st.builds(
        want, name=st.sampled_from("abcd"), kind=KINDS, replicas=st.integers(0, 3), content=st.sampled_from("xy"),
        terms=st.sampled_from("mn"), create=st.booleans(), suspend=st.booleans(),
    ),
    max_size=6, unique_by=lambda each: each.key,
)  # fmt: skip
APPLIED = st.dictionaries(
    st.tuples(KINDS, st.just("office"), st.sampled_from("abcd")), st.integers(1, 3), max_size=4
)


def after(step: convergence.Step, cluster: dict[Key, Have], applied: dict[Key, int]) -> None:
    """What an API server makes of a step; a write that changes the spec counts its generation up."""
    if isinstance(step, Delete):
        del cluster[step.have.key]
        return
    key = step.want.key
    before = cluster.get(key)
    made = have(step.want)
    if isinstance(step, Scale):
        suspended = made.suspended if key[0] == "Job" else step.have.suspended
        made = msgspec.structs.replace(step.have, replicas=step.want.replicas, suspended=suspended)
    cluster[key] = msgspec.structs.replace(made, generation=before.generation + 1 if before else 1)
    applied[key] = cluster[key].generation


def carried_out(
    wants: list[Want], there: list[Have], applied: Mapping[Key, int]
) -> tuple[dict[Key, Have], dict[Key, int]]:
    cluster, known = {each.key: each for each in there}, dict(applied)
    for step in convergence.steps(wants, there, applied):
        after(step, cluster, known)
    return cluster, known


@given(WANTS, WANTS, APPLIED)
def test_a_second_pass_takes_no_step(wants: list[Want], before: list[Want], applied: dict[Key, int]) -> None:
    cluster, known = carried_out(wants, [have(each) for each in before], applied)
    assert convergence.steps(wants, list(cluster.values()), known) == []


@given(WANTS, WANTS, APPLIED)
def test_what_is_wanted_is_there_and_nothing_else(
    wants: list[Want], before: list[Want], applied: dict[Key, int]
) -> None:
    cluster, _ = carried_out(wants, [have(each) for each in before], applied)
    there = {each.key for each in before}
    assert cluster.keys() == {each.key for each in wants if each.create or each.key in there}
    for each in wants:
        if each.key in cluster:
            assert cluster[each.key].replicas == each.replicas
            assert each.key[0] == "Job" or cluster[each.key].content == each.content


@given(WANTS, WANTS, st.randoms())
def test_the_order_in_which_things_are_told_does_not_matter(
    wants: list[Want], before: list[Want], chance: object
) -> None:
    there = [have(each) for each in before]
    first = convergence.steps(wants, there, {})
    chance.shuffle(wants)  # type: ignore[attr-defined]
    chance.shuffle(there)  # type: ignore[attr-defined]
    assert convergence.steps(wants, there, {}) == first


def test_labels_that_somebody_changed_are_put_right() -> None:
    """By them we know what an object is; they raise no generation."""
    wanted = want()
    wanted.manifest["metadata"]["labels"] = {"suanli.io/variant": "arm64"}
    lost = have(wanted, labels={"suanli.io/variant": "other", "theirs": "x"})
    assert convergence.steps([wanted], [lost], {wanted.key: 1}) == [Apply(wanted, known=True)]
    kept = have(wanted, labels={"suanli.io/variant": "arm64", "theirs": "x"})
    assert convergence.steps([wanted], [kept], {wanted.key: 1}) == []
