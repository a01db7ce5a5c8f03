"""Spark Structured Streaming: all that is in the topic, in update mode."""

from __future__ import annotations

import os

from pyspark.sql import DataFrame, SparkSession, functions

from benchmarks.peers.protocol import WORD, Settings, read_settings, tell

JARS_VARIABLE = "BENCHMARK_SPARK_JARS"


def main(settings: Settings) -> None:
    """Runs to the end of the topic."""
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.memory", "2g")
        .config("spark.driver.extraClassPath", os.environ[JARS_VARIABLE])
        .config("spark.local.dir", settings.folder)
        .config("spark.sql.warehouse.dir", f"{settings.folder}/warehouse")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.ui.enabled", "false")
        # Its default of 200 is made for clusters.
        .config("spark.sql.shuffle.partitions", "2")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    lines = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", settings.servers)
        .option("subscribe", settings.topic)
        .option("startingOffsets", "earliest")
        .load()
    )
    window = functions.window(
        "timestamp", f"{settings.window_ms} milliseconds", f"{settings.slide_ms} milliseconds"
    )
    by = [window, functions.col("key").cast("string").alias("key")]
    counts = (
        lines.where(functions.col("value").cast("string").contains(WORD.decode()))
        .withWatermark("timestamp", f"{settings.lateness_ms} milliseconds")
        .groupBy(*by[: 2 if settings.keyed else 1])
        .count()
    )
    # Live, a batch begins when the last one is done.
    trigger = {"processingTime": "0 seconds"} if settings.live else {"availableNow": True}
    query = (
        counts.writeStream.outputMode("update")
        .trigger(**trigger)
        .option("checkpointLocation", f"{settings.folder}/checkpoints")
        .foreachBatch(_tell_all)
        .start()
    )
    query.awaitTermination()
    spark.stop()


def _tell_all(counts: DataFrame, _number: int) -> None:
    keyed = "key" in counts.columns
    end = functions.unix_millis(functions.col("window.end"))
    for row in counts.withColumn("end", end).collect():
        tell(row["end"], row["count"], row["key"] if keyed else "")


if __name__ == "__main__":
    main(read_settings())
