//! The name nodes that a configuration, and the files of Hadoop that it names, lead to.

use std::path::Path;

use sluice_api::reach::HOSTS;
use sluice_api::{KeyFault, Place, Props, Reach};
use url::Url;

use super::{CONF_DIR, HADOOP_HOME, HDFS_URL, STORE_URL, is_hadoops};

/// Port of name nodes that are named without one.
const NAME_NODE_PORT: u16 = 8020;

/// A key and value of Hadoop's, with the key of the connector that it came by.
struct Setting {
    by: String,
    name: String,
    value: String,
}

/// Faults of what is out of reach. Data nodes are named by name nodes and not looked at.
pub(super) fn out_of_reach(props: &Props, reach: &Reach) -> Vec<KeyFault> {
    let (mut settings, mut faults) = (Vec::new(), Vec::new());
    let named = |key: &str| {
        props
            .get(key)
            .map(|path| path.trim())
            .filter(|path| !path.is_empty())
    };
    let folder = match (named(CONF_DIR), named(HADOOP_HOME)) {
        (Some(folder), _) => Some((CONF_DIR, Path::new(folder).to_owned())),
        (None, Some(home)) => Some((HADOOP_HOME, Path::new(home).join("etc/hadoop"))),
        (None, None) => None,
    };
    if let Some((key, folder)) = folder {
        for name in ["core-site.xml", "hdfs-site.xml"] {
            let file = folder.join(name);
            if let Some(fault) = reach.fault(key, &[Place::File(file.clone())]) {
                return vec![fault];
            }
            if reach.limits_hosts() && file.exists() {
                match read(key, &file) {
                    Ok(read) => settings.extend(read),
                    Err(why) => faults.push(KeyFault::new(
                        key,
                        format!(
                            "{}: {why}; {HOSTS} in the worker's file needs to know its name nodes",
                            file.display()
                        ),
                    )),
                }
            }
        }
    }
    let own = props
        .iter()
        .filter(|(key, _)| is_hadoops(key) || [HDFS_URL, STORE_URL].contains(&key.as_str()));
    settings.extend(own.map(|(key, value)| Setting {
        by: key.clone(),
        name: key.clone(),
        value: value.clone(),
    }));
    let is_service = |host: &str| {
        let key = format!("dfs.ha.namenodes.{host}");
        settings.iter().any(|setting| setting.name == key)
    };
    let found = settings.iter().filter_map(|setting| {
        let place = place(setting)
            .filter(|place| !matches!(place, Place::Host { host, .. } if is_service(host)))?;
        reach.fault(&setting.by, &[place])
    });
    faults.extend(found);
    faults
}

/// The name node of a setting that names one.
fn place(setting: &Setting) -> Option<Place> {
    let value = setting.value.trim();
    if setting.name.starts_with("dfs.namenode.rpc-address") {
        let (host, port) = value.rsplit_once(':').unwrap_or((value, ""));
        return Some(Place::host(host, port.parse().ok()));
    }
    let is_url = [HDFS_URL, STORE_URL, "fs.defaultFS"].contains(&setting.name.as_str())
        || setting.name.starts_with("fs.viewfs.mounttable.");
    let url = is_url.then(|| Url::parse(value).ok())??;
    // The host of viewfs:// names a table of mounts.
    let host = url.host_str().filter(|_| url.scheme() == "hdfs")?;
    Some(Place::host(
        host,
        Some(url.port().unwrap_or(NAME_NODE_PORT)),
    ))
}

/// The settings of a file of Hadoop's.
fn read(by: &str, file: &Path) -> Result<Vec<Setting>, String> {
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let options = roxmltree::ParsingOptions {
        allow_dtd: true,
        ..Default::default()
    };
    let tree = roxmltree::Document::parse_with_options(&text, options)
        .map_err(|error| error.to_string())?;
    let properties = tree
        .descendants()
        .filter(|node| node.has_tag_name("property"));
    let child = |node: roxmltree::Node<'_, '_>, name: &str| {
        let child = node.children().find(|child| child.has_tag_name(name));
        child.and_then(|child| child.text().map(str::to_owned))
    };
    let settings = properties.filter_map(|property| {
        Some(Setting {
            by: by.to_owned(),
            name: child(property, "name")?,
            value: child(property, "value")?,
        })
    });
    Ok(settings.collect())
}
