"""The command line as a script meets it: its exit codes and its sentences."""

import os
import socket
import subprocess
import sys

import pytest


def rakuten(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "rakuten_assets", *map(str, arguments)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def elsewhere(tmp_path):
    """An empty data root on the tests' own PostgreSQL server."""
    return {"RAKUTEN_DATA_ROOT": str(tmp_path / "data")}


def test_every_command_explains_itself():
    listed = rakuten("--help").stdout
    for command in ("sample", "ingest", "materialize", "evaluate", "predict", "up", "demo"):
        assert command in listed
        assert rakuten(command, "--help").returncode == 0


def test_a_folder_without_a_delivery_is_refused_in_a_sentence(tmp_path, elsewhere):
    result = rakuten("ingest", tmp_path, **elsewhere)
    assert result.returncode == 1
    assert "X_train_update.csv" in result.stderr
    assert "Traceback" not in result.stderr


def test_there_is_nothing_to_materialize_before_a_delivery(elsewhere, platform):
    result = rakuten("materialize", **elsewhere)
    assert result.returncode == 1
    assert "rakuten ingest" in result.stderr


def test_an_asset_that_does_not_exist_is_named_with_those_that_do(platform):
    result = rakuten("materialize", "--select", "text_modle")
    assert result.returncode == 1
    assert "text_modle" in result.stderr
    assert "text_model" in result.stderr


def test_an_unknown_option_is_the_callers_error():
    assert rakuten("sample", "--colour", "red").returncode == 2


@pytest.mark.parametrize(
    ("x", "y", "sentence"),
    [
        (",designation\n0,a\n", ",prdtypecode\n0,10\n", "lacks the columns"),
        (",designation,description,productid,imageid\n0,a,,1,1\n", ",prdtypecode\n7,10\n", "No row"),
        (
            ",designation,description,productid,imageid\n0,a,,1,1\n",
            ",prdtypecode\n0,11\n",
            "do not exist: 11",
        ),
        ("", ",prdtypecode\n0,10\n", "cannot be read"),
    ],
)
def test_files_that_cannot_be_scored_are_refused_in_a_sentence(platform, tmp_path, x, y, sentence):
    (tmp_path / "X.csv").write_text(x)
    (tmp_path / "Y.csv").write_text(y)
    result = rakuten("evaluate", "--x", tmp_path / "X.csv", "--y", tmp_path / "Y.csv")
    assert result.returncode == 1
    assert sentence in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr


def test_a_sample_says_where_it_is(tmp_path):
    result = rakuten("sample", "--out", tmp_path / "s", "--products", "30")
    assert result.returncode == 0
    assert (tmp_path / "s" / "X_train_update.csv").exists()


@pytest.mark.parametrize("command", ["up", "demo", "simulate"])
def test_services_are_not_started_over_ones_that_run(elsewhere, tmp_path, command):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        result = rakuten(command, **elsewhere, RAKUTEN_STATE_DIR=str(tmp_path), RAKUTEN_DAGSTER_PORT=port)
    assert result.returncode == 1
    assert f"Port {port}" in result.stderr
    # Said before anything was made or trained.
    assert not list(tmp_path.iterdir())


def test_accounts_are_made_listed_blocked_and_given_new_passwords(settings, tmp_path):
    from rakuten_assets.postgres import application_url
    from rakuten_assets.store.errors import Refused
    from rakuten_assets.store.store import Store

    store = Store(application_url(settings))
    password = tmp_path / "password"
    password.write_text("une phrase assez longue\n")
    arguments = ("user", "add", "first@example.org", "--role", "admin", "--password-file", password)
    assert rakuten(*arguments).returncode == 0
    assert store.accounts.sign_in("first@example.org", "une phrase assez longue")[1].role == "admin"
    twice = rakuten(*arguments)
    assert twice.returncode == 1
    assert "an account with this e-mail already" in twice.stderr
    assert "first@example.org" in rakuten("user", "list").stdout
    assert rakuten("user", "block", "first@example.org", "--reason", "test").returncode == 0
    with pytest.raises(Refused, match="blocked"):
        store.accounts.sign_in("first@example.org", "une phrase assez longue")
    assert rakuten("user", "unblock", "first@example.org").returncode == 0
    new = rakuten("user", "reset-password", "first@example.org").stdout.strip()
    assert store.accounts.sign_in("first@example.org", new)
    assert rakuten("user", "block", "nobody@example.org").returncode == 1


def test_a_password_that_is_too_short_is_refused_in_a_sentence(settings, tmp_path):
    password = tmp_path / "password"
    password.write_text("court")
    result = rakuten("user", "add", "short@example.org", "--password-file", password)
    assert result.returncode == 1
    assert "10 characters at least" in result.stderr
