// Writes what Kafka's clients take: `java ClientKeys keys` their definitions, `java ClientKeys probes` values at the limits
// of each key and what the client's own configuration class says to them. See README.md.

import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.ConfigException;
import org.apache.kafka.common.utils.AppInfoParser;

public class ClientKeys {
    record Kind(String name, ConfigDef definition, Consumer<Map<String, Object>> construct) { }

    static final List<Kind> KINDS = List.of(
        new Kind("producer", ProducerConfig.configDef(), ProducerConfig::new),
        new Kind("consumer", ConsumerConfig.configDef(), ConsumerConfig::new),
        new Kind("admin", AdminClientConfig.configDef(), AdminClientConfig::new));

    public static void main(String[] args) {
        System.out.println("# kafka-clients " + AppInfoParser.getVersion() + ", by ClientKeys.java " + args[0]);
        for (Kind kind : KINDS)
            for (String name : new TreeSet<>(kind.definition().names())) {
                ConfigDef.ConfigKey key = kind.definition().configKeys().get(name);
                if (args[0].equals("keys"))
                    print(kind.name(), name, key.type.toString(), shown(key), limits(key));
                else
                    for (String value : values(key))
                        print(kind.name(), name, value, answer(kind, name, value));
            }
    }

    static void print(String... fields) {
        System.out.println(String.join("\t", fields));
    }

    /** The default; `!` for none. */
    static String shown(ConfigDef.ConfigKey key) {
        if (!key.hasDefault())
            return "!";
        String text = ConfigDef.convertToString(key.defaultValue, key.type);
        return text == null ? "null" : text;
    }

    static String limits(ConfigDef.ConfigKey key) {
        if (key.validator == null)
            return "";
        return key.validator.getClass().getSimpleName() + " " + key.validator;
    }

    static Set<String> values(ConfigDef.ConfigKey key) {
        Set<String> values = new LinkedHashSet<>();
        switch (key.type) {
            case INT, SHORT, LONG -> {
                long most = switch (key.type) {
                    case INT -> Integer.MAX_VALUE;
                    case SHORT -> Short.MAX_VALUE;
                    default -> Long.MAX_VALUE;
                };
                values.addAll(List.of("-2", "-1", "0", "1", " 2 ", "5", "10000", "" + most, "-" + most, "", "x", "1.5"));
                if (key.type != ConfigDef.Type.LONG)
                    values.add("" + (most + 1));
                Matcher number = Pattern.compile("-?\\d+").matcher(limits(key));
                while (number.find())
                    for (long near = -1; near < 2 && Math.abs(Long.parseLong(number.group())) < most; near++)
                        values.add("" + (Long.parseLong(number.group()) + near));
                values.add("" + key.defaultValue);
            }
            case DOUBLE -> values.addAll(List.of("-0.1", "0.0", "0.2", "0.5", "0.8", "1.0", "1.5", "x", ""));
            case BOOLEAN -> values.addAll(List.of("true", "FALSE", " true ", "yes", "1", ""));
            case STRING -> {
                String limits = limits(key);
                if (limits.contains("["))
                    for (String one : limits.substring(limits.indexOf('[') + 1, limits.length() - 1).split(", "))
                        values.addAll(List.of(one, one.toLowerCase(), one.toUpperCase(), one + "x"));
                if (limits.contains("by_duration"))
                    values.addAll(List.of("by_duration:PT1H", "by_duration:P1DT2H3M4.5S", "by_duration:", "by_duration:1h",
                        "by_duration:-PT1H", "by_duration:PT0S", "BY_DURATION:PT1H", "Earliest", "by_duration"));
                values.addAll(List.of("rubbish", "", " "));
                values.add("" + key.defaultValue);
            }
            case LIST -> values.addAll(List.of("a:1,a:1", " a:1 , b:2 ", "a:1,,b:2", "", "PLAINTEXT://a:1"));
            default -> { }
        }
        values.remove("null");
        return values;
    }

    /** What the configuration class of the client says: `ok` or its refusal. */
    static String answer(Kind kind, String name, String value) {
        Map<String, Object> props = new TreeMap<>();
        props.put("bootstrap.servers", "localhost:9092");
        if (!kind.name().equals("admin")) {
            String[] ends = kind.name().equals("producer") ? new String[] {"serializer", "S"} : new String[] {"deserializer", "Des"};
            String type = "org.apache.kafka.common.serialization.ByteArray" + (ends[1].equals("S") ? "Serializer" : "Deserializer");
            props.put("key." + ends[0], type);
            props.put("value." + ends[0], type);
        }
        if (kind.name().equals("consumer"))
            props.put("group.id", "g");
        // As Connect's producers have it: what needs idempotence is refused by rules of its own.
        if (kind.name().equals("producer"))
            props.put("enable.idempotence", "false");
        props.put(name, value);
        try {
            kind.construct().accept(props);
            return "ok";
        } catch (ConfigException refusal) {
            return refusal.getMessage().replace("\n", " ");
        } catch (RuntimeException other) {
            return other.toString().replace("\n", " ");
        }
    }
}
