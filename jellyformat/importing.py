"""The modules of a snapshot as they were, beside today's of the same names: this runs code of a snapshot."""

from __future__ import annotations

import builtins
import importlib
import linecache
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.machinery import FileFinder, ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any

from jellyformat.errors import NoFile, RepositoryWarning
from jellyformat.format.text import brief
from jellyformat.hosts.registry import Readable
from jellyformat.running import is_known, unpacked

_SWAPPING = threading.RLock()
"""One at a time changes which modules are found."""


class Code:
    """The code of a snapshot, to import modules from. They and what they import from the snapshot are as they were;
    whatever the snapshot does not have, such as torch, is today's. Made by `code`.

    Attributes:
        directory: Where the files are, until it is closed.
    """

    def __init__(self, file: Readable, *, any_names: bool = False) -> None:
        self._resources = ExitStack()
        self.directory, _ = self._resources.enter_context(unpacked(file, any_names=any_names))
        self._file = str(file)
        self._roots = [self.directory, *(path for path in [self.directory / "src"] if path.is_dir())]
        self._modules: dict[str, ModuleType] = {}
        self._names: dict[str, bool] = {}
        self._builtins = {**vars(builtins), "__import__": self._import}

    def import_module(self, name: str) -> ModuleType:
        """Import a module of the snapshot. Its code runs, with the rights of this process.

        The modules of this process stay as they are; other threads should not import those of the same names meanwhile.
        A function of the snapshot that imports finds the snapshot's modules too, as long as this is open. What asks
        `sys.modules` or `importlib` later, as pickle does, finds today's. The standard library is always today's.

        Args:
            name: Its name with dots, as in an import statement; from the snapshot's top directory, or its ``src``.

        Raises:
            ModuleNotFoundError: neither the snapshot nor this process has it.
            NoFile: this was closed.
        """
        with self._active():
            return importlib.import_module(name)

    def close(self) -> None:
        """Remove the files. Modules that were imported stay."""
        self._resources.close()

    def __enter__(self) -> Code:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Code of {brief(self._file)}>"

    def _import(
        self,
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        """What an import statement in a module of the snapshot does."""
        with self._active():
            return builtins.__import__(name, globals, locals, fromlist or (), level)

    @contextmanager
    def _active(self) -> Iterator[None]:
        """While it is entered, this process finds the modules of the snapshot."""
        if not self.directory.is_dir():
            raise NoFile(f"the code of {self._file} was closed", hint="import what is needed before, or keep it open")
        with _SWAPPING:
            if self in sys.meta_path:  # a module of the snapshot imports another
                yield
                return
            todays = self._take()
            sys.modules.update(self._modules)
            sys.meta_path.insert(0, self)
            try:
                yield
            finally:
                sys.meta_path.remove(self)
                self._modules = self._take()
                sys.modules.update(todays)

    def _take(self) -> dict[str, ModuleType]:
        """Take the modules whose names the snapshot has out of `sys.modules`."""
        names = [name for name in sys.modules if self._has(name.partition(".")[0])]
        return {name: sys.modules.pop(name) for name in names}

    def _has(self, name: str) -> bool:
        """Whether a module of this name, without dots, is the snapshot's: its directory counts as first on the path."""
        if name not in self._names:
            self._names[name] = name not in sys.stdlib_module_names and self._looked_for(name)
        return self._names[name]

    def _looked_for(self, name: str) -> bool:
        for root in self._roots:
            if (root / f"{name}.py").is_file() or (root / name / "__init__.py").is_file():
                return True
        if not any((root / name).is_dir() for root in self._roots):
            return False
        other = PathFinder.find_spec(name)  # a directory gives way to a package that is installed
        return other is None or other.loader is None

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None) -> Any:
        """For the import system: the snapshot's module of a name; None where it is today's."""
        if not self._has(name.partition(".")[0]):
            return None
        portions: list[str] = []
        for place in self._roots if path is None else map(Path, path):
            found = FileFinder(str(place), (self._loader, [".py"])).find_spec(name)  # type: ignore[arg-type]  # it calls it
            if found is not None and found.loader is not None:
                return found
            portions += [] if found is None else found.submodule_search_locations or []
        if not portions:
            return None
        spec = ModuleSpec(name, None)
        spec.submodule_search_locations = portions
        return spec

    def _loader(self, name: str, path: str) -> _Loader:
        return _Loader(name, path, self._builtins)


class _Loader(SourceFileLoader):
    """Loads a module so that what it imports, now or later, is the snapshot's."""

    def __init__(self, name: str, path: str, own_builtins: dict[str, Any]) -> None:
        super().__init__(name, path)
        self._builtins = own_builtins

    def exec_module(self, module: ModuleType) -> None:
        vars(module)["__builtins__"] = self._builtins
        super().exec_module(module)

    def get_code(self, fullname: str) -> CodeType | None:
        text = self.get_source(fullname) or ""
        # for tracebacks, and for `inspect`, when the file is gone; without a time, it is never looked for
        linecache.cache[self.path] = (len(text), None, text.splitlines(keepends=True), self.path)
        return super().get_code(fullname)


def code(file: Readable, *, any_names: bool = False) -> Code:
    """The code of a snapshot, to import modules from as they were; use it as a context manager, or close it.

    This runs code of the snapshot, with the rights of this process: only where you would run its author's programs.

        with jellyformat.code("model.pt") as code:
            Net = code.import_module("model").Net

    Args:
        file: A file that carries a snapshot: a path, a binary file object, or a URL that fsspec knows.
        any_names: Write names of files too that not every system can hold.

    Raises:
        NoSnapshot: the file carries none.
        FormatError, Refused: it is damaged or made to do harm.
        SystemFailure: its files cannot be written.
    """
    if not is_known(file):
        warnings.warn(
            "no repository here has the commit of this code, so it may be somebody else's; it runs with all that this "
            "process may do",
            RepositoryWarning,
            stacklevel=2,
        )
    return Code(file, any_names=any_names)
