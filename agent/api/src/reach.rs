//! What configurations of connectors may reach: files beneath folders (`sluice.file.roots` of a worker's
//! file) and hosts (`sluice.http.hosts`).
//!
//! Definitions say which keys name a [`Place`] ([`ConfigKey::names`](crate::ConfigKey::names),
//! [`ConfigDef::bounded_by`](crate::ConfigDef::bounded_by)). The worker compares the places of a
//! configuration with its [`Reach`] when it validates one, before a connector sees it, and again when
//! connectors and tasks start. A task that opens files by itself does so with [`Reach::open`], since links
//! may have changed since.

use std::fs::{self, File, OpenOptions};
use std::io::{Error, ErrorKind, Result};
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use url::Url;

use crate::error::ConfigError;
use crate::error::KeyFault;

/// The worker's key of folders.
pub const FILE_ROOTS: &str = "sluice.file.roots";
/// The worker's key of hosts.
pub const HOSTS: &str = "sluice.http.hosts";

/// More parts of a path that do not exist, and links, than any real path has.
const MOST_STEPS: usize = 256;

/// What a value of a configuration names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A file or folder that is read or written.
    File(PathBuf),
    /// A server that is connected to, directly or by what it names.
    Host {
        /// Name or address, without brackets.
        host: String,
        /// Port; `None` where the configuration leaves it open, which only entries without a port allow.
        port: Option<u16>,
    },
}

impl Place {
    /// A server. Brackets around an IPv6 address are taken off.
    #[must_use]
    pub fn host(host: &str, port: Option<u16>) -> Self {
        Self::Host {
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
        }
    }

    /// The server of a URL, with the port of its scheme where it names none; `None` if it is not a URL with a
    /// host.
    #[must_use]
    pub fn of_url(url: &str) -> Option<Self> {
        let url = Url::parse(url).ok()?;
        Some(Self::host(url.host_str()?, url.port_or_known_default()))
    }
}

/// Folders and hosts; everything by default. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    roots: Option<Arc<[PathBuf]>>,
    hosts: Option<Arc<[Pattern]>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Pattern {
    host: HostPattern,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum HostPattern {
    Name(String),
    /// The end of names, with its dot.
    Suffix(String),
    /// Addresses whose first bits are these.
    Net(IpAddr, u8),
}

impl Reach {
    /// From the values of the worker's keys; an empty list leaves everything open.
    ///
    /// # Errors
    /// A root that is not an absolute path of a folder that exists, or an entry that is not a host.
    pub fn new(roots: &[String], hosts: &[String]) -> std::result::Result<Self, Vec<ConfigError>> {
        let mut faults = Vec::new();
        let mut found = Vec::new();
        for root in roots {
            let path = PathBuf::from(root);
            if !path.is_absolute() {
                faults.push(ConfigError::invalid(
                    FILE_ROOTS,
                    root,
                    "it has to be an absolute path",
                ));
            } else if !path.is_dir() {
                faults.push(ConfigError::invalid(
                    FILE_ROOTS,
                    root,
                    "there is no such folder",
                ));
            } else {
                found.push(path);
            }
        }
        let mut patterns = Vec::new();
        for entry in hosts {
            match pattern(entry) {
                Some(pattern) => patterns.push(pattern),
                None => faults.push(ConfigError::invalid(
                    HOSTS,
                    entry,
                    "it has to be HOST, HOST:PORT, *.DOMAIN, *.DOMAIN:PORT or ADDRESS/BITS",
                )),
            }
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            roots: (!found.is_empty()).then(|| found.into()),
            hosts: (!patterns.is_empty()).then(|| patterns.into()),
        })
    }

    /// Whether nothing is out of reach.
    #[must_use]
    pub fn is_unlimited(&self) -> bool {
        self.roots.is_none() && self.hosts.is_none()
    }

    /// Whether only some hosts may be reached.
    #[must_use]
    pub fn limits_hosts(&self) -> bool {
        self.hosts.is_some()
    }

    /// The fault of the first place of a key that is out of reach.
    #[must_use]
    pub fn fault(&self, key: &str, places: &[Place]) -> Option<KeyFault> {
        let why = places.iter().find_map(|place| self.refusal(place))?;
        Some(KeyFault::new(key, why))
    }

    /// Why a place is out of reach, naming it and the worker's key.
    #[must_use]
    pub fn refusal(&self, place: &Place) -> Option<String> {
        match place {
            Place::File(path) => {
                let roots = self.roots.as_ref()?;
                let why = match real(path) {
                    Ok(real) if is_beneath(&real, roots) => return None,
                    Ok(_) => String::new(),
                    Err(error) => format!(" ({error})"),
                };
                let path = path.display();
                Some(format!(
                    "{path} is not within the folders that {FILE_ROOTS} in the worker's file allows{why}"
                ))
            }
            Place::Host { host, port } => {
                let hosts = self.hosts.as_ref()?;
                if hosts.iter().any(|pattern| pattern.allows(host, *port)) {
                    return None;
                }
                let port = port.map(|port| format!(":{port}")).unwrap_or_default();
                Some(format!(
                    "{host}{port} is not among the hosts that {HOSTS} in the worker's file allows"
                ))
            }
        }
    }

    /// Opens a file that is within reach at this moment, whatever the links in its path were before. Nothing
    /// is read from, or written to, any other.
    ///
    /// # Errors
    /// The file is out of reach ([`ErrorKind::PermissionDenied`], with a text for the user), or cannot be
    /// opened.
    pub fn open(&self, path: &Path, options: &OpenOptions) -> Result<File> {
        let Some(roots) = &self.roots else {
            return options.open(path);
        };
        let refusal = || {
            let refusal = self.refusal(&Place::File(path.to_owned()));
            refusal.map(|why| Error::new(ErrorKind::PermissionDenied, why))
        };
        if let Some(error) = refusal() {
            return Err(error);
        }
        let file = options.open(path)?;
        // A link may have changed in between: what counts is what was opened.
        let real = real(path)?;
        let (opened, found) = (file.metadata()?, fs::metadata(&real)?);
        if is_beneath(&real, roots) && (opened.dev(), opened.ino()) == (found.dev(), found.ino()) {
            return Ok(file);
        }
        Err(refusal().unwrap_or_else(|| {
            let why = format!("{} changed while it was opened", path.display());
            Error::new(ErrorKind::PermissionDenied, why)
        }))
    }
}

fn is_beneath(real: &Path, roots: &[PathBuf]) -> bool {
    roots.iter().any(|root| {
        let root = fs::canonicalize(root);
        root.is_ok_and(|root| real.starts_with(root))
    })
}

/// A path without links and `..`, as the system would open it. What does not exist yet stands at the end as
/// it is.
fn real(path: &Path) -> Result<PathBuf> {
    let mut path = std::path::absolute(path)?;
    let mut missing = Vec::new();
    for _ in 0..MOST_STEPS {
        match fs::canonicalize(&path) {
            Ok(real) => {
                return Ok(missing
                    .iter()
                    .rev()
                    .fold(real, |path, part| path.join(part)));
            }
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            Err(_) => {}
        }
        let (target, parent) = (fs::read_link(&path), path.parent().map(Path::to_owned));
        // A `..` behind what does not exist has no name: nobody knows where it will lead.
        match (target, parent, path.file_name()) {
            (Ok(target), Some(parent), _) => path = parent.join(target),
            (Err(_), Some(parent), Some(name)) => {
                missing.push(name.to_owned());
                path = parent;
            }
            _ => break,
        }
    }
    Err(Error::new(
        ErrorKind::InvalidInput,
        "it is not known where this path leads",
    ))
}

/// `HOST`, `*.DOMAIN`, each with or without a port, or `ADDRESS/BITS`.
fn pattern(entry: &str) -> Option<Pattern> {
    let entry = entry.trim();
    if let Some((address, bits)) = entry.split_once('/') {
        let address: IpAddr = address.parse().ok()?;
        let bits = bits
            .parse()
            .ok()
            .filter(|bits| *bits <= most_bits(address))?;
        let host = HostPattern::Net(address, bits);
        return Some(Pattern { host, port: None });
    }
    let (host, port) = match entry.strip_prefix('[') {
        Some(rest) => match rest.split_once(']')? {
            (host, "") => (host, None),
            (host, port) => (host, Some(port.strip_prefix(':')?)),
        },
        // More than one colon is an IPv6 address.
        None => match entry.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (entry, None),
        },
    };
    let port = match port {
        None => None,
        Some(port) => Some(port.parse().ok()?),
    };
    let host = match (host.parse::<IpAddr>(), host.strip_prefix('*')) {
        (Ok(address), _) => HostPattern::Net(address, most_bits(address)),
        (Err(_), Some(suffix)) if suffix.starts_with('.') && is_name(&suffix[1..]) => {
            HostPattern::Suffix(plain(suffix))
        }
        (Err(_), None) if is_name(host) => HostPattern::Name(plain(host)),
        _ => return None,
    };
    Some(Pattern { host, port })
}

fn most_bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn is_name(host: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    !host.is_empty() && host.chars().all(is_part)
}

/// A name as it is compared: in lower case, without the dot at the end of complete names.
fn plain(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_lowercase()
}

impl Pattern {
    fn allows(&self, host: &str, port: Option<u16>) -> bool {
        if self.port.is_some() && self.port != port {
            return false;
        }
        let address = host.parse::<IpAddr>().map(|address| address.to_canonical());
        match (&self.host, address) {
            (HostPattern::Net(net, bits), Ok(address)) => is_within(address, *net, *bits),
            (HostPattern::Name(name), Err(_)) => *name == plain(host),
            // Names alone: something else may be read otherwise by whoever looks it up.
            (HostPattern::Suffix(suffix), Err(_)) => is_name(host) && plain(host).ends_with(suffix),
            _ => false,
        }
    }
}

fn is_within(address: IpAddr, net: IpAddr, bits: u8) -> bool {
    let (address, net, width) = match (address, net) {
        (IpAddr::V4(address), IpAddr::V4(net)) => {
            (u128::from(u32::from(address)), u32::from(net).into(), 32)
        }
        (IpAddr::V6(address), IpAddr::V6(net)) => (u128::from(address), u128::from(net), 128),
        _ => return false,
    };
    let shift = u32::from(width - bits);
    address.checked_shr(shift).unwrap_or(0) == net.checked_shr(shift).unwrap_or(0)
}

#[cfg(test)]
mod tests;
