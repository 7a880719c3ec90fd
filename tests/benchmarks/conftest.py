import sys
from pathlib import Path

# The benchmarks are scripts: they find each other because they lie in one folder.
sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
