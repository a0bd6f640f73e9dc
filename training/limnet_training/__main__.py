"""python -m limnet_training {click,propagation,quality,export,convert,quantize,curves,walls} …"""

import importlib
import sys

from .config import with_config
from .splits import check_words

COMMANDS = {"click": "click", "propagation": "propagation", "quality": "quality", "export": "exporting", "convert": "paper.convert", "curves": "curves", "quantize": "quantize", "walls": "walls"}


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        print(__doc__ + "\nEach has its own --help; options may also stand in a file: --config FILE (TOML or JSON).")
        sys.exit(0 if len(sys.argv) > 1 and sys.argv[1] in ("-h", "--help") else 2)
    words = with_config(sys.argv[2:])
    check_words(words)
    importlib.import_module(f".{COMMANDS[sys.argv[1]]}", __package__).main(words)


main()
