"""python -m limnet_training {click,propagation,quality,export,convert,quantize,curves} …"""

import importlib
import sys

COMMANDS = {"click": "click", "propagation": "propagation", "quality": "quality", "export": "exporting", "convert": "paper.convert", "curves": "curves", "quantize": "quantize"}


def main() -> None:
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        print(__doc__ + "\nEach has its own --help.")
        sys.exit(0 if len(sys.argv) > 1 and sys.argv[1] in ("-h", "--help") else 2)
    importlib.import_module(f".{COMMANDS[sys.argv[1]]}", __package__).main(sys.argv[2:])


main()
