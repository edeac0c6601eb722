//! Which path and method is which call: the one table of the REST API.

use axum::http::Method;

/// A call of the REST API with the names taken from its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Route {
    ServerInfo,
    Health,
    Metrics,
    ListConnectors,
    CreateConnector,
    Connector(String),
    DeleteConnector(String),
    ConnectorConfig(String),
    PutConnectorConfig(String),
    PatchConnectorConfig(String),
    ConnectorStatus(String),
    RestartConnector(String),
    Pause(String),
    Resume(String),
    Stop(String),
    Tasks(String),
    PutTaskConfigs(String),
    Fence(String),
    TaskStatus(String, u32),
    RestartTask(String, u32),
    ActiveTopics(String),
    ResetActiveTopics(String),
    Offsets(String),
    AlterOffsets(String),
    ResetOffsets(String),
    Plugins,
    PluginConfig(String),
    Validate(String),
    Loggers,
    Logger(String),
    SetLogger(String),
}

/// What a request line leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Resolved {
    Call(Route),
    /// A known path, with these methods only.
    OtherMethods(Vec<Method>),
    NotFound,
}

/// Which part of the API a listener serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Surface {
    All,
    /// Everything but what is below `/admin`.
    Main,
    /// Only what is below `/admin`.
    Admin,
}

/// Finds the call for a method and a decoded path. `HEAD` is served wherever `GET` is.
pub(crate) fn resolve(method: &Method, segments: &[String], surface: Surface) -> Resolved {
    let is_admin = segments.first().is_some_and(|first| first == "admin");
    if (is_admin && surface == Surface::Main) || (!is_admin && surface == Surface::Admin) {
        return Resolved::NotFound;
    }
    let method = if method == Method::HEAD {
        &Method::GET
    } else {
        method
    };
    let calls = calls(segments);
    if calls.is_empty() {
        return Resolved::NotFound;
    }
    let methods = calls.iter().map(|(method, _)| method.clone()).collect();
    match calls.into_iter().find(|(known, _)| known == method) {
        Some((_, route)) => Resolved::Call(route),
        None => Resolved::OtherMethods(methods),
    }
}

fn calls(segments: &[String]) -> Vec<(Method, Route)> {
    use Method as M;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        [] => vec![(M::GET, Route::ServerInfo)],
        ["health"] => vec![(M::GET, Route::Health)],
        ["metrics"] => vec![(M::GET, Route::Metrics)],
        ["connectors"] => {
            vec![
                (M::POST, Route::CreateConnector),
                (M::GET, Route::ListConnectors),
            ]
        }
        ["connectors", c, rest @ ..] => connector_calls(c, rest),
        ["connector-plugins"] => vec![(M::GET, Route::Plugins)],
        ["connector-plugins", p, "config"] => vec![(M::GET, Route::PluginConfig((*p).to_owned()))],
        ["connector-plugins", p, "config", "validate"] => {
            vec![(M::PUT, Route::Validate((*p).to_owned()))]
        }
        ["admin", "loggers"] => vec![(M::GET, Route::Loggers)],
        ["admin", "loggers", l] => vec![
            (M::GET, Route::Logger((*l).to_owned())),
            (M::PUT, Route::SetLogger((*l).to_owned())),
        ],
        _ => Vec::new(),
    }
}

fn connector_calls(connector: &str, rest: &[&str]) -> Vec<(Method, Route)> {
    use Method as M;
    let c = || connector.to_owned();
    match rest {
        [] => vec![
            (M::DELETE, Route::DeleteConnector(c())),
            (M::GET, Route::Connector(c())),
        ],
        ["config"] => vec![
            (M::PATCH, Route::PatchConnectorConfig(c())),
            (M::GET, Route::ConnectorConfig(c())),
            (M::PUT, Route::PutConnectorConfig(c())),
        ],
        ["status"] => vec![(M::GET, Route::ConnectorStatus(c()))],
        ["restart"] => vec![(M::POST, Route::RestartConnector(c()))],
        ["pause"] => vec![(M::PUT, Route::Pause(c()))],
        ["resume"] => vec![(M::PUT, Route::Resume(c()))],
        ["stop"] => vec![(M::PUT, Route::Stop(c()))],
        ["fence"] => vec![(M::PUT, Route::Fence(c()))],
        ["tasks"] => vec![
            (M::POST, Route::PutTaskConfigs(c())),
            (M::GET, Route::Tasks(c())),
        ],
        ["tasks", task, "status"] => task_number(task)
            .map(|task| (M::GET, Route::TaskStatus(c(), task)))
            .into_iter()
            .collect(),
        ["tasks", task, "restart"] => task_number(task)
            .map(|task| (M::POST, Route::RestartTask(c(), task)))
            .into_iter()
            .collect(),
        ["topics"] => vec![(M::GET, Route::ActiveTopics(c()))],
        ["topics", "reset"] => vec![(M::PUT, Route::ResetActiveTopics(c()))],
        ["offsets"] => vec![
            (M::PATCH, Route::AlterOffsets(c())),
            (M::DELETE, Route::ResetOffsets(c())),
            (M::GET, Route::Offsets(c())),
        ],
        _ => Vec::new(),
    }
}

fn task_number(text: &str) -> Option<u32> {
    // A negative number names no task; the lookup then answers "Unknown task".
    text.parse::<i32>()
        .ok()
        .map(|number| u32::try_from(number).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on(method: &Method, path: &str) -> Resolved {
        let segments: Vec<String> = path
            .split('/')
            .filter(|part| !part.is_empty())
            .map(str::to_owned)
            .collect();
        resolve(method, &segments, Surface::All)
    }

    #[test]
    fn a_trailing_slash_and_head_are_the_same_call() {
        assert_eq!(
            on(&Method::GET, "/connectors/"),
            Resolved::Call(Route::ListConnectors)
        );
        assert_eq!(
            on(&Method::HEAD, "/connectors"),
            Resolved::Call(Route::ListConnectors)
        );
    }

    #[test]
    fn a_task_that_is_no_integer_is_no_path() {
        assert_eq!(
            on(&Method::GET, "/connectors/c/tasks/x/status"),
            Resolved::NotFound
        );
        assert_eq!(
            on(&Method::GET, "/connectors/c/tasks/99999999999/status"),
            Resolved::NotFound
        );
    }

    #[test]
    fn another_method_on_a_known_path_is_told_apart() {
        assert_eq!(
            on(&Method::DELETE, "/connectors/c/status"),
            Resolved::OtherMethods(vec![Method::GET])
        );
        assert_eq!(
            on(&Method::GET, "/connectors/c/tasks-config"),
            Resolved::NotFound
        );
    }

    #[test]
    fn admin_paths_can_be_served_apart() {
        let path = ["admin".to_owned(), "loggers".to_owned()];
        assert_eq!(
            resolve(&Method::GET, &path, Surface::Main),
            Resolved::NotFound
        );
        assert_eq!(
            resolve(&Method::GET, &path, Surface::Admin),
            Resolved::Call(Route::Loggers)
        );
        assert_eq!(
            resolve(&Method::GET, &[], Surface::Admin),
            Resolved::NotFound
        );
    }
}
