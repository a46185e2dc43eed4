"""Print the lowest version of every dependency that pyproject.toml allows, as a constraints file for pip."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
for requirement in [*project["dependencies"], *(each for extra in project["optional-dependencies"].values() for each in extra)]:
    if bound := re.match(r"([\w-]+)(?:\[[\w,]+\])?>=([\d.]+)", requirement):
        print(f"{bound[1]}=={bound[2]}")
