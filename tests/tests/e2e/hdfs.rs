//! HDFS.

use anyhow::{Context as _, Result};
use sluice_tests::hdfs::{Hdfs, SUPERUSER};

use crate::context::{Context, Test};

pub(crate) const TESTS: &[Test] = &[Test {
    name: "hdfs::the_server_keeps_its_files_when_it_is_stopped_or_crashes",
    run: server_keeps_files,
}];

fn server_keeps_files(_: &Context) -> Result<()> {
    let mut hdfs = Hdfs::start()?;
    hdfs.make_folder("/topics", "sluice", "750")?;
    let path = "/topics/a b/p=1/t+0+0000000000+0000000002.avro";
    hdfs.write(path, b"one")?;
    let folder = hdfs.list("/")?;
    let folder = folder.first().context("no folder")?;
    assert!(folder.is_folder, "{folder:?}");
    assert_eq!(
        (folder.owner.as_str(), folder.permission.as_str()),
        ("sluice", "750")
    );

    hdfs.stop()?;
    hdfs.restart()?;
    assert_eq!(hdfs.files("/")?, [path]);
    assert_eq!(hdfs.read(path)?, b"one");
    hdfs.write("/topics/two", b"two")?;

    hdfs.crash()?;
    hdfs.restart()?;
    assert_eq!(hdfs.read("/topics/two")?, b"two");
    let listed = hdfs.list("/topics")?;
    let two = listed.last().context("no file")?;
    assert_eq!((two.length, two.owner.as_str()), (3, SUPERUSER));

    hdfs.process()?.freeze()?;
    hdfs.process()?.thaw()?;
    hdfs.delete("/topics")?;
    assert_eq!(hdfs.files("/topics")?, Vec::<String>::new());
    Ok(())
}
