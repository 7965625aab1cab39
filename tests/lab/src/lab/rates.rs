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

/// What came while the rates were on, and what it took of the buckets.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rates {
    /// Requests by `service:Action`, the throttled ones included.
    pub calls: BTreeMap<String, u64>,
    /// Those that were throttled; actions without any are left out.
    pub throttled: BTreeMap<String, u64>,
    /// The buckets that were drawn on, each with the requests that it admitted.
    pub admitted: Vec<(Bucket, u64)>,
}

impl Rates {
    /// The least time in seconds in which the buckets admit what they have admitted, were they full at first, and the
    /// bucket that needs it.
    pub fn floor(&self) -> (String, f64) {
        let times = self.admitted.iter().map(|(bucket, admitted)| {
            let beyond_the_first = (*admitted as f64 - bucket.size).max(0.0);
            (bucket.name.clone(), beyond_the_first / bucket.refill_per_s)
        });
        let slowest = times.max_by(|(_, one), (_, other)| one.total_cmp(other));
        slowest.unwrap_or_default()
    }
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

    /// The requests that came since the rates were switched on, and what the buckets admitted of them.
    pub async fn rates(&self) -> Rates {
        let told = self.get("rates").await;
        let mut rates = Rates::default();
        for each in list(&told["actions"]) {
            let action = text(&each["action"]);
            *rates.calls.entry(action.clone()).or_default() += each["calls"].as_u64().unwrap();
            let throttled = each["throttled"].as_u64().unwrap();
            if throttled > 0 {
                *rates.throttled.entry(action).or_default() += throttled;
            }
        }
        let buckets = list(&told["buckets"]).iter();
        rates.admitted = buckets
            .map(|told| (bucket(told), told["admitted"].as_u64().unwrap()))
            .collect();
        rates
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

#[cfg(test)]
mod tests {
    use super::*;

    fn admitted(name: &str, size: f64, refill_per_s: f64, admitted: u64) -> (Bucket, u64) {
        let bucket = Bucket {
            name: name.to_owned(),
            size,
            refill_per_s,
            source: String::new(),
        };
        (bucket, admitted)
    }

    #[test]
    fn the_slowest_bucket_is_the_floor_and_what_fits_is_free() {
        let rates = Rates {
            admitted: vec![
                admitted("Describe*", 20.0, 5.0, 120),
                admitted("ListTagsForResource", 5.0, 5.0, 405),
                admitted("PutParameter", 1.5, 1.5, 1),
            ],
            ..Rates::default()
        };
        assert_eq!(rates.floor(), ("ListTagsForResource".to_owned(), 80.0));
        let small = Rates {
            admitted: vec![admitted("Describe*", 20.0, 5.0, 20)],
            ..Rates::default()
        };
        assert_eq!(small.floor().1, 0.0);
        assert_eq!(Rates::default().floor().1, 0.0);
    }
}
