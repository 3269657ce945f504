"""Who is asking, and what they may see: tokens and rights by the hub's own word, remembered for a short while.

The cookie carries who one is, signed; what one may see is never in it, but asked of the hub again and again, so
that a right taken away is gone within half a minute.
"""

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

import itsdangerous
import msgspec
import structlog

from suanli_controller.api import names
from suanli_controller.dashboard import metrics, rights
from suanli_controller.kube import client, errors, review

_log = structlog.get_logger(__name__)

# Of the whole cookie, by RFC 6265 section 6.1; browsers drop what is larger without a word.
COOKIE_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Settings:
    """Times in seconds."""

    session_seconds: int = 8 * 3600  # a working day; then sign in again
    wall_seconds: int = 30 * 86_400  # totals only, renewed by use: a wall screen never ends while it is on
    renew_seconds: int = 3600  # how old a wall screen's cookie gets before use renews it
    recheck_seconds: float = 30.0  # a right taken away is gone after this
    grace_seconds: float = 900.0  # how long a right is believed while the hub cannot be asked
    answer_seconds: float = 8.0  # how long the hub may take where nothing is known yet: a person waits
    known_seconds: float = 1.0  # and where something is: then that is believed, and nobody waits again for a while
    failures_a_minute: int = 10  # wrong tokens from one address; a person never gets there
    namespaces: int = 500  # asked for one by one where not all workloads may be listed


class Person(msgspec.Struct, frozen=True):
    """Who has signed in, as the hub told it then. `since` in Unix seconds; `wall` sessions are renewed by use."""

    user: review.User
    since: int
    wall: bool = False

    @property
    def fingerprint(self) -> str:
        """The same for everyone whom the hub's authorizers cannot tell apart."""
        return hashlib.sha256(msgspec.msgpack.encode(self.user)).hexdigest()


class NotSignedInError(Exception):
    """No session, one that has ended, or a token that the hub does not know."""


class TooManyTriesError(Exception):
    """Too many wrong tokens from one address."""


class NothingToSeeError(Exception):
    """The hub knows who it is, and lets them see nothing of the centre."""


class NoDataError(Exception):
    """The leader has told nothing yet, so that nobody knows what there is to see."""

    def __init__(self) -> None:
        super().__init__("the controller has not told anything yet; try again in a few seconds")


class HubSilentError(Exception):
    """The hub cannot be asked, and what it said last is too old to believe."""


class Cookies:
    """Sessions as signed text. `key` is secret and the same over restarts, or everyone signs in again."""

    def __init__(self, key: bytes, settings: Settings) -> None:
        self._signer = itsdangerous.TimestampSigner(key, salt="suanli-session", digest_method=hashlib.sha256)
        self._settings = settings

    def write(self, person: Person) -> str:
        """Raises ValueError where a person has so many groups that no browser would keep the cookie."""
        payload = itsdangerous.encoding.base64_encode(msgspec.json.encode(person))
        text = self._signer.sign(payload).decode("ascii")
        if len(text) > COOKIE_LIMIT - 200:  # its name and attributes count too
            raise ValueError(
                f"{person.user.username} is in {len(person.user.groups)} groups, more than a cookie holds: "
                "sign in with a service account's token"
            )
        return text

    def read(self, text: str) -> Person:
        """Raises NotSignedInError for what is forged, broken or has ended."""
        try:
            longest = max(self._settings.session_seconds, self._settings.wall_seconds)
            payload, stamped = self._signer.unsign(text, max_age=longest, return_timestamp=True)
            person = msgspec.json.decode(itsdangerous.encoding.base64_decode(payload), type=Person)
        except (itsdangerous.BadData, msgspec.DecodeError) as error:
            raise NotSignedInError("the session has ended or is not ours: sign in again") from error
        age = time.time() - stamped.timestamp()
        if age > (self._settings.wall_seconds if person.wall else self._settings.session_seconds):
            raise NotSignedInError("the session has ended: sign in again")
        return person


@dataclass(slots=True)
class _Known:
    rights: rights.Rights
    asked_at: float


class Access:
    """Answers who may see what.

    `namespaces` gives the namespaces that hold workloads now, None while nothing is known of them.
    """

    def __init__(
        self, hub: client.Client, settings: Settings, namespaces: Callable[[], Iterable[str] | None]
    ) -> None:
        self.settings = settings
        self._hub = hub
        self._namespaces = namespaces
        self._known: dict[str, _Known] = {}
        self._asking: dict[str, asyncio.Task[_Known]] = {}
        self._silent_until = 0.0  # the hub did not answer: those who are known are not asked about before
        self._tokens: dict[str, tuple[float, Person]] = {}
        self._failures: dict[str, list[float]] = {}

    async def sign_in(self, token: str, address: str) -> tuple[Person, rights.Rights]:
        """Whoever the token belongs to, and what they may see.

        Raises NotSignedInError, NothingToSeeError, TooManyTriesError, NoDataError and HubSilentError.
        """
        self._check_tries(address)
        person = await self._person(token, address)
        mine = await self.rights_of(person)
        metrics.SIGN_INS.labels("accepted").inc()
        _log.info("signed in", user=person.user.username, address=address, totals_only=mine.totals_only)
        return msgspec.structs.replace(person, wall=mine.totals_only), mine

    async def by_token(self, token: str, address: str) -> Person:
        """As `sign_in`, for a script that sends its token every time; the hub is asked once in a while."""
        key = hashlib.sha256(token.encode()).hexdigest()
        asked_at, person = self._tokens.get(key, (0.0, None))
        if person is not None and time.monotonic() - asked_at < self.settings.recheck_seconds:
            return person
        is_guess = person is None  # one that was good a moment ago is none
        if is_guess:
            self._check_tries(address)
        try:
            person = await self._person(token, address, is_guess=is_guess)
        except NotSignedInError:
            self._tokens.pop(key, None)  # it has ended: from now on it is as good as any other guess
            raise
        if len(self._tokens) > _HELD:
            self._tokens.clear()
        self._tokens[key] = (time.monotonic(), person)
        return person

    async def _person(self, token: str, address: str, *, is_guess: bool = True) -> Person:
        try:
            async with asyncio.timeout(self.settings.answer_seconds):
                user = await review.authenticate(self._hub, token)
        except (errors.KubeError, TimeoutError) as error:
            metrics.SIGN_INS.labels("hub-silent").inc()
            raise HubSilentError("the hub cannot be asked whose token this is; try again") from error
        if user is None:
            metrics.SIGN_INS.labels("refused").inc()
            _log.warning("sign-in refused: the hub does not know the token", address=address)
            if is_guess:
                self._failures.setdefault(address, []).append(time.monotonic())
            raise NotSignedInError("the hub does not know this token, or it has ended")
        return Person(user=user, since=int(time.time()))

    def _check_tries(self, address: str) -> None:
        if len(self._failures) > _HELD:
            self._failures.clear()
        recent = [at for at in self._failures.get(address, ()) if time.monotonic() - at < 60]
        if len(recent) >= self.settings.failures_a_minute:
            metrics.SIGN_INS.labels("throttled").inc()
            raise TooManyTriesError("too many wrong tokens from this address: wait a minute")
        if recent:
            self._failures[address] = recent
        else:
            self._failures.pop(address, None)

    async def rights_of(self, person: Person) -> rights.Rights:
        """What a person may see now, asked of the hub at most every `recheck_seconds`.

        Raises NothingToSeeError, NoDataError and HubSilentError.
        """
        key = person.fingerprint
        known = self._known.get(key)
        age = time.monotonic() - known.asked_at if known else 0.0
        if known is None or age >= self.settings.recheck_seconds:
            known = await self._ask_again(person, key, known)
        elif age >= self.settings.recheck_seconds / 2 and time.monotonic() >= self._silent_until:
            self._task(person, key)  # asked ahead, so that who asks all the time never waits for it
        if known.rights == rights.Rights():
            raise NothingToSeeError(
                f"{person.user.username} may not get computecentres nor list clouds on the hub"
            )
        return known.rights

    async def _ask_again(self, person: Person, key: str, known: _Known | None) -> _Known:
        believed = known is not None and time.monotonic() - known.asked_at < self.settings.grace_seconds
        if known is not None and believed and time.monotonic() < self._silent_until:
            return known
        wait = self.settings.known_seconds if believed else self.settings.answer_seconds
        try:
            return await asyncio.wait_for(asyncio.shield(self._task(person, key)), wait)
        except (errors.KubeError, TimeoutError) as error:
            self._silent_until = time.monotonic() + _SILENCE_SECONDS
            if known is not None and believed:
                return known
            raise HubSilentError("the hub cannot be asked what you may see; try again") from error

    def _task(self, person: Person, key: str) -> asyncio.Task[_Known]:
        """One question for all who wait for the same answer; it goes on when they have waited enough."""
        task = self._asking.get(key)
        if task is None:
            task = self._asking[key] = asyncio.create_task(self._remember(person, key))
            task.add_done_callback(lambda done: self._asked(key, done))
        return task

    def _asked(self, key: str, task: asyncio.Task[_Known]) -> None:
        self._asking.pop(key, None)
        if not task.cancelled() and task.exception() is not None:
            self._silent_until = time.monotonic() + _SILENCE_SECONDS

    async def _remember(self, person: Person, key: str) -> _Known:
        fresh = _Known(await self._ask(person.user), time.monotonic())
        if len(self._known) > _HELD:
            self._known.clear()
        self._known[key] = fresh
        return fresh

    async def _ask(self, user: review.User) -> rights.Rights:
        totals, clouds, sites, algorithms, workloads = await asyncio.gather(
            self._may(user, _kind("get", "computecentres", name=names.CENTRE_NAME)),
            self._may(user, _kind("list", "clouds")),
            self._may(user, _kind("list", "edgesites")),
            self._may(user, _kind("list", "algorithms")),
            self._may(user, _kind("list", "computeworkloads")),
        )
        allowed = frozenset() if workloads else await self._allowed_namespaces(user)
        return rights.Rights(
            totals=totals,
            clouds=clouds,
            sites=sites,
            algorithms=algorithms,
            workloads=workloads,
            namespaces=allowed,
        )

    async def _allowed_namespaces(self, user: review.User) -> frozenset[str]:
        known = self._namespaces()
        if known is None:
            raise NoDataError
        spaces = sorted(set(known))[: self.settings.namespaces]
        limit = asyncio.Semaphore(16)

        async def one(namespace: str) -> bool:
            async with limit:
                return await self._may(user, _kind("list", "computeworkloads", namespace=namespace))

        answers = await asyncio.gather(*(one(namespace) for namespace in spaces))
        return frozenset(space for space, yes in zip(spaces, answers, strict=True) if yes)

    def _may(self, user: review.User, wanted: review.Attributes) -> Awaitable[bool]:
        return review.allowed(self._hub, user, wanted)


_HELD = (
    10_000  # people, tokens and addresses; beyond it all are asked anew, which costs time and gives nothing away
)


_SILENCE_SECONDS = 5.0


def _kind(verb: str, plural: str, namespace: str = "", name: str = "") -> review.Attributes:
    return review.Attributes(verb=verb, resource=plural, group=names.GROUP, namespace=namespace, name=name)
