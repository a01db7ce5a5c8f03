import java.time.Duration;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;
import org.apache.flink.types.Row;
import org.apache.flink.util.CloseableIterator;

/** Flink SQL over all that is in the topic; settings are system properties, see protocol.py. */
public final class FlinkSql {
  private FlinkSql() {}

  /** Runs to the end of the topic. */
  public static void main(String[] arguments) throws Exception {
    Configuration configuration = new Configuration();
    configuration.setString("parallelism.default", System.getProperty("parallelism"));
    StreamTableEnvironment tables =
        StreamTableEnvironment.create(
            StreamExecutionEnvironment.getExecutionEnvironment(configuration));
    tables.getConfig().setLocalTimeZone(ZoneOffset.UTC);
    boolean keyed = Boolean.getBoolean("keyed");
    tables.executeSql(
        "CREATE TABLE logs (line STRING, "
            + (keyed ? "series STRING, " : "")
            + "event_time TIMESTAMP_LTZ(3) METADATA FROM 'timestamp', "
            + "WATERMARK FOR event_time AS event_time - "
            + seconds("lateness_ms")
            + ") WITH ('connector' = 'kafka', 'topic' = '"
            + System.getProperty("topic")
            + "', 'properties.bootstrap.servers' = '"
            + System.getProperty("servers")
            + "', 'scan.startup.mode' = 'earliest-offset', "
            + (Boolean.getBoolean("live") ? "" : "'scan.bounded.mode' = 'latest-offset', ")
            + (keyed
                ? "'key.format' = 'raw', 'key.fields' = 'series', "
                    + "'value.fields-include' = 'EXCEPT_KEY', 'value.format' = 'raw')"
                : "'format' = 'raw')"));
    tables.executeSql("CREATE VIEW errors AS SELECT * FROM logs WHERE line LIKE '%ERROR%'");
    String series = keyed ? ", series" : "";
    String query =
        "SELECT window_end, COUNT(*)"
            + series
            + " FROM TABLE(HOP(TABLE errors, DESCRIPTOR(event_time), "
            + seconds("slide_ms")
            + ", "
            + seconds("window_ms")
            + ")) GROUP BY window_start, window_end"
            + series;
    try (CloseableIterator<Row> rows = tables.executeSql(query).collect()) {
      while (rows.hasNext()) {
        Row row = rows.next();
        LocalDateTime end = row.getFieldAs(0);
        System.out.println(
            end.toInstant(ZoneOffset.UTC).toEpochMilli()
                + " "
                + row.getField(1)
                + " "
                + (keyed ? row.getField(2) : ""));
      }
    }
  }

  private static String seconds(String name) {
    Duration time = Duration.ofMillis(Long.getLong(name));
    return String.format(
        "INTERVAL '%d %02d:%02d:%02d' DAY TO SECOND",
        time.toDays(), time.toHoursPart(), time.toMinutesPart(), time.toSecondsPart());
  }
}
