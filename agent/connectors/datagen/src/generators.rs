//! The content of records, as a function of a random number generator and a position.

use std::sync::{Arc, LazyLock};

use bytestring::ByteString;
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom as _;
use sluice_api::{Schema, SchemaBuilder, Struct, Value, logical, schemas};

/// What is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generator {
    Orders,
    Clicks,
    Sensors,
}

/// Key and value of one record; the key is a string.
pub(crate) struct Content {
    pub(crate) key: ByteString,
    pub(crate) value: Value,
}

impl Generator {
    /// By its name, which the definition has checked.
    pub(crate) fn parse(name: &str) -> Self {
        match name {
            "clicks" => Self::Clicks,
            "sensors" => Self::Sensors,
            _ => Self::Orders,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Clicks => "clicks",
            Self::Sensors => "sensors",
        }
    }

    pub(crate) fn schema(self) -> &'static Arc<Schema> {
        match self {
            Self::Orders => &ORDER,
            Self::Clicks => &CLICK,
            Self::Sensors => &READING,
        }
    }

    /// The record at a position; `now` is in milliseconds since the epoch.
    pub(crate) fn content(self, rng: &mut SmallRng, position: u64, now: i64) -> Content {
        match self {
            Self::Orders => order(rng, position, now),
            Self::Clicks => click(rng, now),
            Self::Sensors => reading(rng, position, now),
        }
    }
}

fn structure(name: &str, fields: &[(&'static str, &Arc<Schema>)]) -> Arc<Schema> {
    let builder = SchemaBuilder::structure()
        .name(format!("io.sluice.connect.datagen.{name}"))
        .version(1);
    fields
        .iter()
        .fold(builder, |builder, (name, schema)| {
            builder.field(ByteString::from_static(name), Arc::clone(schema))
        })
        .build()
        // The definitions below are constant, and the first test would show a fault.
        .unwrap_or_else(|error| panic!("schema {name}: {error}"))
}

static ADDRESS: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    structure(
        "Address",
        &[("city", &schemas::STRING), ("country", &schemas::STRING)],
    )
});

static ORDER: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    structure(
        "Order",
        &[
            ("order_id", &schemas::INT64),
            ("customer_id", &schemas::INT32),
            ("product", &schemas::STRING),
            ("quantity", &schemas::INT32),
            ("unit_price", &schemas::FLOAT64),
            ("total", &schemas::FLOAT64),
            ("coupon", &schemas::OPTIONAL_STRING),
            ("address", &ADDRESS),
            ("ordered_at", &logical::TIMESTAMP_SCHEMA),
        ],
    )
});

static CLICK: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    structure(
        "Click",
        &[
            ("session_id", &schemas::STRING),
            ("user_id", &schemas::OPTIONAL_INT32),
            ("path", &schemas::STRING),
            ("referrer", &schemas::OPTIONAL_STRING),
            ("status", &schemas::INT32),
            ("duration_ms", &schemas::INT32),
            ("user_agent", &schemas::STRING),
            ("clicked_at", &logical::TIMESTAMP_SCHEMA),
        ],
    )
});

static READING: LazyLock<Arc<Schema>> = LazyLock::new(|| {
    structure(
        "Reading",
        &[
            ("sensor_id", &schemas::STRING),
            ("site", &schemas::STRING),
            ("temperature", &schemas::FLOAT64),
            ("humidity", &schemas::FLOAT64),
            ("battery", &schemas::OPTIONAL_FLOAT32),
            ("alarm", &schemas::BOOLEAN),
            ("measured_at", &logical::TIMESTAMP_SCHEMA),
        ],
    )
});

const PRODUCTS: [(&str, f64); 10] = [
    ("coffee beans 1 kg", 18.9),
    ("espresso cup", 7.5),
    ("french press", 34.0),
    ("kettle", 49.95),
    ("grinder", 129.0),
    ("filter papers", 4.2),
    ("milk jug", 16.8),
    ("green tea 100 g", 9.4),
    ("travel mug", 24.5),
    ("scales", 39.0),
];
const PLACES: [(&str, &str); 10] = [
    ("Amsterdam", "NL"),
    ("Berlin", "DE"),
    ("Bogotá", "CO"),
    ("Kraków", "PL"),
    ("Lagos", "NG"),
    ("Lisbon", "PT"),
    ("Lyon", "FR"),
    ("Nairobi", "KE"),
    ("Osaka", "JP"),
    ("Toronto", "CA"),
];
const COUPONS: [&str; 3] = ["SPRING10", "WELCOME", "FRIENDS"];
const PATHS: [&str; 8] = [
    "/",
    "/search",
    "/product/grinder",
    "/product/kettle",
    "/cart",
    "/checkout",
    "/help",
    "/about",
];
const REFERRERS: [&str; 4] = [
    "https://example.com/",
    "https://example.org/blog",
    "newsletter",
    "/",
];
const AGENTS: [&str; 3] = [
    "Mozilla/5.0 (X11; Linux x86_64)",
    "Mozilla/5.0 (Macintosh)",
    "Mozilla/5.0 (iPhone)",
];
const SITES: [&str; 4] = ["north", "east", "south", "west"];
const SENSORS: u64 = 40;

fn pick<T: Copy>(rng: &mut SmallRng, from: &[T]) -> T {
    // The lists above are never empty.
    from.choose(rng).copied().unwrap_or(from[0])
}

fn text(value: &'static str) -> Value {
    Value::from_static(value)
}

fn maybe(rng: &mut SmallRng, chance: f64, from: &[&'static str]) -> Value {
    if rng.random_bool(chance) {
        text(pick(rng, from))
    } else {
        Value::Null
    }
}

fn rounded(value: f64, digits: i32) -> f64 {
    let factor = 10_f64.powi(digits);
    (value * factor).round() / factor
}

fn build(schema: &Arc<Schema>, values: Vec<Value>) -> Value {
    Struct::from_values(Arc::clone(schema), values).map_or(Value::Null, Value::from)
}

fn order(rng: &mut SmallRng, position: u64, now: i64) -> Content {
    // Some customers order much more often than others.
    let customer = (rng.random_range(0.0_f64..1.0).powi(3) * 1000.0) as i32;
    let (product, price) = pick(rng, &PRODUCTS);
    let quantity = rng.random_range(1..=6);
    let (city, country) = pick(rng, &PLACES);
    let coupon = maybe(rng, 0.15, &COUPONS);
    let address = build(&ADDRESS, vec![text(city), text(country)]);
    let value = build(
        &ORDER,
        vec![
            Value::Int64(i64::try_from(position + 1).unwrap_or(i64::MAX)),
            Value::Int32(customer),
            text(product),
            Value::Int32(quantity),
            Value::Float64(price),
            Value::Float64(rounded(price * f64::from(quantity), 2)),
            coupon,
            address,
            Value::Date(now),
        ],
    );
    Content {
        key: format!("customer-{customer}").into(),
        value,
    }
}

fn click(rng: &mut SmallRng, now: i64) -> Content {
    let session: ByteString = format!(
        "{:08x}",
        rng.random_range(0_u32..2000).wrapping_mul(2_654_435_761)
    )
    .into();
    let user = if rng.random_bool(0.6) {
        Value::Int32(rng.random_range(0..1000))
    } else {
        Value::Null
    };
    let path = text(pick(rng, &PATHS));
    let referrer = maybe(rng, 0.4, &REFERRERS);
    let status = match rng.random_range(0..100) {
        0 => 500,
        1..4 => 404,
        4..10 => 302,
        _ => 200,
    };
    let value = build(
        &CLICK,
        vec![
            Value::String(session.clone()),
            user,
            path,
            referrer,
            Value::Int32(status),
            Value::Int32(rng.random_range(5..800)),
            text(pick(rng, &AGENTS)),
            Value::Date(now),
        ],
    );
    Content {
        key: session,
        value,
    }
}

fn reading(rng: &mut SmallRng, position: u64, now: i64) -> Content {
    let sensor = position % SENSORS;
    let sensor_id: ByteString = format!("sensor-{sensor:02}").into();
    // A slow wave per sensor, with noise: readings of one sensor follow each other smoothly.
    #[expect(clippy::cast_precision_loss, reason = "a phase")]
    let phase = (position / SENSORS) as f64 / 200.0 + sensor as f64;
    let temperature = 21.0 + 6.0 * phase.sin() + rng.random_range(-0.4..0.4);
    let humidity = 55.0 - 15.0 * phase.sin() + rng.random_range(-1.5..1.5);
    let battery = if rng.random_bool(0.1) {
        Value::Float32(rng.random_range(20..=100) as f32)
    } else {
        Value::Null
    };
    let site = SITES
        .get(usize::try_from(sensor).unwrap_or(0) % SITES.len())
        .unwrap_or(&"north");
    let value = build(
        &READING,
        vec![
            Value::String(sensor_id.clone()),
            text(site),
            Value::Float64(rounded(temperature, 2)),
            Value::Float64(rounded(humidity, 1)),
            battery,
            Value::Boolean(temperature > 27.2),
            Value::Date(now),
        ],
    );
    Content {
        key: sensor_id,
        value,
    }
}
