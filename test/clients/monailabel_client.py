"""The client module of the PyPI package `monailabel`, alone: the package around it imports what only a server needs."""

import importlib.util
from importlib.metadata import distribution
from pathlib import Path


def load():
    path = Path(str(distribution("monailabel").locate_file("monailabel/client/client.py")))
    spec = importlib.util.spec_from_file_location("monailabel_client_of_pypi", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
