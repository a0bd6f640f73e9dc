"""The index of labelled scans: what it must hold, no patient in two splits, a share for every set."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

NEEDED = ("id", "dataset", "split", "kind", "modality")
READ = ("volume", "image")  # kinds that training reads; entries of other kinds (DICOM folders, say) may stand beside them


class BadIndex(SystemExit):
    """The sentence for whoever wrote the index."""


def patient(entry: dict) -> tuple[str, str]:
    """Who an entry shows, within its set: `patient` where it is given, else `case` (a patient may have several), else the entry itself."""
    return entry["dataset"], str(entry.get("patient") or entry.get("case") or entry["id"])


def read_index(path: Path) -> list[dict]:
    """Entries of an index that training may use. Raises BadIndex: fields are missing, or a patient is both trained on and validated with."""
    try:
        entries = json.loads(Path(path).read_text())["entries"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadIndex(f'The index {path} cannot be read as {{"entries": [...]}}: {error}') from error
    for n, entry in enumerate(entries):
        needed = [*NEEDED, "image"] if entry.get("kind", "volume") in READ else NEEDED
        if missing := [k for k in needed if not entry.get(k)]:
            raise BadIndex(f"Entry {n} of {path} ({entry.get('id', 'no id')}) lacks {', '.join(missing)}.")
    seen = defaultdict(set)
    for entry in entries:
        seen[patient(entry)].add(entry["split"])
    both = sorted(f"{name} of {dataset}" for (dataset, name), splits in seen.items() if {"train", "val"} <= splits)
    if both:
        raise BadIndex(f"{len(both)} patients of {path} are in train and in val, so that val would measure what was learnt by heart: "
                       f"{', '.join(both[:10])}{', …' if len(both) > 10 else ''}. Give each patient one split (field patient, else case, else id).")
    for split in ("train", "val"):
        if not any(e["split"] == split and e.get("label") for e in entries):
            raise BadIndex(f"{path} has no labelled entry of the split {split}.")
    return entries


def check_words(words: list[str]) -> None:
    """Reads the index that a command line names, if it names one."""
    for at, word in enumerate(words):
        if word == "--index" and at + 1 < len(words):
            read_index(Path(words[at + 1]))
        elif word.startswith("--index="):
            read_index(Path(word.split("=", 1)[1]))


def shares_for(shares: dict[str, float], scans) -> dict[str, float]:
    """The table of a loop, where it names any set of `scans`; the sets that it leaves out are said. Else, for an index of other sets: seven of
    ten samples from these, all sets alike, the rest as the table makes them up (synthetic volumes)."""
    found = sorted({s.dataset for s in scans})
    unnamed = [name for name in found if name not in shares]
    if len(unnamed) < len(found):
        if unnamed:
            print(f"Not drawn from, because the table of shares does not name them: {', '.join(unnamed)}")
        return shares
    made = shares.get("synthetic", 0)
    return {**{name: 0.7 / len(found) for name in found}, **({"synthetic": 0.3} if made else {})}
