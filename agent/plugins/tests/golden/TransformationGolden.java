import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.File;
import java.io.PrintStream;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Date;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.common.config.types.Password;
import org.apache.kafka.common.record.TimestampType;
import org.apache.kafka.connect.connector.ConnectRecord;
import org.apache.kafka.connect.data.ConnectSchema;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.data.SchemaBuilder;
import org.apache.kafka.connect.data.SchemaProjector;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.data.Values;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.sink.SinkRecord;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.storage.Converter;
import org.apache.kafka.connect.transforms.Transformation;
import org.apache.kafka.connect.transforms.predicates.Predicate;

/**
 * Runs the cases of transformation_cases.json through Kafka's own transformations and predicates and prints one line of
 * JSON for each, which the Rust ones have to equal. README.md beside it tells how to run it and what the forms are.
 */
public class TransformationGolden {
    static final ObjectMapper MAPPER = new ObjectMapper();
    static final String PACKAGE = "org.apache.kafka.connect.transforms.";

    public static void main(String[] args) throws Exception {
        JsonNode cases = MAPPER.readTree(new File(args[0]));
        PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
        if (cases.has("texts")) {
            dataModel(out, cases);
            return;
        }
        int groupNumber = -1;
        for (JsonNode group : cases.get("groups")) {
            groupNumber++;
            String name = group.get("class").asText();
            boolean predicate = name.startsWith("predicates.");
            Class<?> type = Class.forName(name.startsWith("io.") ? name : PACKAGE + name);
            print(out, groupNumber, -1, null, "def", definition(type));
            int number = 0;
            for (JsonNode config : group.get("configs")) {
                Map<String, String> props = new HashMap<>();
                for (Iterator<Map.Entry<String, JsonNode>> i = config.fields(); i.hasNext(); ) {
                    Map.Entry<String, JsonNode> entry = i.next();
                    props.put(entry.getKey(), entry.getValue().asText());
                }
                Object plugin = type.getDeclaredConstructor().newInstance();
                try {
                    ((org.apache.kafka.common.Configurable) plugin).configure(props);
                } catch (Exception e) {
                    print(out, groupNumber, number++, null, "error", error(e));
                    continue;
                }
                for (JsonNode record : group.get("records")) {
                    JsonNode template = cases.get("records").get(record.asText());
                    try {
                        JsonNode result = predicate
                            ? MAPPER.getNodeFactory().booleanNode(test((Predicate<?>) plugin, template))
                            : apply((Transformation<?>) plugin, template);
                        print(out, groupNumber, number, record.asText(), "result", result);
                    } catch (Exception e) {
                        print(out, groupNumber, number, record.asText(), "error", error(e));
                    }
                }
                number++;
            }
        }
    }

    /** Texts that are parsed and written back, values that are written and whose schema is guessed, projections. */
    static void dataModel(PrintStream out, JsonNode cases) throws Exception {
        for (JsonNode text : cases.get("texts")) {
            SchemaAndValue parsed = Values.parseString(text.asText());
            ObjectNode line = MAPPER.createObjectNode();
            line.set("schema", parsed == null ? MAPPER.nullNode() : schema(parsed.schema()));
            line.set("value", parsed == null ? MAPPER.nullNode() : value(parsed.value()));
            line.put("text", parsed == null ? null : Values.convertToString(parsed.schema(), parsed.value()));
            out.println(MAPPER.writeValueAsString(line));
        }
        for (JsonNode node : cases.get("values")) {
            SchemaAndValue data = data(node);
            ObjectNode line = MAPPER.createObjectNode();
            line.set("inferred", inferred(data.value()));
            line.put("text", Values.convertToString(data.schema(), data.value()));
            line.put("toString", String.valueOf(data.value()));
            line.set("long", converted(() -> Values.convertToLong(data.schema(), data.value())));
            line.set("double", converted(() -> Values.convertToDouble(data.schema(), data.value())));
            line.set("boolean", converted(() -> Values.convertToBoolean(data.schema(), data.value())));
            out.println(MAPPER.writeValueAsString(line));
        }
        for (JsonNode node : cases.path("configs")) {
            out.println(MAPPER.writeValueAsString(configured(node)));
        }
        for (JsonNode node : cases.path("conversions")) {
            out.println(MAPPER.writeValueAsString(conversion(node)));
        }
        for (JsonNode node : cases.get("projections")) {
            ObjectNode line = MAPPER.createObjectNode();
            try {
                SchemaAndValue source = data(node.get("source"));
                line.set("result", value(SchemaProjector.project(source.schema(), source.value(), schema(node.get("target")))));
            } catch (Exception e) {
                line.set("error", error(e));
            }
            out.println(MAPPER.writeValueAsString(line));
        }
        for (JsonNode node : cases.get("validations")) {
            ObjectNode line = MAPPER.createObjectNode();
            try {
                SchemaAndValue data = data(node);
                ConnectSchema.validateValue(data.schema(), data.value());
                line.put("result", true);
            } catch (Exception e) {
                line.set("error", error(e));
            }
            out.println(MAPPER.writeValueAsString(line));
        }
    }

    /** What a text is as a key of a type: the value as the REST API shows it, or the fault. */
    static JsonNode configured(JsonNode node) {
        ConfigDef.Type type = ConfigDef.Type.valueOf(node.get("type").asText());
        ObjectNode line = MAPPER.createObjectNode();
        try {
            Object parsed = ConfigDef.parseType("key", node.get("text").asText(), type);
            if (type == ConfigDef.Type.LIST) {
                line.set("value", value(parsed));
            } else if (type == ConfigDef.Type.PASSWORD) {
                line.put("value", ((Password) parsed).value());
            } else {
                line.put("value", ConfigDef.convertToString(parsed, type));
            }
        } catch (Exception e) {
            line.put("error", e.getMessage());
        }
        return line;
    }

    /** What a converter makes of a value, or of bytes. */
    static JsonNode conversion(JsonNode node) throws Exception {
        Converter converter = (Converter) Class.forName(node.get("class").asText()).getDeclaredConstructor().newInstance();
        Map<String, String> props = new HashMap<>();
        node.get("config").fields().forEachRemaining(e -> props.put(e.getKey(), e.getValue().asText()));
        converter.configure(props, false);
        ObjectNode line = MAPPER.createObjectNode();
        try {
            if (node.has("bytes")) {
                SchemaAndValue data = converter.toConnectData("t", Base64.getDecoder().decode(node.get("bytes").asText()));
                line.set("schema", schema(data.schema()));
                line.set("value", value(data.value()));
            } else {
                SchemaAndValue data = data(node);
                byte[] bytes = converter.fromConnectData("t", data.schema(), data.value());
                line.put("text", bytes == null ? null : new String(bytes, StandardCharsets.UTF_8));
            }
        } catch (Exception e) {
            line.put("error", e.getMessage());
        }
        return line;
    }

    static JsonNode inferred(Object value) {
        try {
            return schema(Values.inferSchema(value));
        } catch (Exception e) {
            return MAPPER.getNodeFactory().textNode("fails");
        }
    }

    static JsonNode converted(java.util.concurrent.Callable<Object> conversion) {
        try {
            return value(conversion.call());
        } catch (Exception e) {
            return MAPPER.getNodeFactory().textNode("fails");
        }
    }

    static void print(PrintStream out, int group, int config, String record, String key, JsonNode value) throws Exception {
        ObjectNode line = MAPPER.createObjectNode();
        line.put("group", group);
        line.put("config", config);
        line.put("record", record);
        line.set(key, value);
        out.println(MAPPER.writeValueAsString(line));
    }

    static JsonNode error(Exception e) {
        return MAPPER.createObjectNode().put("class", e.getClass().getName()).put("message", e.getMessage());
    }

    static JsonNode definition(Class<?> type) throws Exception {
        Object plugin = type.getDeclaredConstructor().newInstance();
        ConfigDef def = (ConfigDef) type.getMethod("config").invoke(plugin);
        ArrayNode keys = MAPPER.createArrayNode();
        for (ConfigDef.ConfigKey key : def.configKeys().values()) {
            String shown = key.hasDefault() && key.defaultValue != null
                ? ConfigDef.convertToString(key.defaultValue, key.type) : null;
            keys.addObject()
                .put("name", key.name)
                .put("type", key.type.name())
                .put("required", !key.hasDefault())
                .put("default", shown)
                .put("importance", key.importance.name())
                .put("documentation", key.documentation);
        }
        return keys;
    }

    @SuppressWarnings({"rawtypes", "unchecked"})
    static JsonNode apply(Transformation transformation, JsonNode template) {
        ConnectRecord<?> result = transformation.apply((ConnectRecord) record(template));
        return result == null ? MAPPER.nullNode() : record(result);
    }

    @SuppressWarnings({"rawtypes", "unchecked"})
    static boolean test(Predicate predicate, JsonNode template) {
        return predicate.test((ConnectRecord) record(template));
    }

    static ConnectRecord<?> record(JsonNode node) {
        SchemaAndValue key = data(node.get("key"));
        SchemaAndValue value = data(node.get("value"));
        String topic = node.has("topic") ? node.get("topic").asText() : "topic";
        Integer partition = node.has("partition") ? (Integer) node.get("partition").asInt() : null;
        Long timestamp = node.has("timestamp") ? (Long) node.get("timestamp").asLong() : null;
        ConnectRecord<?> record = node.has("offset")
            ? new SinkRecord(topic, partition == null ? 0 : partition, key.schema(), key.value(), value.schema(),
                value.value(), node.get("offset").asLong(), timestamp, TimestampType.CREATE_TIME)
            : new SourceRecord(null, null, topic, partition, key.schema(), key.value(), value.schema(), value.value(),
                timestamp);
        if (node.has("headers")) {
            for (JsonNode header : node.get("headers")) {
                record.headers().add(header.get(0).asText(), data(header.get(1)));
            }
        }
        return record;
    }

    static SchemaAndValue data(JsonNode node) {
        if (node == null) {
            return new SchemaAndValue(null, null);
        }
        Schema schema = node.has("schema") ? schema(node.get("schema")) : null;
        return new SchemaAndValue(schema, value(schema, node.get("value")));
    }

    static Schema schema(JsonNode node) {
        Schema.Type type = Schema.Type.valueOf(node.get("type").asText());
        SchemaBuilder builder;
        switch (type) {
            case ARRAY:
                builder = SchemaBuilder.array(schema(node.get("values")));
                break;
            case MAP:
                builder = SchemaBuilder.map(schema(node.get("keys")), schema(node.get("values")));
                break;
            default:
                builder = SchemaBuilder.type(type);
        }
        if (node.has("name")) {
            builder.name(node.get("name").asText());
        }
        if (node.has("version")) {
            builder.version(node.get("version").asInt());
        }
        if (node.has("doc")) {
            builder.doc(node.get("doc").asText());
        }
        if (node.has("parameters")) {
            node.get("parameters").fields().forEachRemaining(e -> builder.parameter(e.getKey(), e.getValue().asText()));
        }
        if (node.has("optional")) {
            builder.optional();
        }
        if (node.has("fields")) {
            for (JsonNode field : node.get("fields")) {
                builder.field(field.get(0).asText(), schema(field.get(1)));
            }
        }
        if (node.has("default")) {
            builder.defaultValue(value(builder, node.get("default")));
        }
        return builder.build();
    }

    static Object value(Schema schema, JsonNode node) {
        if (node == null || node.isNull()) {
            return null;
        }
        if (node.isBoolean()) {
            return node.asBoolean();
        }
        if (node.isTextual()) {
            return node.asText();
        }
        if (node.isArray()) {
            List<Object> list = new ArrayList<>();
            for (JsonNode item : node) {
                list.add(value(schema == null ? null : schema.valueSchema(), item));
            }
            return list;
        }
        String tag = node.fieldNames().next();
        JsonNode content = node.get(tag);
        switch (tag) {
            case "i8":
                return (byte) content.asInt();
            case "i16":
                return (short) content.asInt();
            case "i32":
                return content.asInt();
            case "i64":
                return Long.parseLong(content.asText());
            case "f32":
                return Float.parseFloat(content.asText());
            case "f64":
                return Double.parseDouble(content.asText());
            case "bytes":
                return Base64.getDecoder().decode(content.asText());
            case "decimal":
                return new BigDecimal(content.asText());
            case "date":
                return new Date(Long.parseLong(content.asText()));
            case "map": {
                Map<Object, Object> map = new HashMap<>();
                for (JsonNode entry : content) {
                    map.put(value(schema == null ? null : schema.keySchema(), entry.get(0)),
                        value(schema == null ? null : schema.valueSchema(), entry.get(1)));
                }
                return map;
            }
            case "struct": {
                Schema of = node.has("schema") ? schema(node.get("schema")) : schema;
                Struct struct = new Struct(of);
                int index = 0;
                for (JsonNode item : content) {
                    Field field = struct.schema().fields().get(index++);
                    Object value = value(field.schema(), item);
                    if (value != null) {
                        struct.put(field, value);
                    }
                }
                return struct;
            }
            default:
                throw new IllegalArgumentException("unknown tag " + tag);
        }
    }

    static JsonNode record(ConnectRecord<?> record) {
        ObjectNode node = MAPPER.createObjectNode();
        node.put("topic", record.topic());
        node.put("partition", record.kafkaPartition());
        node.put("timestamp", record.timestamp());
        node.set("keySchema", schema(record.keySchema()));
        node.set("key", value(record.key()));
        node.set("valueSchema", schema(record.valueSchema()));
        node.set("value", value(record.value()));
        ArrayNode headers = node.putArray("headers");
        for (Header header : record.headers()) {
            headers.addArray().add(header.key()).add(schema(header.schema())).add(value(header.value()));
        }
        return node;
    }

    static JsonNode schema(Schema schema) {
        if (schema == null) {
            return MAPPER.nullNode();
        }
        ObjectNode node = MAPPER.createObjectNode();
        node.put("type", schema.type().name());
        if (schema.isOptional()) {
            node.put("optional", true);
        }
        if (schema.name() != null) {
            node.put("name", schema.name());
        }
        if (schema.version() != null) {
            node.put("version", schema.version());
        }
        if (schema.doc() != null) {
            node.put("doc", schema.doc());
        }
        if (schema.defaultValue() != null) {
            node.set("default", value(schema.defaultValue()));
        }
        if (schema.parameters() != null && !schema.parameters().isEmpty()) {
            ObjectNode parameters = node.putObject("parameters");
            new TreeMap<>(schema.parameters()).forEach(parameters::put);
        }
        if (schema.type() == Schema.Type.MAP) {
            node.set("keys", schema(schema.keySchema()));
        }
        if (schema.type() == Schema.Type.MAP || schema.type() == Schema.Type.ARRAY) {
            node.set("values", schema(schema.valueSchema()));
        }
        if (schema.type() == Schema.Type.STRUCT) {
            ArrayNode fields = node.putArray("fields");
            for (Field field : schema.fields()) {
                fields.addArray().add(field.name()).add(schema(field.schema()));
            }
        }
        return node;
    }

    static JsonNode value(Object value) {
        if (value == null) {
            return MAPPER.nullNode();
        }
        if (value instanceof Boolean) {
            return MAPPER.getNodeFactory().booleanNode((Boolean) value);
        }
        if (value instanceof String) {
            return MAPPER.getNodeFactory().textNode((String) value);
        }
        if (value instanceof List) {
            ArrayNode array = MAPPER.createArrayNode();
            ((List<?>) value).forEach(item -> array.add(value(item)));
            return array;
        }
        ObjectNode node = MAPPER.createObjectNode();
        if (value instanceof Byte) {
            node.put("i8", value.toString());
        } else if (value instanceof Short) {
            node.put("i16", value.toString());
        } else if (value instanceof Integer) {
            node.put("i32", value.toString());
        } else if (value instanceof Long) {
            node.put("i64", value.toString());
        } else if (value instanceof Float) {
            node.put("f32", value.toString());
        } else if (value instanceof Double) {
            node.put("f64", value.toString());
        } else if (value instanceof byte[]) {
            node.put("bytes", Base64.getEncoder().encodeToString((byte[]) value));
        } else if (value instanceof BigDecimal) {
            node.put("decimal", value.toString());
        } else if (value instanceof Date) {
            node.put("date", Long.toString(((Date) value).getTime()));
        } else if (value instanceof Map) {
            // The order of entries is that of a hash in Java, so it is not compared.
            TreeMap<String, JsonNode> sorted = new TreeMap<>();
            ((Map<?, ?>) value).forEach((k, v) -> sorted.put(value(k).toString(), MAPPER.createArrayNode().add(value(k)).add(value(v))));
            node.putArray("map").addAll(sorted.values());
        } else if (value instanceof Struct) {
            ArrayNode values = node.putArray("struct");
            Struct struct = (Struct) value;
            for (Field field : struct.schema().fields()) {
                values.add(value(struct.getWithoutDefault(field.name())));
            }
        } else {
            throw new IllegalArgumentException("unexpected " + value.getClass());
        }
        return node;
    }
}
