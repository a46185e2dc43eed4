"""Print the lowest version of each dependency that pyproject.toml allows, as a constraints file for pip."""

import re
import tomllib
from pathlib import Path

project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text())["project"]
for requirements in [project["dependencies"], *project["optional-dependencies"].values()]:
    for requirement in requirements:
        bound = re.match(r"(?P<name>[\w-]+)(\[[\w,]+\])?>=(?P<version>[\d.]+)", requirement)
        if bound and not bound["name"].startswith("types-"):  # whose versions end in a date
            print(f"{bound['name']}=={bound['version']}")
