"""References resolved: what is kept and for how long, in parallel, and with stores that are down or hang."""

from __future__ import annotations

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.errors import CredentialUnresolved, IntegrityFailed
from reconciler.model.secret_ref import SecretRef
from reconciler.parallel import WORKERS
from reconciler.secrets import resolve
from reconciler.secrets.fetch import TRIES, Fetch, Fetched, Outside, Unreachable, bounded, retried
from reconciler.secrets.policy import Policy
from reconciler.secrets.resolve import CACHE_SECONDS, Resolver, Wanted, of_environment
from reconciler.secrets.schemes import aws_sm, env
from reconciler.secrets.secret import Secret
from tests.secrets.stores import outside, refused
from tests.secrets.vault_server import VaultServer, says


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def wanted(text: str, tenant: str = "acme") -> Wanted:
    return Wanted(tenant, SecretRef.parse(text))


def use(monkeypatch: pytest.MonkeyPatch, fetch: Fetch) -> Resolver:
    """A resolver whose ``env://`` is ``fetch``."""
    monkeypatch.setattr(env, "connect", lambda _: fetch)
    return Resolver(Policy(), Outside({}, timeout=0.3))


def test_what_was_resolved_is_kept_for_a_minute() -> None:
    environ, clock = {"KEY": "first-value"}, Clock()
    resolver = Resolver(Policy(), Outside(environ), clock=clock)
    assert resolver.resolve("acme", "env://KEY").reveal() == "first-value"
    environ["KEY"] = "second-value"
    clock.now += CACHE_SECONDS - 0.1
    assert resolver.resolve("acme", "env://KEY").reveal() == "first-value"
    clock.now += 0.1
    assert resolver.resolve("acme", "env://KEY").reveal() == "second-value"


def test_what_a_tenant_has_is_kept_from_another_one() -> None:
    environ = {"KEY": "first-value"}
    resolver = Resolver(Policy(), Outside(environ))
    resolver.resolve("acme", "env://KEY")
    environ["KEY"] = "second-value"
    assert resolver.resolve("globex", "env://KEY").reveal() == "second-value"


@pytest.mark.parametrize(("advised", "kept"), [(30, 30), (3600, CACHE_SECONDS), (1, 1)])
def test_a_store_may_shorten_that_and_not_lengthen_it(vault: VaultServer, advised: int, kept: float) -> None:
    vault.kv1["old"] = {"acme/db": {"password": "of-version-one", "ttl": advised}}
    clock = Clock()
    resolver = Resolver(Policy(), outside(vault), clock=clock)
    for ahead, requests in ((0, 2), (kept - 0.1, 2), (0.1, 3)):
        clock.now += ahead
        resolver.resolve("acme", "vault://old/acme/db#password")
        assert len(vault.seen) == requests


def test_what_is_kept_may_be_forgotten() -> None:
    environ = {"KEY": "first-value"}
    resolver = Resolver(Policy(), Outside(environ))
    resolver.resolve("acme", "env://KEY")
    environ["KEY"] = "second-value"
    resolver.forget(wanted("env://KEY"))
    assert resolver.resolve("acme", "env://KEY").reveal() == "second-value"


def test_a_failure_is_not_kept() -> None:
    environ: dict[str, str] = {}
    resolver = Resolver(Policy(), Outside(environ))
    with pytest.raises(CredentialUnresolved):
        resolver.resolve("acme", "env://KEY")
    environ["KEY"] = "first-value"
    assert resolver.resolve("acme", "env://KEY").reveal() == "first-value"


def test_what_was_kept_too_long_is_gone_even_if_the_store_is() -> None:
    environ, clock = {"KEY": "first-value"}, Clock()
    resolver = Resolver(Policy(), Outside(environ), clock=clock)
    resolver.resolve("acme", "env://KEY")
    environ.clear()
    clock.now += CACHE_SECONDS
    with pytest.raises(CredentialUnresolved):
        resolver.resolve("acme", "env://KEY")
    assert resolver._kept == {}


def test_all_at_once_each_with_its_own_answer() -> None:
    resolver = Resolver(Policy(), Outside({"A": "value-of-a"}))
    each = [
        wanted("env://A"),
        wanted("env://B"),
        wanted("env://VAULT_TOKEN"),
        wanted("env://A"),
        wanted("aws-sm://x/y"),
    ]
    found = resolver.fetched_all(each)
    assert [*found] == [*dict.fromkeys(each)]
    first, missing, ours, foreign = found.values()
    assert isinstance(first, Fetched)
    assert first.secret.reveal() == "value-of-a"
    assert [str(one).partition(" ")[0] for one in (missing, ours, foreign)] == [
        "env://B",
        "env://VAULT_TOKEN",
        "aws-sm://x/y",
    ]
    assert resolver.fetched_all([]) == {}


def test_references_are_fetched_in_parallel(monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(WORKERS, timeout=20)

    def fetch(_tenant: str, reference: SecretRef) -> Fetched:
        together.wait()  # breaks unless all of them are here
        return Fetched(Secret(f"value-of-{reference.rest}"))

    monkeypatch.setattr(env, "connect", lambda _: fetch)
    resolver = Resolver(Policy(), Outside({}, timeout=30))
    found = resolver.fetched_all([wanted(f"env://K{number}") for number in range(WORKERS)])
    assert all(isinstance(one, Fetched) for one in found.values())


def test_a_store_that_is_down_is_not_asked_for_each_reference(vault: VaultServer) -> None:
    vault.orders_next(says(503), times=9999)
    resolver = Resolver(Policy(), outside(vault))
    each = [wanted(f"vault://kv/acme/k{number}#key") for number in range(200)]
    environ = wanted("env://NOTHING")
    found = resolver.fetched_all([*each, environ])
    assert len(vault.seen) <= 2 * WORKERS * TRIES
    assert type(found[environ]) is CredentialUnresolved
    assert all(type(found[one]) is Unreachable and str(one.reference) in str(found[one]) for one in each)
    assert "was not tried" in str(found[each[-1]])
    assert "sealed" in str(found[each[-1]])


def test_a_secret_that_is_missing_stops_no_other(vault: VaultServer) -> None:
    resolver = Resolver(Policy(), outside(vault))
    each = [wanted(f"vault://kv/acme/k{number}#key") for number in range(20)]
    last = wanted("vault://kv/acme/openai#api_key")
    found = resolver.fetched_all([*each, last])
    assert isinstance(found[last], Fetched)
    assert {type(found[one]) for one in each} == {CredentialUnresolved}


def test_a_client_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    for_ever = threading.Event()

    def fetch(_tenant: str, reference: SecretRef) -> Fetched:
        for_ever.wait(30)
        raise AssertionError(reference)

    resolver = use(monkeypatch, fetch)
    began = time.monotonic()
    refused(lambda: resolver.resolve("acme", "env://KEY"), Unreachable, "env://KEY", "no answer within 0.3 s")
    found = resolver.fetched_all([wanted(f"env://K{number}") for number in range(100)])
    assert time.monotonic() - began < 10  # one after the other, they would take 80 s
    assert {type(one) for one in found.values()} == {Unreachable}
    for_ever.set()


@pytest.mark.parametrize("error", [RuntimeError, KeyError, MemoryError, RecursionError])
def test_a_client_that_breaks_tells_nothing(monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    def fetch(_tenant: str, reference: SecretRef) -> Fetched:
        raise error("sk-of-the-client")

    text = refused(lambda: use(monkeypatch, fetch).resolve("acme", "env://KEY"), Unreachable, error.__name__)
    assert "sk-of" not in text


def test_damage_stays_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(_tenant: str, reference: SecretRef) -> Fetched:
        raise IntegrityFailed("damaged")

    resolver = use(monkeypatch, fetch)
    refused(lambda: resolver.resolve("acme", "env://KEY"), IntegrityFailed)
    assert type(resolver.fetched_all([wanted("env://KEY")])[wanted("env://KEY")]) is IntegrityFailed


def test_a_scheme_is_connected_once_and_only_when_it_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def connect(given: Outside) -> Fetch:
        made.append(given)
        return env_connect(given)

    env_connect = env.connect
    monkeypatch.setattr(env, "connect", connect)
    monkeypatch.setattr(aws_sm, "connect", lambda _: pytest.fail("nobody asked for it"))
    resolver = Resolver(Policy(), Outside({"A": "value-of-a", "B": "value-of-b"}))
    assert made == []
    for name in ("A", "B"):
        resolver.resolve("acme", f"env://{name}")
    assert len(made) == 1


def test_encrypted_is_asked_of_the_database_that_was_given() -> None:
    given = Outside({}, sealed=lambda tenant, one: Fetched(Secret(f"{tenant} has {one.name}"), "3"))
    found = Resolver(Policy(), given).fetched(wanted("encrypted://openai"))
    assert (found.secret.reveal(), found.version) == ("acme has openai", "3")
    refused(lambda: Resolver(Policy(), Outside({})).resolve("acme", "encrypted://openai"), Unreachable, "--database")


def test_the_operators_own_settings_take_the_environment_alone() -> None:
    assert of_environment("env://RECONCILER_KEY", {"RECONCILER_KEY": "of-the-operator"}).reveal() == "of-the-operator"
    for text in ("vault://kv/a/b#c", "encrypted://a", "aws-sm://a"):
        refused(lambda text=text: of_environment(text, {}), CredentialUnresolved, "use env://")  # type: ignore[misc]


def test_tries_end_with_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from reconciler.secrets import fetch

    monkeypatch.setattr(fetch, "PAUSE", 100.0)
    given: list[float] = []

    def attempt(seconds: float) -> None:
        given.append(seconds)
        raise fetch.Retry(Unreachable("down"))

    refused(lambda: retried(attempt, 5.0), Unreachable, "down")
    assert len(given) == 1, "there is no time for another try, so nobody waits for it"
    assert 4 < given[0] <= 5


def test_work_in_bounds_gives_what_the_work_gives() -> None:
    assert bounded(lambda: 7, 1.0, "it") == 7
    assert bounded(lambda: None, 1.0, "it") is None


@given(
    st.text(max_size=40)
    | st.sampled_from(["env://A", "vault://kv/a#b", "vault://", "env://", "x://y", "://", "aws-sm://a"])
)
def test_a_reference_is_parsed_whole_or_refused_without_a_word_of_it(text: str) -> None:
    try:
        reference = SecretRef.parse(text)
    except ValueError as error:
        said = str(error)
    else:
        assert str(reference) == text
        assert text.isascii()
        assert text.isprintable()
        return
    if len(text) > 12:
        assert text not in said


def test_a_reference_of_any_length_is_refused() -> None:
    for text in (f"vault://kv/{'a/' * 10**6}b#c", f"env://{'A' * 10**7}", "vault://" * 10**5, "a" * 10**7):
        with pytest.raises(ValueError) as caught:
            SecretRef.parse(text)
        assert len(str(caught.value)) < 300


def test_a_scheme_has_a_module_of_its_name() -> None:
    from reconciler.model.secret_ref import SCHEMES

    for scheme in SCHEMES:
        given = Outside({"VAULT_ADDR": "http://127.0.0.1:1"}, sealed=lambda *_: Fetched(Secret("any-value")))
        assert callable(resolve._connected(scheme, given))
