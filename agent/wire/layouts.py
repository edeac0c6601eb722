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
INDENT, COLUMNS = "    ", 110
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
    """One request or answer; its structs become one Rust expression, a line for each field that holds others."""

    def __init__(self, definition):
        self.definition = definition
        self.common = {struct["name"]: struct["fields"] for struct in definition.get("commonStructs", [])}

    def struct(self, fields, depth, before, behind):
        """Lines of a struct, with what stands before it and behind it."""
        plain = [self.field(f, depth + 1) for f in fields if "tag" not in f]
        tagged = [self.field(f, depth + 1, versions(f.get("taggedVersions")), f"{f['tag']}, ") for f in fields if "tag" in f]
        # A struct in memory has all its fields, whatever the version, and a map of unknown tagged fields.
        memory = 24 + sum(self.memory(f) for f in fields)
        lines = [f"{INDENT * depth}{before}layout!({memory}, [", *packed(plain, depth + 1)]
        if tagged:
            lines += [f"{INDENT * depth}], [", *packed(tagged, depth + 1)]
            return [*lines, f"{INDENT * depth}]){behind}"]
        return [*lines, f"{INDENT * depth}], []){behind}"]

    def memory(self, field):
        kind = field["type"]
        if kind in FIXED:
            return FIXED[kind]
        if kind.startswith("[]"):
            return 24
        if kind in ("string", "bytes", "records"):
            return 32
        return 32 + sum(self.memory(f) for f in field.get("fields") or self.common[kind])

    def field(self, field, depth, range_=None, tag=""):
        """A text, or the lines of a field with fields of its own."""
        first, last = range_ or versions(field.get("versions"))
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", field["name"]).lower()
        within = f"{first}.." if last == NEVER else f"{first}..={last}"
        return self.kind(field, field["type"], depth, f'field!({tag}"{name}", {within}, ', "),")

    def kind(self, field, kind, depth, before, behind):
        if kind in FIXED:
            return f"{before}Fixed({FIXED[kind]}){behind}"
        if kind == "string":
            return f"{before}Text{behind}"
        if kind in ("bytes", "records"):
            return f"{before}Bytes{behind}"
        if kind.startswith("[]"):
            return self.kind(dict(field, nullableVersions=None), kind[2:], depth, f"{before}Array(&", f"){behind}")
        fields = field.get("fields") or self.common[kind]
        if field.get("nullableVersions"):
            first, last = versions(field["nullableVersions"])
            return self.struct(fields, depth, f"{before}Optional({first}, {last}, &", f"){behind}")
        return self.struct(fields, depth, f"{before}Struct(&", f"){behind}")

    def rows(self):
        first_flexible = versions(self.definition.get("flexibleVersions", "none"))[0]
        before = f"Message {{ api: {self.definition['apiKey']}, flexible: {first_flexible}, body: "
        return self.struct(self.definition["fields"], 1, before, " },")


def packed(fields, depth):
    """Fields without others side by side, as many as a line holds; those with others on lines of their own."""
    lines, row = [], []

    def finish():
        if row:
            lines.append(INDENT * depth + " ".join(row))
            row.clear()

    for field in fields:
        if isinstance(field, list):
            finish()
            lines += field
            continue
        if len(INDENT * depth + " ".join([*row, field])) > COLUMNS:
            finish()
        row.append(field)
    finish()
    return lines


def main():
    jar = zipfile.ZipFile(sys.argv[1])
    version = re.search(r"kafka-clients-([\d.]+)\.jar", sys.argv[1]).group(1)
    messages = {"request": [], "response": []}
    for name in jar.namelist():
        if re.fullmatch(r"common/message/\w+(Request|Response)\.json", name):
            definition = read(jar.read(name).decode())
            if definition["type"] in messages and definition.get("validVersions") != "none":
                messages[definition["type"]].append(definition)
    print(f"//! The layout of every request and answer, made by `layouts.py` from the message definitions of Kafka {version}.")
    print("//! Not edited by hand.")
    print()
    print("use crate::layout::Kind::{Array, Bytes, Fixed, Optional, Struct, Text};")
    print("use crate::layout::{Message, field, layout};")
    for kind, constant, doc in (("request", "REQUESTS", "What clients send"), ("response", "ANSWERS", "What brokers answer")):
        print()
        print(f"/// {doc}, by the number of the API.")
        print("#[rustfmt::skip]")
        print(f"pub(crate) const {constant}: &[Message] = &[")
        for definition in sorted(messages[kind], key=lambda d: d["apiKey"]):
            print("\n".join(Message(definition).rows()))
        print("];")


main()
