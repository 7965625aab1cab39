//! AWS's request rates, which the lab enforces where it is asked to.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::api::Lab;

/// What came of one action while the rates were on, in all regions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    pub all: u64,
    pub throttled: u64,
}

/// A bucket of the lab's table.
#[derive(Debug, Clone, PartialEq)]
pub struct Bucket {
    pub name: String,
    pub size: f64,
    pub refill_per_s: f64,
    /// The AWS document with these figures.
    pub source: String,
}

impl Lab {
    /// Switches the rates on, with full buckets. Others in the account take this part of each.
    pub async fn limit_rates(&self, others: f64) {
        self.post("rates", json!({"others": others})).await;
    }

    /// Admits any number of requests from now on.
    pub async fn unlimit_rates(&self) {
        self.delete("rates").await;
    }

    /// The requests that came since the rates were switched on, by `service:Action`.
    pub async fn requests(&self) -> BTreeMap<String, Requests> {
        let mut requests = BTreeMap::<String, Requests>::new();
        for each in list(&self.get("rates").await["actions"]) {
            let found = requests.entry(text(&each["action"])).or_default();
            found.all += each["calls"].as_u64().unwrap();
            found.throttled += each["throttled"].as_u64().unwrap();
        }
        requests
    }

    /// The buckets that each of these actions draws on, its own first.
    pub async fn buckets_of(&self, actions: &[String]) -> BTreeMap<String, Vec<Bucket>> {
        let told = self.post("rates/of", json!({"actions": actions})).await;
        let buckets = |told: &Value| list(told).iter().map(bucket).collect();
        let told = told.as_object().unwrap().iter();
        told.map(|(action, told)| (action.clone(), buckets(told)))
            .collect()
    }
}

fn bucket(told: &Value) -> Bucket {
    Bucket {
        name: text(&told["bucket"]),
        size: told["size"].as_f64().unwrap(),
        refill_per_s: told["refill_per_s"].as_f64().unwrap(),
        source: text(&told["source"]),
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}
