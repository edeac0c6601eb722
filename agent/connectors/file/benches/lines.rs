//! Lines of 100 bytes cut out of a block; a copying reader of the standard library as the peer.

use std::io::BufRead as _;

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sluice_connector_file::LineSplitter;

fn lines(c: &mut Criterion) {
    let text: String = (0..2600).map(|n| format!("{n:099}\n")).collect();
    let block = Bytes::from(text);
    let mut group = c.benchmark_group("lines");
    group.throughput(Throughput::Elements(2600));
    group.bench_function("splitter", |b| {
        b.iter(|| {
            let mut splitter = LineSplitter::default();
            splitter.refill(block.clone());
            let mut total = 0;
            while let Some((line, _)) = splitter.next_line() {
                total += line.len();
            }
            total
        });
    });
    group.bench_function("peer: BufRead::lines", |b| {
        b.iter(|| {
            block
                .lines()
                .map_while(Result::ok)
                .map(|line| line.len())
                .sum::<usize>()
        });
    });
    group.finish();
}

criterion_group!(benches, lines);
criterion_main!(benches);
