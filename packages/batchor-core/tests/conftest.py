import importlib
import sys

try:
    importlib.import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
except ModuleNotFoundError:
    # The core alone, without its extra; the workspace has it, as its architecture tests assert.
    collect_ignore = ["test_zstd_sources.py"]
