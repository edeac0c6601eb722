//! Two stores at the broker's work: batches appended in group commits with a little state beside them, then
//! read in order.
//!
//!     cargo run --release -p sluice-broker --example stores [FOLDER]
//!
//! fjall is measured with writes handed to the system (`buffer`) and forced to the disk (`sync`); redb knows
//! only the latter for writes that are to survive a kill. ARCHITECTURE.md has the figures of a run and what
//! was chosen.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use fjall::{Database, KeyspaceCreateOptions, KvSeparationOptions, PersistMode};
use redb::{ReadableDatabase as _, ReadableTable as _, TableDefinition};

/// Batches of one commit.
const BATCHES: u64 = 8;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = match std::env::args().nth(1) {
        Some(folder) => tempfile::tempdir_in(folder)?,
        None => tempfile::tempdir()?,
    };
    report(
        "store",
        "batch",
        "commits/s",
        "MB/s in",
        "MB/s out",
        "MB on disk",
        "MB of memory more",
    );
    for (size, commits) in [(1_000, 2_000_u64), (16_000, 2_000)] {
        fjall_run(folder.path(), size, commits, PersistMode::Buffer)?;
        fjall_run(folder.path(), size, commits / 10, PersistMode::SyncData)?;
        redb_run(folder.path(), size, commits / 10)?;
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the result of a measurement")]
fn report(
    store: &str,
    batch: &str,
    commits: &str,
    input: &str,
    output: &str,
    disk: &str,
    memory: &str,
) {
    println!("{store:<14} {batch:>7} {commits:>10} {input:>8} {output:>9} {disk:>11} {memory:>18}");
}

#[expect(clippy::cast_precision_loss, reason = "figures for people")]
fn result(store: &str, size: usize, commits: u64, write: f64, read: f64, disk: u64, memory: i64) {
    let bytes = (commits * BATCHES) as f64 * size as f64 / 1e6;
    report(
        store,
        &size.to_string(),
        &format!("{:.0}", commits as f64 / write),
        &format!("{:.0}", bytes / write),
        &format!("{:.0}", bytes / read),
        &format!("{:.1} of {bytes:.1}", disk as f64 / 1e6),
        &format!("{:.1}", memory as f64 / 1e6),
    );
}

fn key(number: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[8..].copy_from_slice(&number.to_be_bytes());
    key
}

fn value(size: usize, number: u64) -> Vec<u8> {
    // Neither constant nor easy to compress.
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..size)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state & 0xff) as u8
        })
        .collect()
}

fn memory() -> Result<i64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/self/statm")?;
    let pages: i64 = text.split(' ').nth(1).unwrap_or("0").parse()?;
    Ok(pages * 4096)
}

fn size_of(path: &Path) -> Result<u64, Box<dyn Error>> {
    use std::os::unix::fs::MetadataExt as _;
    let mut size = 0;
    if path.is_dir() {
        for entry in std::fs::read_dir(path)? {
            size += size_of(&entry?.path())?;
        }
    } else {
        size += std::fs::metadata(path)?.blocks() * 512;
    }
    Ok(size)
}

fn fjall_run(
    folder: &Path,
    size: usize,
    commits: u64,
    mode: PersistMode,
) -> Result<(), Box<dyn Error>> {
    let name = format!(
        "fjall {}",
        if mode == PersistMode::Buffer {
            "buffer"
        } else {
            "sync"
        }
    );
    let path = folder.join(format!("{name}-{size}"));
    let before = memory()?;
    let database = Database::builder(&path)
        .cache_size(8 << 20)
        .worker_threads(1)
        .open()?;
    let log = database.keyspace("log", || {
        KeyspaceCreateOptions::default()
            .max_memtable_size(8 << 20)
            .with_kv_separation(Some(
                KvSeparationOptions::default().separation_threshold(512),
            ))
    })?;
    let state = database.keyspace("state", || {
        KeyspaceCreateOptions::default().max_memtable_size(2 << 20)
    })?;
    let values: Vec<Vec<u8>> = (0..64).map(|number| value(size, number)).collect();
    let begin = Instant::now();
    for commit in 0..commits {
        let mut batch = database.batch().durability(Some(mode));
        for number in 0..BATCHES {
            let at = commit * BATCHES + number;
            batch.insert(&log, key(at), values[(at % 64) as usize].clone());
        }
        batch.insert(&state, key(1), vec![0; 60]);
        batch.insert(&state, key(2), vec![0; 120]);
        batch.commit()?;
    }
    let write = begin.elapsed().as_secs_f64();
    let begin = Instant::now();
    let mut seen = 0;
    for item in log.range(key(0)..) {
        seen += item.value()?.len();
    }
    let read = begin.elapsed().as_secs_f64();
    assert_eq!(seen as u64, commits * BATCHES * size as u64);
    result(
        &name,
        size,
        commits,
        write,
        read,
        size_of(&path)?,
        memory()? - before,
    );
    Ok(())
}

fn redb_run(folder: &Path, size: usize, commits: u64) -> Result<(), Box<dyn Error>> {
    const LOG: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("log");
    const STATE: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("state");
    let path = folder.join(format!("redb-{size}"));
    let before = memory()?;
    let database = redb::Builder::new()
        .set_cache_size(16 << 20)
        .create(&path)?;
    let values: Vec<Vec<u8>> = (0..64).map(|number| value(size, number)).collect();
    let begin = Instant::now();
    for commit in 0..commits {
        let write = database.begin_write()?;
        {
            let mut log = write.open_table(LOG)?;
            for number in 0..BATCHES {
                let at = commit * BATCHES + number;
                log.insert(key(at).as_slice(), values[(at % 64) as usize].as_slice())?;
            }
            let mut state = write.open_table(STATE)?;
            state.insert(key(1).as_slice(), vec![0; 60].as_slice())?;
            state.insert(key(2).as_slice(), vec![0; 120].as_slice())?;
        }
        write.commit()?;
    }
    let write = begin.elapsed().as_secs_f64();
    let begin = Instant::now();
    let mut seen = 0;
    let reading = database.begin_read()?;
    for item in reading.open_table(LOG)?.iter()? {
        seen += item?.1.value().len();
    }
    let read = begin.elapsed().as_secs_f64();
    assert_eq!(seen as u64, commits * BATCHES * size as u64);
    result(
        "redb sync",
        size,
        commits,
        write,
        read,
        size_of(&path)?,
        memory()? - before,
    );
    Ok(())
}
