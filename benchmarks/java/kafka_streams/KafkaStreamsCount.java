import java.time.Duration;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.TimeWindows;

/** The Kafka Streams DSL, telling updates; settings are system properties, see protocol.py. */
public final class KafkaStreamsCount {
  private KafkaStreamsCount() {}

  /** Runs until it is ended. */
  public static void main(String[] arguments) throws Exception {
    Properties properties = new Properties();
    properties.put(StreamsConfig.APPLICATION_ID_CONFIG, System.getProperty("id"));
    properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, System.getProperty("servers"));
    properties.put(StreamsConfig.STATE_DIR_CONFIG, System.getProperty("folder"));
    properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, System.getProperty("parallelism"));
    properties.put("auto.offset.reset", "earliest");
    // Updates are told at every commit; its default is 30 s.
    properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
    boolean keyed = Boolean.getBoolean("keyed");
    TimeWindows windows =
        TimeWindows.ofSizeAndGrace(duration("window_ms"), duration("lateness_ms"))
            .advanceBy(duration("slide_ms"));
    StreamsBuilder builder = new StreamsBuilder();
    builder.stream(
            System.getProperty("topic"), Consumed.with(Serdes.String(), Serdes.String()))
        .filter((key, line) -> line.contains("ERROR"))
        .groupBy((key, line) -> keyed ? key : "", Grouped.with(Serdes.String(), Serdes.String()))
        .windowedBy(windows)
        .count()
        .toStream()
        .foreach(
            (window, count) ->
                System.out.println(window.window().end() + " " + count + " " + window.key()));
    KafkaStreams streams = new KafkaStreams(builder.build(), properties);
    Runtime.getRuntime().addShutdownHook(new Thread(streams::close));
    streams.start();
    new CountDownLatch(1).await();
  }

  private static Duration duration(String name) {
    return Duration.ofMillis(Long.getLong(name));
  }
}
