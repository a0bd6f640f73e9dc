import argparse

import pytest

from limnet_training.config import with_config


def parse(words):
    p = argparse.ArgumentParser()
    p.add_argument("what")
    p.add_argument("--lr", type=float, default=1.0)
    p.add_argument("--val-every", type=int)
    p.add_argument("--resume", nargs="?", const="last.pt")
    p.add_argument("--pairs", nargs="+")
    return p.parse_args(with_config(words))


@pytest.mark.parametrize(("name", "text"), [
    ("a.toml", 'lr = 6e-4\nval_every = 50\nresume = true\npairs = ["x", "y"]\n'),
    ("a.json", '{"lr": 6e-4, "val-every": 50, "resume": true, "pairs": ["x", "y"]}'),
])
def test_options_come_from_the_file_and_the_command_line_wins(tmp_path, name, text):
    file = tmp_path / name
    file.write_text(text)
    a = parse(["train", "--config", str(file)])
    assert (a.what, a.lr, a.val_every, a.resume, a.pairs) == ("train", 6e-4, 50, "last.pt", ["x", "y"])
    assert parse(["train", "--lr", "2", f"--config={file}"]).lr == 2


def test_false_leaves_an_option_out_and_without_a_file_nothing_changes(tmp_path):
    (tmp_path / "a.toml").write_text("resume = false\n")
    assert parse(["train", "--config", str(tmp_path / "a.toml")]).resume is None
    assert with_config(["train", "--lr", "2"]) == ["train", "--lr", "2"]


@pytest.mark.parametrize("text", ["lr = ", "[click]\nlr = 1\n"])
def test_a_file_that_is_no_list_of_options_is_refused(tmp_path, text):
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(SystemExit, match="config"):
        with_config(["train", "--config", str(tmp_path / "a.toml")])


def test_a_missing_file_is_said():
    with pytest.raises(SystemExit, match="cannot be read"):
        with_config(["--config", "nowhere.toml"])
    with pytest.raises(SystemExit, match="name of a file"):
        with_config(["--config"])
