import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Properties;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Sends each line of stdin, `topic TAB key TAB value in base64 TAB name=value ...`, by Java's own defaults. */
class Producer {
  public static void main(String[] arguments) throws Exception {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", arguments[0]);
    settings.put("compression.type", arguments[1]);
    settings.put("max.request.size", "4000000");
    settings.put("key.serializer", ByteArraySerializer.class);
    settings.put("value.serializer", ByteArraySerializer.class);
    BufferedReader lines =
        new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    try (KafkaProducer<byte[], byte[]> producer = new KafkaProducer<>(settings)) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        String[] parts = line.split("\t");
        byte[] key = parts[1].getBytes(StandardCharsets.UTF_8);
        ProducerRecord<byte[], byte[]> record =
            new ProducerRecord<>(parts[0], key, Base64.getDecoder().decode(parts[2]));
        for (int at = 3; at < parts.length; at++) {
          String[] header = parts[at].split("=", 2);
          record.headers().add(header[0], header[1].getBytes(StandardCharsets.UTF_8));
        }
        producer.send(record).get();
      }
    }
  }
}
