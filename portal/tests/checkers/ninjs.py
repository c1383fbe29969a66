"""Checks a document against ninjs-3.1.json."""

import json
import pathlib
import sys

import jsonschema

schema = json.loads(pathlib.Path(__file__).with_name("ninjs-3.1.json").read_text())
document = json.load(sys.stdin)
jsonschema.Draft202012Validator.check_schema(schema)
jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker()).validate(document)
