#!/usr/bin/env python3
"""What Spark finds in a folder of files.

    spark_reads.py parquet|avro URL JARS     prints {"schema": [{"name": ..., "type": ...}], "rows": [...]}

URL is a folder that Hadoop's client reads, such as hdfs://127.0.0.1:8020/shop; JARS are further jars, separated by commas. Types
are Spark's simple names, such as decimal(10,2); decimals, dates and times in rows are text.
"""

import json
import sys

from pyspark.sql import SparkSession


def main():
    kind, url, jars = sys.argv[1:]
    spark = (
        SparkSession.builder.master("local[1]")
        .config("spark.jars", jars)
        .config("spark.ui.enabled", "false")
        .config("spark.sql.shuffle.partitions", "1")
        .getOrCreate()
    )
    try:
        frame = spark.read.format(kind).load(url)
        schema = [{"name": field.name, "type": field.dataType.simpleString()} for field in frame.schema]
        rows = [row.asDict(recursive=True) for row in frame.collect()]
        print(json.dumps({"schema": schema, "rows": rows}, default=str))
    finally:
        spark.stop()


main()
