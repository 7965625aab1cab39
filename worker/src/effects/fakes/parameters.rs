use std::collections::BTreeMap;
use std::sync::Mutex;

use super::{Calls, Old};
use crate::aws::{AwsError, Parameter};
use crate::effects::ports::ParameterPort;

/// Parameters, by their names.
#[derive(Debug, Default)]
pub(in crate::effects) struct Parameters {
    values: Mutex<BTreeMap<String, String>>,
    old: Old<Option<String>>,
    pub(in crate::effects) calls: Calls,
}

impl Parameters {
    pub(in crate::effects) fn set(&self, name: &str, value: &str) {
        self.values
            .lock()
            .unwrap()
            .insert(name.to_owned(), value.to_owned());
    }

    pub(in crate::effects) fn value(&self, name: &str) -> Option<String> {
        self.values.lock().unwrap().get(name).cloned()
    }

    /// The next looks see this value, whatever is written.
    pub(in crate::effects) fn answer_old(&self, old: Option<&str>, looks: u32) {
        self.old.answer(old.map(str::to_owned), looks);
    }
}

impl ParameterPort for Parameters {
    async fn parameter(&self, name: &str) -> Result<Option<Parameter>, AwsError> {
        let seen = self.old.or(self.value(name));
        Ok(seen.map(|value| Parameter {
            value,
            secure: false,
            modified_at: None,
        }))
    }

    async fn create_parameter(&self, name: &str, value: &str) -> Result<bool, AwsError> {
        self.calls.write("create", name, || {
            let is_new = self.value(name).is_none();
            if is_new {
                self.set(name, value);
            }
            is_new
        })
    }

    async fn put_parameter(&self, name: &str, value: &str) -> Result<(), AwsError> {
        self.calls.write("put", value, || self.set(name, value))
    }

    async fn delete_parameter(&self, name: &str) -> Result<(), AwsError> {
        self.calls.write("delete", name, || {
            self.values.lock().unwrap().remove(name);
        })
    }
}
