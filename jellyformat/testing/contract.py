"""The contract of host adapters, as classes of tests to inherit (SPEC JF-HST)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pytest

from jellyformat.adapter import (
    Adapter,
    BytesSource,
    FileSource,
    JellyError,
    RefusedHost,
    SplicingAdapter,
    TensorAdapter,
    WeightsAdapter,
    nothing_fits_in,
    read_all,
)
from jellyformat.files import change
from jellyformat.hosts import registry
from jellyformat.hosts.weights import Leaf, hash_weights
from jellyformat.testing import damage
from jellyformat.testing.containers import is_sound, make_container
from jellyformat.testing.faults import Calls, Fault, Killed, failing
from jellyformat.testing.hosts import (
    CountingSource,
    applied,
    described,
    embed,
    embed_file,
    strip,
    strip_file,
)

_ONE, _TWO, _SMALL = make_container(5000, 1), make_container(60_000, 2), make_container(1, 3)
_LARGE = 8 << 20
_SAVED: dict[tuple[type, str], bytes] = {}
"""The hosts of each class, saved once."""


class Contract:
    """What the classes below have in common, and what a class that inherits one of them has to say.

    Attributes:
        adapter: The adapter.
        hosts: Real files by name, one of each form that the framework writes: the bytes, or what saves them at the path
            that it is given. Small ones will do: they are put into and looked at many times.
        little: Bytes that may be read of a host, however large it is; containers do not count.
    """

    adapter: ClassVar[Adapter]
    hosts: ClassVar[Mapping[str, bytes | Callable[[Path], object]]]
    little: ClassVar[int] = 400_000

    def large(self, path: Path, size: int) -> object:
        """Save a host with ``size`` bytes of data or somewhat more."""
        raise NotImplementedError("a class for an adapter has to say how a large file is saved")

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Every test that asks for a host is run for each; nothing is saved, and no framework imported, before."""
        if "host" in metafunc.fixturenames:
            metafunc.parametrize("host", list(self.hosts), indirect=True)

    @pytest.fixture
    def host(self, request: pytest.FixtureRequest, tmp_path: Path) -> Path:
        """A host as it was saved, alone in a directory."""
        name: str = request.param
        path: Path = tmp_path / "host" / name
        path.parent.mkdir()
        path.write_bytes(self.saved(name, path))
        return path

    def saved(self, name: str, path: Path) -> bytes:
        """The bytes of a host, which is saved at ``path`` where it was not saved before."""
        saved = self.hosts[name]
        if not callable(saved):
            return saved
        if (type(self), name) not in _SAVED:
            saved(path)
            _SAVED[type(self), name] = path.read_bytes()
        return _SAVED[type(self), name]

    def _carriers(self, data: bytes) -> list[bytes]:
        """The host ``data`` in all forms that it can have."""
        raise NotImplementedError

    def test_name_and_priority(self) -> None:
        """Both are shown to people, and no two adapters have one name."""
        assert re.fullmatch(r"[a-z][a-z0-9-]*", self.adapter.name)
        assert self.adapter.name not in ("jelly", "sidecar", "directory"), "this name has another meaning"
        others = [adapter for adapter in registry.adapters() if adapter != self.adapter]
        assert self.adapter.name not in [adapter.name for adapter in others]
        assert isinstance(self.adapter.priority, int)
        assert self.adapter.priority >= 0

    def test_all_that_it_can_do_is_tested(self) -> None:
        """An adapter with more methods has the tests for these, too."""
        for protocol, contract in (
            (SplicingAdapter, SplicingContract),
            (TensorAdapter, TensorContract),
            (WeightsAdapter, WeightsContract),
        ):
            if isinstance(self.adapter, protocol):
                assert isinstance(self, (contract, BesideContract)), f"the tests have to inherit {contract.__name__}"
            else:
                assert not isinstance(self, contract)

    def test_told_by_its_content(self, host: Path) -> None:
        """Of all adapters, the first that takes the file is this one, with a container in it and without."""
        known = {adapter.name: adapter for adapter in (*registry.adapters(), self.adapter)}
        asked = sorted(known.values(), key=lambda adapter: (-adapter.priority, adapter.name))
        for data in self._carriers(host.read_bytes()):
            assert next(one.name for one in asked if one.matches(BytesSource(data))) == self.adapter.name

    def test_other_files_are_left_alone(self) -> None:
        """An adapter that is not asked last leaves what is none of its files to the others."""
        if self.adapter.priority:
            for data in (b"", bytes(200), b"text\n" * 40, _ONE[100:], _ONE):
                assert not self.adapter.matches(BytesSource(data)), data[:20]

    def test_noise(self, host: Path) -> None:
        """Whatever a file becomes, the adapter raises nothing but errors of jellyformat's, and loses nothing."""
        for data in self._carriers(host.read_bytes()):
            for changed in damage.noisy(data):
                damage.check_nothing_lost(self.adapter, changed, "noise")

    def test_cut_off_while_it_is_read(self, host: Path) -> None:
        """A file that becomes shorter meanwhile raises nothing but errors of jellyformat's."""
        for data in self._carriers(host.read_bytes()):
            damage.check_shrinking(self.adapter, data)


class AdapterContract(Contract):
    """An adapter whose hosts carry containers. A class says all of `Contract`, and how the files are loaded."""

    def loads(self, path: Path) -> object:
        """What the framework's own loader makes of a file: it fails, or gives what can be compared with ``==``."""
        raise NotImplementedError("a class for an adapter has to say how its files are loaded")

    def _carriers(self, data: bytes) -> list[bytes]:
        return [data, embed(self.adapter, data, _ONE)]

    def test_found(self, host: Path) -> None:
        """What was put in is found, and how long the host was before."""
        data = host.read_bytes()
        assert self.adapter.find(BytesSource(data)) is None
        for container in (_ONE, _TWO, _SMALL):
            carried = described(self.adapter.find(BytesSource(embed(self.adapter, data, container))))
            assert carried is not None
            assert carried[1:] == (container, len(data))

    def test_replaced(self, host: Path) -> None:
        """A container that takes the place of another one leaves nothing of that."""
        data = host.read_bytes()
        alone = {container: embed(self.adapter, data, container) for container in (_ONE, _TWO, _SMALL)}
        for first in alone.values():
            for container, file in alone.items():
                assert embed(self.adapter, first, container) == file

    def test_stripped(self, host: Path) -> None:
        """The host is had back bit for bit (JF-HST-002)."""
        data = host.read_bytes()
        for container in (_ONE, _TWO, _SMALL):
            assert strip(self.adapter, embed(self.adapter, data, container)) == data

    def test_loads(self, host: Path) -> None:
        """The framework loads the same before, with a container, with another one, and without it."""
        data, before = host.read_bytes(), self.loads(host)
        for container in (_ONE, _TWO, _SMALL):
            embed_file(self.adapter, host, container)
            assert self.loads(host) == before
            with open(host, "rb") as file:
                carried = described(self.adapter.find(FileSource.of(file.fileno())))
            assert carried is not None
            assert carried[1] == container
        strip_file(self.adapter, host)
        assert host.read_bytes() == data
        assert self.loads(host) == before
        assert [path.name for path in host.parent.iterdir()] == [host.name]

    def test_flipped(self, host: Path) -> None:
        """Bytes that were changed are noticed, or they are the host's own and stay as they are."""
        data = host.read_bytes()
        damage.check_flipped(self.adapter, data, embed(self.adapter, data, _SMALL), _SMALL)

    def test_every_bit(self, tmp_path: Path) -> None:
        """So is each bit of what was put in, in one host."""
        name = next(iter(self.hosts))
        data = self.saved(name, tmp_path / name)
        damage.check_every_bit(self.adapter, data, embed(self.adapter, data, _SMALL), _SMALL)

    def test_cut(self, host: Path) -> None:
        """A file that was cut off loses nothing more when a container is taken out or put in."""
        data = host.read_bytes()
        damage.check_cut(self.adapter, data, embed(self.adapter, data, _SMALL), _SMALL)

    def test_followed(self, host: Path) -> None:
        """What another program puts behind the file is not cut off."""
        data = host.read_bytes()
        damage.check_followed(self.adapter, data, embed(self.adapter, data, _SMALL))

    def test_little_is_read(self, tmp_path: Path) -> None:
        """Of a large host, to find a container and to plan a change, only a part that does not grow with it is read."""
        path = tmp_path / "large"
        self.large(path, _LARGE)
        assert path.stat().st_size >= _LARGE
        plain = self._read_of(path)
        embed_file(self.adapter, path, _ONE)
        carrying = self._read_of(path)
        assert max(plain) <= self.little, f"{plain} bytes are read of a file without a container"
        assert max(carrying) <= self.little + 4 * len(_ONE), f"{carrying} bytes are read of a file with a container"

    def _read_of(self, path: Path) -> list[int]:
        """Bytes that are read to tell the file, to find a container, and to plan what is done to it."""
        with open(path, "rb") as file:
            source = CountingSource(FileSource.of(file.fileno()))
            assert self.adapter.matches(source)
            counts = [source.read]
            carried = self.adapter.find(source)
            counts.append(source.read - sum(counts))
            self.adapter.plan_embed(source, _TWO)
            counts.append(source.read - sum(counts))
            if carried is not None:
                self.adapter.plan_strip(source, carried)
                counts.append(source.read - sum(counts))
        return counts

    def test_every_fault(self, host: Path) -> None:
        """Each call that writes fails, fails for good, or is the last of a process that is killed: the file loads, and
        is the old one or the new one at the latest when it was mended."""
        data, before = host.read_bytes(), self.loads(host)
        one, two = (embed(self.adapter, data, container) for container in (_ONE, _TWO))
        same: set[bytes] = set()

        def check_loads(what: str) -> None:
            content = host.read_bytes()
            if content not in same:
                assert self.loads(host) == before, what
                same.add(content)

        changes: tuple[tuple[bytes, bytes, Callable[[], None]], ...] = (
            (data, one, lambda: embed_file(self.adapter, host, _ONE)),
            (one, two, lambda: embed_file(self.adapter, host, _TWO)),
            (two, one, lambda: embed_file(self.adapter, host, _ONE)),
            (one, data, lambda: strip_file(self.adapter, host)),
        )
        for old, new, change_it in changes:
            host.write_bytes(old)
            calls = Calls()
            with failing(calls):
                change_it()
            assert host.read_bytes() == new
            assert calls.made, "nothing was written"
            for fault in (Fault.NO_SPACE, Fault.BROKEN, Fault.KILLED):
                for number in range(1, calls.made + 1):
                    what = f"call {number} of {calls.made} fails {fault.value}"
                    host.write_bytes(old)
                    failed = _fails(change_it, Calls(fault, number))
                    if fault is Fault.NO_SPACE:
                        assert host.read_bytes() == (old if failed else new), what
                    check_loads(what)
                    with failing(Calls()):
                        change.repair(host)
                    assert host.read_bytes() in (old, new), what
                    assert failed or host.read_bytes() == new, what
                    check_loads(what)
                    assert [path.name for path in host.parent.iterdir()] == [host.name], what


def _fails(action: Callable[[], None], calls: Calls) -> bool:
    """Whether ``action`` fails, as it may where one of its ``calls`` does."""
    with failing(calls):
        try:
            action()
        except (JellyError, Killed):
            return True
    return False


class BesideContract(Contract):
    """An adapter, or some of its hosts, that can carry nothing: the container lies beside them (SPEC JF-SDC).

    A class says all of `Contract`.
    """

    def _carriers(self, data: bytes) -> list[bytes]:
        return [data]

    def test_nothing_is_put_in(self, host: Path) -> None:
        """There is no container in it, and the refusal tells where it goes."""
        source = BytesSource(host.read_bytes())
        assert self.adapter.find(source) is None
        with pytest.raises(RefusedHost) as caught:
            self.adapter.plan_embed(source, _ONE)
        assert caught.value.message
        assert caught.value.hint == nothing_fits_in("").hint, "raise what nothing_fits_in makes"

    def test_little_is_read(self, tmp_path: Path) -> None:
        """To tell a large file and to refuse it, only a part that does not grow with it is read."""
        path = tmp_path / "large"
        self.large(path, _LARGE)
        with open(path, "rb") as file:
            source = CountingSource(FileSource.of(file.fileno()))
            assert source.size >= _LARGE
            assert self.adapter.matches(source)
            assert self.adapter.find(source) is None
            with pytest.raises(RefusedHost):
                self.adapter.plan_embed(source, _ONE)
        assert source.read <= self.little


class WeightsContract(Contract):
    """An adapter that tells the weights of its hosts apart (SPEC JF-BND)."""

    def test_weights_stay(self, host: Path) -> None:
        """They are the same with a container and without."""
        data = host.read_bytes()
        alone = self._weights(data)
        assert all(self._weights(file) == alone for file in self._carriers(data))

    def test_weights_of_damaged_files(self, host: Path) -> None:
        """Whatever the file becomes, asking for its weights raises nothing but errors of jellyformat's."""
        for data in self._carriers(host.read_bytes()):
            for changed in damage.noisy(data):
                with suppress(JellyError):
                    self._weights(changed)

    def _weights(self, data: bytes) -> tuple[str, list[Leaf]] | None:
        adapter: Any = self.adapter
        source = BytesSource(data)
        told = adapter.weights(source, adapter.find(source))
        return None if told is None else (told[0], hash_weights(told[1]))


class TensorContract(Contract):
    """An adapter that can put a container in as a tensor of the file's own."""

    def test_as_a_tensor(self, host: Path) -> None:
        """It is found, replaced by either form and by the other, and taken out bit for bit."""
        adapter: Any = self.adapter
        data = host.read_bytes()

        def as_tensor(file: bytes, container: bytes) -> bytes:
            return applied(file, adapter.plan_embed_as_tensor(BytesSource(file), container))

        file = as_tensor(data, _ONE)
        assert described(adapter.find(BytesSource(file))) == ("tensor", _ONE, len(data))
        assert strip(adapter, file) == data
        assert as_tensor(file, _TWO) == as_tensor(data, _TWO)
        assert as_tensor(embed(adapter, data, _TWO), _ONE) == file
        assert embed(adapter, file, _TWO) == embed(adapter, data, _TWO)
        damage.check_flipped(adapter, data, as_tensor(data, _SMALL), _SMALL)
        damage.check_cut(adapter, data, as_tensor(data, _SMALL), _SMALL)


class SplicingContract(Contract):
    """An adapter that can also plan to change its hosts in place, by whole blocks of the filesystem."""

    @pytest.mark.parametrize("block", [512, 4096, 65_536])
    def test_spliced(self, host: Path, block: int) -> None:
        """It is found, replaced, and taken out bit for bit, in place and otherwise."""
        adapter: Any = self.adapter
        data = host.read_bytes()

        def spliced(file: bytes, container: bytes) -> bytes:
            plan = adapter.plan_embed_in_place(BytesSource(file), container, block)
            assert (len(plan.head) - plan.replaced) % block == 0
            return applied(file, plan)

        file = spliced(data, _ONE)
        carried = adapter.find(BytesSource(file))
        assert carried is not None
        assert (read_all(carried.container), carried.host_length) == (_ONE, len(data))
        assert is_sound(carried.container)
        assert strip(adapter, file) == data
        assert applied(file, adapter.plan_strip_in_place(BytesSource(file), carried, block)) == data
        assert strip(adapter, spliced(file, _TWO)) == data
