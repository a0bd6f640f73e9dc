"""`--config FILE`: options of a loop from a TOML or JSON file. What stands on the command line wins."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path


def read_config(path: Path) -> list[str]:
    """{"lr": 6e-4, "resume": true, "pairs": ["a", "b"]} -> ["--lr", "0.0006", "--resume", "--pairs", "a", "b"]; false leaves an option out."""
    try:
        text = path.read_text()
        values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise SystemExit(f"The config {path} cannot be read: {error}") from error
    if not isinstance(values, dict) or any(isinstance(v, dict) for v in values.values()):
        raise SystemExit(f"The config {path} must hold plain options, such as: lr = 6e-4")
    out: list[str] = []
    for name, value in values.items():
        if value is False:
            continue
        out.append("--" + name.replace("_", "-"))
        if value is not True:
            out.extend(str(v) for v in (value if isinstance(value, list) else [value]))
    return out


def with_config(words: list[str]) -> list[str]:
    """Puts the options of `--config FILE` (or --config=FILE) before all others, after the words that say what to do."""
    for at, word in enumerate(words):
        if word == "--config" or word.startswith("--config="):
            if word == "--config" and at + 1 == len(words):
                raise SystemExit("--config needs the name of a file.")
            path, length = (words[at + 1], 2) if word == "--config" else (word.split("=", 1)[1], 1)
            rest = words[:at] + words[at + length :]
            first = next((n for n, w in enumerate(rest) if w.startswith("-")), len(rest))
            return rest[:first] + read_config(Path(path)) + rest[first:]
    return words
