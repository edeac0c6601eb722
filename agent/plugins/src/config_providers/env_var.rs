//! `EnvVarConfigProvider`: `${env:VARIABLE}`.

use sluice_api::config_provider::{ConfigData, ConfigProvider};
use sluice_api::plugin::Environment;
use sluice_api::{ConnectError, Props, Result};

use sluice_jvm_text::regex::JavaRegex;

super::provider!(EnvVarConfigProvider, |environment| Box::new(
    EnvVarConfigProvider {
        environment: environment.clone(),
    }
));

struct EnvVarConfigProvider {
    environment: Environment,
}

impl ConfigProvider for EnvVarConfigProvider {
    fn configure(&mut self, props: &Props) -> Result<()> {
        let Some(pattern) = props.get("allowlist.pattern") else {
            return Ok(());
        };
        let pattern = JavaRegex::new(pattern)?;
        let mut allowed = Environment::new();
        for (name, value) in self.environment.drain() {
            if pattern.matches(&name)? {
                allowed.insert(name, value);
            }
        }
        self.environment = allowed;
        Ok(())
    }

    fn get(&self, path: &str, keys: &[String]) -> Result<ConfigData> {
        if !path.is_empty() {
            return Err(ConnectError::config(format!(
                "Path is not supported for EnvVarConfigProvider, invalid value '{path}'"
            )));
        }
        let data = keys
            .iter()
            .filter_map(|key| Some((key.clone(), self.environment.get(key)?.clone())))
            .collect();
        Ok(ConfigData { data, ttl: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_variables_whose_whole_name_matches_are_given() {
        let environment = [
            ("APP_PASSWORD", "hunter2"),
            ("HOME", "/root"),
            ("XAPP_", "x"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let mut provider = (plugin().new)(&environment);
        let keys = ["APP_PASSWORD", "HOME", "XAPP_"].map(str::to_owned);
        assert_eq!(provider.get("", &keys).unwrap().data.len(), 3);
        let props = Props::from([("allowlist.pattern".to_owned(), "APP_.*".to_owned())]);
        provider.configure(&props).unwrap();
        let found = provider.get("", &keys).unwrap().data;
        assert_eq!(found.len(), 1);
        assert_eq!(found["APP_PASSWORD"], "hunter2");
        assert_eq!(
            provider.get("x", &keys).unwrap_err().message(),
            "Path is not supported for EnvVarConfigProvider, invalid value 'x'"
        );
    }
}
