"""Options: which value applies, what each accepts, and how long it lasts."""

from __future__ import annotations

import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

import pdneuro
from pdneuro import errors
from pdneuro.sandbox import Sandbox


def option(name: str) -> object:
    return pdneuro.get_options()[name]


class TestDuration:
    def test_a_block_restores_what_was_set_and_what_was_not(self) -> None:
        pdneuro.set_options(retries=7).__exit__(None, None, None)
        assert option("retries") == 4
        with pdneuro.set_options(retries=7):
            with pdneuro.set_options(retries=8, timeout=2):
                assert (option("retries"), option("timeout")) == (8, 2.0)
            assert (option("retries"), option("timeout")) == (7, 60.0)
        assert option("retries") == 4

    def test_a_block_that_raises_restores_too(self) -> None:
        with pytest.raises(RuntimeError), pdneuro.set_options(retries=7):
            raise RuntimeError
        assert option("retries") == 4

    def test_without_a_block_an_option_stays_and_holds_in_every_thread(self) -> None:
        changed = pdneuro.set_options(batch_size=5)
        found: list[object] = []
        thread = threading.Thread(target=lambda: found.append(option("batch_size")))
        thread.start()
        thread.join()
        assert found == [5]
        assert option("batch_size") == 5
        changed.__exit__(None, None, None)

    def test_blocks_of_two_threads_do_not_affect_each_other(self) -> None:
        inside, done = threading.Barrier(3, timeout=60), threading.Barrier(3, timeout=60)
        found: dict[int, list[object]] = {}

        def work(size: int) -> None:
            with pdneuro.set_options(batch_size=size):
                inside.wait()
                found[size] = [option("batch_size")]
                if size == 10:  # one block ends while the other still runs
                    done.wait()
                else:
                    pdneuro.set_options(retries=size).__exit__(None, None, None)
            found[size].append(option("batch_size"))
            if size != 10:
                done.wait()

        threads = [threading.Thread(target=work, args=(size,)) for size in (10, 20)]
        for thread in threads:
            thread.start()
        inside.wait()
        assert option("batch_size") == 1000
        done.wait()
        for thread in threads:
            thread.join(60)
        assert found == {10: [10, 1000], 20: [20, 1000]}
        assert option("batch_size") == 1000

    def test_many_blocks_at_the_same_time_leave_the_options_as_they_were(self) -> None:
        wrong: list[object] = []

        def work(size: int) -> None:
            for _ in range(300):
                with pdneuro.set_options(batch_size=size, retries=size):
                    if option("batch_size") != size or option("retries") != size:
                        wrong.append(size)

        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-6)  # other threads run between any two steps
        try:
            threads = [threading.Thread(target=work, args=(size,)) for size in range(1, 9)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            sys.setswitchinterval(interval)
        assert not wrong
        assert (option("batch_size"), option("retries")) == (1000, 4)

    def test_an_option_set_within_a_block_holds_at_once_and_after_it(self) -> None:
        with pdneuro.set_options(retries=7):
            changed = pdneuro.set_options(retries=9)
            assert option("retries") == 9
        assert option("retries") == 9
        changed.__exit__(None, None, None)
        assert option("retries") == 4

    def test_threads_of_a_fetch_see_the_options_of_the_block(self, sandbox: Sandbox) -> None:
        neurons = pdneuro.sandbox.neurons()["root_id"].head(40)
        with pdneuro.set_options(neuromorpho_url=f"{sandbox.url}/elsewhere"):
            neurons.neuro.properties("size", batch_size=10)
            with pytest.raises(errors.NotFoundError, match="elsewhere"):
                pdneuro.neuromorpho.select(species="rat", max_workers=3)
            with pytest.raises(errors.NotFoundError, match="elsewhere"):
                pdneuro.neuromorpho.neuron([1, 2, 3])

    def test_a_running_sandbox_is_used_in_every_thread(self, sandbox: Sandbox) -> None:
        with ThreadPoolExecutor(1) as pool:
            url = pool.submit(option, "braincircuits_url").result(60)
        assert url == f"{sandbox.url}/braincircuits"

    def test_none_is_a_value_and_not_the_default(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PDNEURO_EXPIRE_AFTER", "60")
        with pdneuro.set_options(expire_after=None):
            assert option("expire_after") is None
        assert option("expire_after") == 60.0


class TestValues:
    @pytest.mark.parametrize(
        ("name", "given", "kept"),
        [
            ("batch_size", "20", 20), ("batch_size", 20.0, 20), ("batch_size", 1, 1), ("retries", 0, 0), ("retries", "0", 0),
            ("timeout", "2.5", 2.5), ("timeout", timedelta(milliseconds=500), 0.5), ("expire_after", 0, 0.0),
            ("expire_after", "Never", None), ("expire_after", "none", None), ("expire_after", "3600", 3600.0),
            ("neuromorpho_rate", 2, 2.0), ("neuromorpho_rate", "0", None), ("neuromorpho_rate", None, None),
            ("offline", "TRUE", True), ("offline", "0", False), ("offline", "Yes", True), ("tls_fallback", "false", False),
            ("progress", "no", False), ("progress", None, None), ("progress", "AUTO", None),
            ("allen_url", "https://host/a//", "https://host/a"), ("cave_url", None, None), ("cave_url", "https://host/", "https://host"),
            ("cache_dir", None, None), ("on_error", "partial", "partial"), ("source", None, None),
        ],
    )  # fmt: skip
    def test_accepted(self, name: str, given: object, kept: object) -> None:
        with pdneuro.set_options(**{name: given}):
            assert option(name) == kept
            assert type(option(name)) is type(kept)

    @pytest.mark.parametrize(
        ("name", "given"),
        [
            ("batch_size", "1.5"), ("batch_size", float("inf")), ("batch_size", float("nan")), ("max_workers", 0), ("retries", None),
            ("timeout", float("inf")), ("timeout", float("nan")), ("timeout", True), ("timeout", -1), ("expire_after", True),
            ("expire_after", timedelta(seconds=-1)), ("neuromorpho_rate", -1), ("neuromorpho_rate", "fast"), ("offline", 2),
            ("offline", None), ("tls_fallback", "auto"), ("on_missing", "skip"), ("on_missing", None),
            ("allen_url", "https://host/?key=s3cret"), ("allen_url", "https://s3cret@host"), ("allen_url", "https://"), ("cave_url", "s3cret"),
        ],
    )  # fmt: skip
    def test_rejected(self, name: str, given: object) -> None:
        before = pdneuro.get_options()
        with pytest.raises(errors.OptionError, match=name) as caught:
            pdneuro.set_options(**{name: given})
        assert "s3cret" not in str(caught.value)
        assert pdneuro.get_options() == before

    @pytest.mark.parametrize(
        ("name", "text", "kept"),
        [
            ("offline", "yes", True), ("timeout", "2", 2.0), ("source", "fly", "fly"), ("allen_url", "http://host/x/", "http://host/x"),
            ("neuromorpho_rate", "0", None), ("progress", "auto", None), ("cache_dir", "/c", Path("/c")), ("on_error", "", "raise"),
        ],
    )  # fmt: skip
    def test_environment_variables(
        self, name: str, text: str, kept: object, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(f"PDNEURO_{name.upper()}", text)
        assert option(name) == kept

    def test_a_relative_folder_in_the_environment_is_made_absolute(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("PDNEURO_CACHE_DIR", "here")
        assert option("cache_dir") == tmp_path / "here"


class TestCalls:
    def test_an_argument_of_a_call_overrides_the_option_for_this_call(
        self, sandbox: Sandbox, ids: pd.Series
    ) -> None:
        def sizes() -> list[int]:
            return sorted(len(request.json()["segments"]) for request in sandbox.requests)

        with pdneuro.set_options(batch_size=5):
            ids.neuro.properties("size", batch_size=10)
            assert sizes() == [10]
            ids.neuro.properties("link_pre")
            assert sizes() == [5, 5, 10]

    def test_on_missing_of_a_call_overrides_the_option(self, sandbox: Sandbox) -> None:
        unknown = pd.Series([12])
        with pdneuro.set_options(on_missing="ignore"):
            unknown.neuro.properties("size")
            with pytest.warns(errors.UnknownIdsWarning):
                unknown.neuro.properties("size", on_missing="warn")
            with pytest.raises(errors.UnknownIdsError):
                unknown.neuro.properties("size", on_missing="raise")

    def test_offline_does_not_send_anything(self, sandbox: Sandbox, ids: pd.Series) -> None:
        with pdneuro.set_options(offline=True):
            for call in (
                lambda: ids.neuro.properties("size"),
                lambda: ids.neuro.edges(),
                lambda: pdneuro.Connectome.download("fruitfly_fafb_flywire"),
                lambda: pdneuro.allen.OntologiesApi().get_structure_sets(),
                lambda: pdneuro.neuromorpho.neuron(1),
            ):
                with pytest.raises(errors.OfflineError):
                    call()
        assert not sandbox.requests
