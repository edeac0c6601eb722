//! Where a JSON Schema comes from when the configuration gives a URL.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;
use std::time::Duration;

use sluice_api::causes::with_causes;
use sluice_api::config::ConfigError;
use sluice_api::{Place, Result};
use url::Url;

use super::URL;

/// Longest JSON Schema, in bytes.
const MOST: u64 = 16 << 20;
/// A server that has not answered by then does not.
const DEADLINE: Duration = Duration::from_secs(10);

/// The file or host that a URL names.
pub(super) fn place(url: &str) -> Option<Place> {
    match file(url) {
        Some(path) => Some(Place::File(path)),
        None => Place::of_url(url),
    }
}

fn file(url: &str) -> Option<PathBuf> {
    let url = Url::parse(url).ok()?;
    (url.scheme() == "file").then(|| url.to_file_path().ok())?
}

/// The text behind a URL.
///
/// # Errors
/// The URL is not one of the schemes `file`, `http` and `https`, or nothing usable is there.
pub(super) fn load(url: &str) -> Result<String> {
    let invalid = |why: String| ConfigError::invalid(URL, url, why);
    let bytes = match (file(url), Url::parse(url)) {
        (Some(path), _) => {
            read(&path).map_err(|why| invalid(format!("the file cannot be read: {why}")))?
        }
        (None, Ok(parsed)) if matches!(parsed.scheme(), "http" | "https") => {
            on_own_thread(parsed).map_err(&invalid)?
        }
        _ => {
            let why = "it has to be the URL of a file on this machine (file:///...), or begin with http:// \
                       or https://";
            return Err(invalid(why.to_owned()).into());
        }
    };
    Ok(
        String::from_utf8(bytes)
            .map_err(|_| invalid("what it leads to is not UTF-8".to_owned()))?,
    )
}

fn read(path: &std::path::Path) -> std::io::Result<Vec<u8>> {
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("not a regular file"));
    }
    let mut bytes = Vec::new();
    if file.take(MOST + 1).read_to_end(&mut bytes)? as u64 > MOST {
        return Err(std::io::Error::other(too_long()));
    }
    Ok(bytes)
}

fn too_long() -> String {
    format!("longer than {MOST} bytes")
}

/// Configuring is not asynchronous, and a runtime cannot be entered from within another: the request has a
/// thread of its own, for which the caller waits [`DEADLINE`] at most.
fn on_own_thread(url: Url) -> std::result::Result<Vec<u8>, String> {
    let request = move || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|why| why.to_string())?
            .block_on(get(url))
    };
    std::thread::Builder::new()
        .name("json-schema".to_owned())
        .spawn(request)
        .map_err(|why| why.to_string())?
        .join()
        .unwrap_or_else(|_| Err("the request panicked".to_owned()))
}

async fn get(url: Url) -> std::result::Result<Vec<u8>, String> {
    let text = |why: reqwest::Error| with_causes(&why.without_url());
    // Without redirects, which could lead to a host that the worker keeps out of reach.
    let client = reqwest::Client::builder()
        .user_agent("kafka-connect")
        .redirect(reqwest::redirect::Policy::none())
        .timeout(DEADLINE)
        .no_proxy()
        .build()
        .map_err(text)?;
    let mut response = client.get(url).send().await.map_err(text)?;
    if !response.status().is_success() {
        return Err(format!("the server answered {}", response.status()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(text)? {
        if (bytes.len() + chunk.len()) as u64 > MOST {
            return Err(format!("the answer is {}", too_long()));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}
