#!/usr/bin/env python3
"""Makes src/layouts.rs: the layout of Kafka's requests and answers, from the message definitions inside the jar of kafka-clients.

    agent/wire/layouts.py JAR > agent/wire/src/layouts.rs

The definitions are Kafka's own `common/message/*.json`. A test of the end-to-end suite makes the file again and compares.
"""
import json
import re
import sys
import zipfile

NEVER = 32767
FIXED = {"bool": 1, "int8": 1, "int16": 2, "uint16": 2, "int32": 4, "uint32": 4, "int64": 8, "float64": 8, "uuid": 16}


def read(text):
    """JSON with comments of whole lines or behind a value, as Kafka writes it."""
    return json.loads(re.sub(r'("(?:[^"\\]|\\.)*")|//[^\n]*', lambda m: m.group(1) or "", text))


def versions(text, default=(0, NEVER)):
    """`3+`, `2-5`, `4`, `none` as first and last version."""
    if text is None:
        return default
    if text == "none":
        return (NEVER, 0)
    if text.endswith("+"):
        return (int(text[:-1]), NEVER)
    first, _, last = text.partition("-")
    return (int(first), int(last or first))


class Message:
    """One request or answer; its structs become one Rust expression."""

    def __init__(self, definition):
        self.definition = definition
        self.common = {struct["name"]: struct["fields"] for struct in definition.get("commonStructs", [])}

    def struct(self, fields):
        plain = [self.field(f) for f in fields if "tag" not in f]
        tagged = [f"({f['tag']}, {self.field(f, versions(f.get('taggedVersions')))})" for f in fields if "tag" in f]
        # A struct in memory has all its fields, whatever the version, and a map of unknown tagged fields.
        memory = 24 + sum(self.memory(f) for f in fields)
        return f"L {{ memory: {memory}, fields: &[{', '.join(plain)}], tagged: &[{', '.join(tagged)}] }}"

    def memory(self, field):
        kind = field["type"]
        if kind in FIXED:
            return FIXED[kind]
        if kind.startswith("[]"):
            return 24
        if kind in ("string", "bytes", "records"):
            return 32
        return 32 + sum(self.memory(f) for f in field.get("fields") or self.common[kind])

    def field(self, field, range_=None):
        first, last = range_ or versions(field.get("versions"))
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", field["name"]).lower()
        return f'F {{ name: "{name}", first: {first}, last: {last}, kind: {self.kind(field, field["type"])} }}'

    def kind(self, field, kind):
        if kind in FIXED:
            return f"Fixed({FIXED[kind]})"
        if kind == "string":
            return "Text"
        if kind in ("bytes", "records"):
            return "Bytes"
        if kind.startswith("[]"):
            return f"Array(&{self.kind(dict(field, nullableVersions=None), kind[2:])})"
        struct = self.struct(field.get("fields") or self.common[kind])
        if field.get("nullableVersions"):
            first, last = versions(field["nullableVersions"])
            return f"Optional({first}, {last}, &{struct})"
        return f"Struct(&{struct})"

    def row(self):
        first_flexible = versions(self.definition.get("flexibleVersions", "none"))[0]
        return f"    M {{ api: {self.definition['apiKey']}, flexible: {first_flexible}, body: {self.struct(self.definition['fields'])} }},"


def main():
    jar = zipfile.ZipFile(sys.argv[1])
    version = re.search(r"kafka-clients-([\d.]+)\.jar", sys.argv[1]).group(1)
    messages = {"request": [], "response": []}
    for name in jar.namelist():
        if re.fullmatch(r"common/message/\w+(Request|Response)\.json", name):
            definition = read(jar.read(name).decode())
            if definition["type"] in messages and definition.get("validVersions") != "none":
                messages[definition["type"]].append(definition)
    print(f"//! The layout of every request and answer, made by `layouts.py` from the message definitions of Kafka {version}. Not edited by hand.")
    print()
    print("use crate::layout::Kind::{Array, Bytes, Fixed, Optional, Struct, Text};")
    print("use crate::layout::{Field as F, Layout as L, Message as M};")
    for kind, constant, doc in (("request", "REQUESTS", "What clients send"), ("response", "ANSWERS", "What brokers answer")):
        print()
        print(f"/// {doc}, by the number of the API.")
        print("#[rustfmt::skip]")
        print(f"pub(crate) const {constant}: &[M] = &[")
        for definition in sorted(messages[kind], key=lambda d: d["apiKey"]):
            print(Message(definition).row())
        print("];")


main()
