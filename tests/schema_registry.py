#!/usr/bin/env python3
"""Messages of the Confluent client for Python, an implementation that shares no code with the agent's converters.

    schema_registry.py write FORMAT URL TOPIC   prints messages of the client's serializer, one line of hex each
    schema_registry.py read FORMAT URL TOPIC    reads such lines and prints what the client's deserializer makes of them, as JSON

FORMAT is avro, json or protobuf. What is written is the same in each format: see ROWS.
"""

import datetime
import decimal
import json
import sys

from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.serialization import MessageField, SerializationContext

ROWS = [
    {"id": 1, "name": "one", "ratio": 0.5, "flag": True, "tags": ["a", "b"], "note": None},
    {"id": -(2**40), "name": "zwei é", "ratio": -1e300, "flag": False, "tags": [], "note": "n"},
]

AVRO = {
    "type": "record",
    "name": "Row",
    "namespace": "tests",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "name", "type": "string"},
        {"name": "ratio", "type": "double"},
        {"name": "flag", "type": "boolean"},
        {"name": "tags", "type": {"type": "array", "items": "string"}},
        {"name": "note", "type": ["null", "string"], "default": None},
    ],
}

JSON = {
    "type": "object",
    "title": "tests.Row",
    "properties": {
        "id": {"type": "integer", "connect.index": 0},
        "name": {"type": "string", "connect.index": 1},
        "ratio": {"type": "number", "connect.index": 2},
        "flag": {"type": "boolean", "connect.index": 3},
        "tags": {"type": "array", "items": {"type": "string"}, "connect.index": 4},
        "note": {"oneOf": [{"type": "null"}, {"type": "string"}], "connect.index": 5},
    },
    "required": ["id", "name", "ratio", "flag", "tags"],
}


def message_class(name, fields):
    """A class for a protobuf message: (name, type, is repeated, is optional) for each field."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="row.proto", package="tests", syntax="proto3")
    message = file.message_type.add(name=name)
    kinds = descriptor_pb2.FieldDescriptorProto
    for number, (field, kind, repeated, optional) in enumerate(fields, 1):
        added = message.field.add(
            name=field,
            number=number,
            type=getattr(kinds, "TYPE_" + kind),
            label=kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL,
        )
        if optional:
            added.proto3_optional = True
            added.oneof_index = len(message.oneof_decl)
            message.oneof_decl.add(name="_" + field)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("tests." + name))


ROW_FIELDS = [
    ("id", "INT64", False, False),
    ("name", "STRING", False, False),
    ("ratio", "DOUBLE", False, False),
    ("flag", "BOOL", False, False),
    ("tags", "STRING", True, False),
    ("note", "STRING", False, True),
]
# What the test's source connector writes.
LINE_FIELDS = [
    ("line", "STRING", False, False),
    ("number", "INT32", False, False),
    ("big", "INT64", False, False),
    ("ratio", "DOUBLE", False, False),
    ("flag", "BOOL", False, False),
    ("note", "STRING", False, False),
]


def serializer(kind, client):
    if kind == "avro":
        from confluent_kafka.schema_registry.avro import AvroSerializer

        return AvroSerializer(client, json.dumps(AVRO))
    if kind == "json":
        from confluent_kafka.schema_registry.json_schema import JSONSerializer

        return JSONSerializer(json.dumps(JSON), client)
    from confluent_kafka.schema_registry.protobuf import ProtobufSerializer

    message = message_class("Row", ROW_FIELDS)
    inner = ProtobufSerializer(message, client, {"use.deprecated.format": False})
    return lambda row, context: inner(message(**{k: v for k, v in row.items() if v is not None}), context)


def deserializer(kind, client):
    if kind == "avro":
        from confluent_kafka.schema_registry.avro import AvroDeserializer

        return AvroDeserializer(client)
    if kind == "json":
        from confluent_kafka.schema_registry.json_schema import JSONDeserializer

        return JSONDeserializer(None, schema_registry_client=client)
    from confluent_kafka.schema_registry.protobuf import ProtobufDeserializer

    # Without the registry, which would have to answer with a compiled schema.
    inner = ProtobufDeserializer(message_class("Line", LINE_FIELDS), {"use.deprecated.format": False})

    def read(data, context):
        message = inner(data, context)
        return {field.name: getattr(message, field.name) for field in message.DESCRIPTOR.fields}

    return read


def shown(value):
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time, decimal.Decimal)):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(type(value))


def main():
    action, kind, url, topic = sys.argv[1:]
    client = SchemaRegistryClient({"url": url})
    context = SerializationContext(topic, MessageField.VALUE)
    if action == "write":
        write = serializer(kind, client)
        for row in ROWS:
            print(write(row, context).hex())
    else:
        read = deserializer(kind, client)
        for line in sys.stdin:
            value = read(bytes.fromhex(line.strip()), context)
            print(json.dumps(value, default=shown, sort_keys=True))


main()
