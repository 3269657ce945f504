"""Sessions and what they may be trusted with; the hub's part is tested on a real API server."""

from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from suanli_controller.dashboard import access, app, settings
from suanli_controller.kube import client, review

KEY = b"k" * 32
PERSON = access.Person(user=review.User(username="ann", groups=("city",)), since=5)


def test_a_cookie_gives_back_who_signed_in() -> None:
    cookies = access.Cookies(KEY, access.Settings())
    assert cookies.read(cookies.write(PERSON)) == PERSON


@pytest.mark.parametrize("change", [lambda _: "", lambda t: t[:-2] + "xx", lambda t: "x" + t, lambda _: "a.b.c"])
def test_a_cookie_that_was_changed_is_no_session(change: Callable[[str], str]) -> None:
    cookies = access.Cookies(KEY, access.Settings())
    with pytest.raises(access.NotSignedInError):
        cookies.read(change(cookies.write(PERSON)))


def test_another_key_ends_every_session() -> None:
    text = access.Cookies(KEY, access.Settings()).write(PERSON)
    with pytest.raises(access.NotSignedInError):
        access.Cookies(b"o" * 32, access.Settings()).read(text)


def test_a_session_ends_after_its_time_and_a_wall_screens_does_not() -> None:
    chosen = access.Settings(session_seconds=-1, wall_seconds=100)
    cookies = access.Cookies(KEY, chosen)
    with pytest.raises(access.NotSignedInError, match="has ended"):
        cookies.read(cookies.write(PERSON))
    wall = access.Person(user=PERSON.user, since=5, wall=True)
    assert cookies.read(cookies.write(wall)) == wall


def test_more_groups_than_a_cookie_holds_are_refused_with_what_to_do() -> None:
    user = review.User(username="ann", groups=tuple(f"a-long-group-name-{n}" for n in range(300)))
    with pytest.raises(ValueError, match=r"300 groups.*service account"):
        access.Cookies(KEY, access.Settings()).write(access.Person(user=user, since=5))


@pytest.mark.parametrize(
    ("origin", "host", "public", "allowed"),
    [
        ("https://centre.city", "centre.city", "", True),
        ("https://evil.example", "centre.city", "", False),
        ("https://centre.city", "10.0.0.1:8480", "https://centre.city", True),
        ("http://10.0.0.1:8480", "10.0.0.1:8480", "https://centre.city", False),
        ("null", "centre.city", "", False),
        ("", "centre.city", "", True),
    ],
)
def test_a_websocket_is_opened_by_our_own_page_only(origin: str, host: str, public: str, allowed: bool) -> None:
    assert app.same_origin(origin, host, public) is allowed


def test_the_cookie_key_is_made_once_and_is_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "cookie.key"
    key = settings.read_cookie_key(path)
    assert settings.read_cookie_key(path) == key
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_short_cookie_key_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"short")
    with pytest.raises(settings.InvalidSettingError, match=r"--cookie-key-file .*key: has 5 bytes; 32"):
        settings.read_cookie_key(path)


async def test_a_token_that_was_good_is_asked_about_again_whatever_else_came_from_its_address(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Wrong tokens slow down only who might be guessing."""

    async def authenticate(_hub: object, token: str) -> review.User | None:
        return PERSON.user if token == "good" else None

    monkeypatch.setattr(review, "authenticate", authenticate)
    chosen = access.Settings(recheck_seconds=0, failures_a_minute=2)
    asked = access.Access(cast("client.Client", None), chosen, lambda: ())
    assert (await asked.by_token("good", "10.0.0.1")).user == PERSON.user
    for _ in range(2):
        with pytest.raises(access.NotSignedInError):
            await asked.by_token("wrong", "10.0.0.1")
    with pytest.raises(access.TooManyTriesError):
        await asked.by_token("another", "10.0.0.1")
    assert (await asked.by_token("good", "10.0.0.1")).user == PERSON.user


async def test_a_token_that_has_ended_is_a_guess_from_its_second_refusal_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first tells its owner that it has ended, and counts against nobody."""
    good = {"mine"}

    async def authenticate(_hub: object, token: str) -> review.User | None:
        return PERSON.user if token in good else None

    monkeypatch.setattr(review, "authenticate", authenticate)
    chosen = access.Settings(recheck_seconds=0, failures_a_minute=1)
    asked = access.Access(cast("client.Client", None), chosen, lambda: ())
    await asked.by_token("mine", "10.0.0.1")
    good.clear()
    for _ in range(2):
        with pytest.raises(access.NotSignedInError):
            await asked.by_token("mine", "10.0.0.1")
    with pytest.raises(access.TooManyTriesError):
        await asked.by_token("mine", "10.0.0.1")
