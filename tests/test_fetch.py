"""Pinned files: where they are looked for, and what a download may and may not leave behind."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from pickle import UnpicklingError

import pytest
import torch
from torchvision.models import squeezenet1_0

from srzoo import features, fetch
from srzoo.errors import FetchError
from srzoo.fetch import PinnedFile, cache_folder, locate
from srzoo.library import hub_of

CONTENT = b"weights" * 1000
WEIGHTS = os.environ.get("SRZOO_WEIGHTS", "")
PINS = [value for value in vars(fetch).values() if isinstance(value, PinnedFile)]


@dataclass
class Server:
    """An address on this machine, and what it sends."""

    url: str
    answers: dict[str, bytes] = field(default_factory=dict)
    """Content by path."""

    missing: int = 0
    """Bytes that are announced but never sent."""

    asked: list[str] = field(default_factory=list)


@pytest.fixture
def server() -> Iterator[Server]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            content = state.answers.get(self.path)
            if content is None:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content) + state.missing))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        state = Server(f"http://127.0.0.1:{http.server_port}")
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        http.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, no folder of weights, and no proxy between the test and its server."""
    for variable in ("SRZOO_WEIGHTS", "SRZOO_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("SRZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def pinned(server: Server | None = None, content: bytes = CONTENT, name: str = "net.pth") -> PinnedFile:
    url = f"{server.url}/{name}" if server else None
    return PinnedFile(name, sha256(content).hexdigest(), "a net", url)


def left() -> list[str]:
    return sorted(os.listdir(cache_folder())) if cache_folder().exists() else []


def test_a_download_lands_in_the_cache_and_is_made_once(server: Server) -> None:
    server.answers["/net.pth"] = CONTENT
    first, second = locate(pinned(server)), locate(pinned(server))
    assert first == second == cache_folder() / "net.pth"
    assert first.read_bytes() == CONTENT
    assert server.asked == ["/net.pth"] and left() == ["net.pth"]


def test_the_folder_comes_before_the_cache(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.answers["/net.pth"] = CONTENT
    cached = locate(pinned(server))
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv("SRZOO_WEIGHTS", str(folder))
    assert locate(pinned(server)) == cached
    (folder / "net.pth").write_bytes(CONTENT)
    assert locate(pinned(server)) == folder / "net.pth"


def test_other_bytes_are_refused_and_the_next_attempt_succeeds(server: Server) -> None:
    server.answers["/net.pth"] = b"<html>please log in</html>"
    file = pinned(server)
    with pytest.raises(FetchError) as caught:
        locate(file)
    assert file.sha256 in str(caught.value) and sha256(server.answers["/net.pth"]).hexdigest() in str(caught.value)
    assert left() == []
    server.answers["/net.pth"] = CONTENT
    assert locate(file).read_bytes() == CONTENT


def test_a_download_cut_short_leaves_nothing(server: Server) -> None:
    server.answers["/net.pth"], server.missing = CONTENT[:500], 6500
    with pytest.raises(FetchError, match="after 500 of 7000 bytes"):
        locate(pinned(server))
    assert left() == []


def test_an_address_without_the_file_is_named(server: Server) -> None:
    with pytest.raises(FetchError, match="404") as caught:
        locate(pinned(server))
    message = str(caught.value)
    assert f"{server.url}/net.pth" in message and "SRZOO_WEIGHTS" in message and "\n" not in message
    assert left() == []


def test_a_server_that_is_not_there_is_named(server: Server) -> None:
    file = replace(pinned(server), url="http://127.0.0.1:1/net.pth")
    with pytest.raises(FetchError, match="cannot be downloaded"):
        locate(file)


def test_offline_says_which_file_goes_where(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRZOO_OFFLINE", "1")
    monkeypatch.setenv("SRZOO_WEIGHTS", str(tmp_path))
    with pytest.raises(FetchError) as caught:
        locate(pinned(server))
    assert str(caught.value) == (
        f"net.pth (a net) is not at hand, and SRZOO_OFFLINE is set: "
        f"download {server.url}/net.pth and put it into {tmp_path} (SRZOO_WEIGHTS)"
    )
    assert server.asked == []


def test_a_file_without_an_address_has_to_be_put_there_by_hand() -> None:
    with pytest.raises(FetchError, match=r"get net\.pth and put it into a folder and name that in SRZOO_WEIGHTS"):
        locate(pinned())


def test_a_cache_that_cannot_be_written_is_named(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.answers["/net.pth"] = CONTENT
    (tmp_path / "file").touch()
    monkeypatch.setenv("SRZOO_CACHE", str(tmp_path / "file"))
    with pytest.raises(FetchError, match=f"into {tmp_path / 'file'}"):
        locate(pinned(server))


def test_a_file_of_other_bytes_is_refused_with_both_digests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRZOO_WEIGHTS", str(tmp_path))
    (tmp_path / "net.pth").write_bytes(b"others")
    with pytest.raises(FetchError) as caught:
        locate(pinned())
    message = str(caught.value)
    assert pinned().sha256 in message and sha256(b"others").hexdigest() in message and str(tmp_path) in message


def test_the_first_digits_are_enough_where_no_more_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRZOO_WEIGHTS", str(tmp_path))
    (tmp_path / "net.pth").write_bytes(CONTENT)
    file = replace(pinned(), sha256=pinned().sha256[:8])
    assert locate(file) == tmp_path / "net.pth"
    (tmp_path / "net.pth").write_bytes(b"others")
    with pytest.raises(FetchError):
        locate(file)


@pytest.mark.parametrize("file", PINS, ids=lambda file: file.name)
def test_what_is_pinned_is_pinned_well(file: PinnedFile) -> None:
    assert len(file.sha256) in (8, 64) and int(file.sha256, 16)
    if file.url is not None:
        assert file.url.startswith("https://") and file.url.endswith(f"/{file.name}")
        assert file.sha256[:8] in file.name


def test_torch_hub_finds_verified_files_and_nothing_else(server: Server, tmp_path: Path) -> None:
    torch.save({"w": torch.arange(3)}, tmp_path / "net.pth")
    server.answers["/net.pth"] = (tmp_path / "net.pth").read_bytes()
    file = pinned(server, server.answers["/net.pth"])
    before, state = torch.hub.get_dir(), torch.get_rng_state()
    with hub_of(file):
        torch.rand(1)
        loaded = torch.hub.load_state_dict_from_url("https://example.invalid/net.pth", progress=False)
        assert len(list(Path(torch.hub.get_dir(), "checkpoints").iterdir())) == 1
    assert loaded["w"].tolist() == [0, 1, 2]
    assert torch.hub.get_dir() == before and torch.equal(torch.get_rng_state(), state)
    assert "TORCH_FORCE_WEIGHTS_ONLY_LOAD" not in os.environ


def test_a_file_that_would_run_code_is_not_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Harm:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "harm"),)

    torch.save({"w": Harm()}, tmp_path / "net.pth")
    monkeypatch.setenv("SRZOO_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with hub_of(pinned(content=(tmp_path / "net.pth").read_bytes())), pytest.raises(UnpicklingError):
        torch.hub.load_state_dict_from_url("https://example.invalid/net.pth")
    assert not (tmp_path / "harm").exists()
    assert os.environ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"] == "1"


def test_squeezenet_is_torchvisions_where_srzoos_is_not_at_hand(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(1)
    state = squeezenet1_0(weights=None).state_dict()
    torch.save(state, tmp_path / "made.pth")
    content = (tmp_path / "made.pth").read_bytes()
    file = pinned(server, content, "squeezenet1_0-b66bff10.pth")
    server.answers[f"/{file.name}"] = content
    monkeypatch.setattr(features, "SQUEEZENET_TORCHVISION", file)
    loaded = features.squeezenet_weights()
    assert loaded.keys() == state.keys() and all(torch.equal(loaded[name], state[name]) for name in state)
    assert left() == [file.name]


@pytest.mark.skipif("SRZOO_WEIGHTS" not in os.environ, reason="needs SRZOO_WEIGHTS")
def test_of_two_squeezenets_srzoos_own_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SRZOO_WEIGHTS", WEIGHTS)
    assert features.squeezenet_file() is fetch.SQUEEZENET
    assert "classifier.1.weight" in features.squeezenet_weights()
