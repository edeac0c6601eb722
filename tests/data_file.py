#!/usr/bin/env python3
"""What readers of others find in a file.

    data_file.py parquet|avro FILE     prints {"schema": ..., "codec": ..., "rows": [...]}
"""

import datetime
import decimal
import json
import sys


def parquet(path):
    import pyarrow.parquet

    file = pyarrow.parquet.ParquetFile(path)
    schema = [{"name": f.name, "type": str(f.type), "nullable": f.nullable} for f in file.schema_arrow]
    metadata = file.metadata
    codec = metadata.row_group(0).column(0).compression if metadata.num_row_groups and metadata.num_columns else None
    rows = file.read().to_pylist()
    return {"schema": schema, "codec": codec, "rows": rows, "duckdb": duckdb_types(path, len(rows))}


def duckdb_types(path, count):
    """Types by column as DuckDB has them, which has to find as many rows."""
    import duckdb

    table = duckdb.read_parquet(path)
    found = len(table.fetchall())
    if found != count:
        raise SystemExit(f"PyArrow reads {count} rows of {path}, DuckDB {found}")
    return {name: str(kind) for name, kind in zip(table.columns, table.types)}


def avro(path):
    import fastavro

    with open(path, "rb") as file:
        reader = fastavro.reader(file)
        return {"schema": reader.writer_schema, "codec": reader.codec, "rows": list(reader)}


def shown(value):
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time, datetime.timedelta, decimal.Decimal)):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    raise TypeError(type(value))


def main():
    kind, path = sys.argv[1:]
    read = {"parquet": parquet, "avro": avro}[kind]
    print(json.dumps(read(path), default=shown))


main()
