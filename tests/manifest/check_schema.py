#!/usr/bin/env python3
"""Validates instances against definitions of a JSON Schema, as tests/e2e/manifest_test.cpp asks.

    check_schema.py ROWS.json     each {schema, definition, instance, fits}"""

import json
import sys

import jsonschema


def main():
    failed = 0
    with open(sys.argv[1], encoding="utf-8") as rows:
        for row in json.load(rows):
            jsonschema.Draft202012Validator.check_schema(row["schema"])
            name = row["definition"]
            assert name in row["schema"]["$defs"], name
            schema = dict(row["schema"], **{"$ref": f"#/$defs/{name}"})
            validator = jsonschema.Draft202012Validator(schema)
            if validator.is_valid(row["instance"]) != row["fits"]:
                failed += 1
                print(f"{name}: {json.dumps(row['instance'])} "
                      f"{'does not fit' if row['fits'] else 'fits'}")
    return 1 if failed else 0


sys.exit(main())
