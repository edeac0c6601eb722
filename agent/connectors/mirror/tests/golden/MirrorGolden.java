package org.apache.kafka.connect.mirror;

import com.fasterxml.jackson.databind.ObjectMapper;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.runtime.ConnectorConfig;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;

/** Prints, as lines of JSON, what Kafka's own MirrorMaker classes do with a number of inputs. See README.md. */
public class MirrorGolden {
    static final ObjectMapper JSON = new ObjectMapper();
    static final JsonConverter OFFSETS = new JsonConverter();

    static void line(Object... fields) throws Exception {
        Map<String, Object> map = new LinkedHashMap<>();
        for (int i = 0; i < fields.length; i += 2)
            map.put((String) fields[i], fields[i + 1]);
        System.out.println(JSON.writeValueAsString(map));
    }

    static String hex(byte[] bytes) {
        return HexFormat.of().formatHex(bytes);
    }

    static String stored(Object map) {
        return new String(OFFSETS.fromConnectData("t", null, map), StandardCharsets.UTF_8);
    }

    public static void main(String[] args) throws Exception {
        OFFSETS.configure(Map.of("schemas.enable", "false"), false);
        formats();
        policies();
        filters();
        Random random = new Random(4711);
        for (int round = 0; round < 40; round++)
            store(random, round % 4 == 3);
        for (int round = 0; round < 20; round++)
            syncs(random);
        keys("source", MirrorSourceConfig.CONNECTOR_CONFIG_DEF);
        keys("checkpoint", MirrorCheckpointConfig.CONNECTOR_CONFIG_DEF);
        keys("heartbeat", MirrorHeartbeatConfig.CONNECTOR_CONFIG_DEF);
        line("kind", "client-keys", "names", new ArrayList<>(MirrorClientConfig.CLIENT_CONFIG_DEF.names()));
    }

    static void formats() throws Exception {
        String[] names = {"t", "orders", "us-west.orders", "größe-日本", ""};
        long[] numbers = {0, 1, 255, 1L << 40, Long.MAX_VALUE, -1};
        int n = 0;
        for (String name : names) {
            for (long number : numbers) {
                int partition = n++ * 7 % 300;
                TopicPartition tp = new TopicPartition(name, partition);
                OffsetSync sync = new OffsetSync(tp, number, number / 2 + n);
                line("kind", "offset-sync", "topic", name, "partition", partition, "upstream", sync.upstreamOffset(),
                    "downstream", sync.downstreamOffset(), "key", hex(sync.recordKey()), "value", hex(sync.recordValue()),
                    "stored", stored(MirrorUtils.wrapPartition(tp, "us-west")), "offset", stored(MirrorUtils.wrapOffset(number)));
                Checkpoint checkpoint = new Checkpoint("group-" + name, tp, number, number / 3, "meta " + name);
                line("kind", "checkpoint", "group", checkpoint.consumerGroupId(), "topic", name, "partition", partition,
                    "upstream", number, "downstream", number / 3, "metadata", checkpoint.metadata(),
                    "key", hex(checkpoint.recordKey()), "value", hex(checkpoint.recordValue()),
                    "stored", stored(checkpoint.connectPartition()));
                Heartbeat heartbeat = new Heartbeat("source-" + name, "target" + n, number);
                line("kind", "heartbeat", "source", heartbeat.sourceClusterAlias(), "target", heartbeat.targetClusterAlias(),
                    "timestamp", number, "key", hex(heartbeat.recordKey()), "value", hex(heartbeat.recordValue()),
                    "stored", stored(heartbeat.connectPartition()));
            }
        }
    }

    static void policies() throws Exception {
        List<Map<String, String>> configs = List.of(
            Map.of(),
            Map.of("replication.policy.separator", "_"),
            Map.of("replication.policy.separator", "--", "replication.policy.internal.topic.separator.enabled", "false"),
            Map.of("replication.policy.internal.topic.separator.enabled", "false"));
        String[] topics = {"orders", "us-west.orders", "eu.us-west.orders", "a_b_c", "x--y", "heartbeats", "us-west.heartbeats",
            "us-west_heartbeats", "us-west--heartbeats", "mm2-offset-syncs.eu.internal", "mm2-offset-syncs_eu_internal",
            "us-west.checkpoints.internal", "us-west_checkpoints_internal", "__consumer_offsets", ".hidden", "trailing.",
            "us..double", "mm2xinternal", "myheartbeats", "mm2-status.us.internal", "--", ".", "_"};
        for (Map<String, String> config : configs) {
            for (boolean identity : new boolean[] {false, true}) {
                DefaultReplicationPolicy policy = identity ? new IdentityReplicationPolicy() : new DefaultReplicationPolicy();
                Map<String, String> all = new LinkedHashMap<>(config);
                all.put("source.cluster.alias", "us-west");
                policy.configure(all);
                for (String topic : topics)
                    line("kind", "policy", "identity", identity, "config", config, "topic", topic,
                        "remote", policy.formatRemoteTopic("us-west", topic), "source", policy.topicSource(topic),
                        "upstream", policy.upstreamTopic(topic), "original", policy.originalTopic(topic),
                        "internal", policy.isInternalTopic(topic), "heartbeats", policy.isHeartbeatsTopic(topic));
                line("kind", "policy-topics", "identity", identity, "config", config,
                    "syncs", policy.offsetSyncsTopic("eu"), "checkpoints", policy.checkpointsTopic("eu"),
                    "heartbeats", policy.heartbeatsTopic());
            }
        }
    }

    static void filters() throws Exception {
        String[][] configs = {{null, null}, {"orders, click.*", "click-private"}, {"", null}, {"a|b,c", ""}, {".*", "x.*,.*y"}};
        String[] topics = {"orders", "orders2", "clicks", "click-private", "a", "ab", "c", "x1", "1y", "mm2-a.internal", "t.replica",
            "__consumer_offsets"};
        for (String[] config : configs) {
            Map<String, String> props = new LinkedHashMap<>();
            if (config[0] != null) props.put("topics", config[0]);
            if (config[1] != null) props.put("topics.exclude", config[1]);
            DefaultTopicFilter filter = new DefaultTopicFilter();
            filter.configure(props);
            for (String topic : topics)
                line("kind", "filter", "config", props, "topic", topic, "matches", filter.shouldReplicateTopic(topic));
        }
    }

    static class Store extends OffsetSyncStore {
        @Override
        void backingStoreStart() {
        }

        void read(OffsetSync sync) {
            handleRecord(new ConsumerRecord<>("syncs", 0, 0, sync.recordKey(), sync.recordValue()));
        }
    }

    static void store(Random random, boolean onlyLast) throws Exception {
        Store store = new Store();
        List<Object> steps = new ArrayList<>();
        List<Object> syncs = new ArrayList<>();
        store.initializationMustReadToEnd = onlyLast;
        TopicPartition tp = new TopicPartition("t", 0);
        long upstream = random.nextInt(1000);
        long downstream = random.nextInt(100);
        int before = random.nextInt(40);
        int count = 60 + random.nextInt(120);
        int stride = 1 << random.nextInt(12);
        for (int i = 0; i < count; i++) {
            if (i == before)
                store.start(onlyLast);
            store.read(new OffsetSync(tp, upstream, downstream));
            syncs.add(List.of(upstream, downstream));
            if (i >= before && i % 5 == 0) {
                List<Object> translations = new ArrayList<>();
                for (int j = 0; j < 8; j++) {
                    long group = Math.max(0, upstream + 10 - (long) (random.nextDouble() * random.nextDouble() * (upstream + 20)));
                    var found = store.translateDownstream("g", tp, group);
                    translations.add(List.of(group, found.isPresent() ? found.getAsLong() : -2L));
                }
                steps.add(List.of(i, translations));
            }
            if (random.nextInt(50) == 0)
                upstream = Math.max(0, upstream - random.nextInt(500));
            else
                upstream += 1 + random.nextInt(stride);
            downstream += 1 + random.nextInt(stride);
        }
        line("kind", "store", "onlyLast", onlyLast, "startedBefore", before, "syncs", syncs, "translations", steps);
    }

    static void syncs(Random random) throws Exception {
        long lag = List.of(0L, 1L, 10L, 100L).get(random.nextInt(4));
        OffsetSyncWriter.PartitionState state = new OffsetSyncWriter.PartitionState(lag);
        List<Object> steps = new ArrayList<>();
        long upstream = random.nextInt(10);
        long downstream = random.nextInt(10);
        for (int i = 0; i < 200; i++) {
            boolean due = state.update(upstream, downstream);
            if (due)
                state.reset();
            steps.add(List.of(upstream, downstream, due));
            upstream += random.nextInt(20) == 0 ? 1 + random.nextInt(5) : 1;
            downstream += random.nextInt(40) == 0 ? -random.nextInt(20) : 1 + random.nextInt(3);
            downstream = Math.max(0, downstream);
        }
        line("kind", "sync-rule", "lag", lag, "steps", steps);
    }

    static void keys(String connector, ConfigDef def) throws Exception {
        Set<String> framework = ConnectorConfig.configDef().names();
        for (ConfigDef.ConfigKey key : def.configKeys().values()) {
            if (framework.contains(key.name))
                continue;
            line("kind", "key", "connector", connector, "name", key.name, "type", key.type.name(),
                "required", key.defaultValue == ConfigDef.NO_DEFAULT_VALUE,
                "default", key.defaultValue == ConfigDef.NO_DEFAULT_VALUE ? null : ConfigDef.convertToString(key.defaultValue, key.type),
                "importance", key.importance.name());
        }
    }
}
