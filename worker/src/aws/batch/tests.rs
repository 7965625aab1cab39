use std::time::Duration;

use tokio::task::{JoinHandle, yield_now};
use tokio::time::{Instant, sleep, timeout};

use super::*;

const LATENCY: Duration = Duration::from_millis(100);

/// Notes the items of its calls and when they ended, and answers with the moment at which a call began.
#[derive(Default)]
struct Source {
    begun: Mutex<Vec<Vec<u32>>>,
    ended: Mutex<Vec<Vec<u32>>>,
    /// What the next calls answer, the last first, before they succeed.
    errors: Mutex<Vec<&'static str>>,
    bad: Mutex<BTreeSet<u32>>,
}

impl Source {
    async fn call(self: Arc<Self>, items: Vec<u32>) -> Result<Instant, &'static str> {
        let at = Instant::now();
        locked(&self.begun).push(items.clone());
        sleep(LATENCY).await;
        locked(&self.ended).push(items.clone());
        if let Some(error) = locked(&self.errors).pop() {
            return Err(error);
        }
        let bad = locked(&self.bad);
        match items.iter().any(|item| bad.contains(item)) {
            true => Err("bad"),
            false => Ok(at),
        }
    }

    fn begun(&self) -> Vec<Vec<u32>> {
        locked(&self.begun).clone()
    }

    fn ended(&self) -> Vec<Vec<u32>> {
        locked(&self.ended).clone()
    }
}

#[derive(Clone)]
struct Bench {
    source: Arc<Source>,
    batches: Arc<Batches<u32, Instant, &'static str>>,
}

type Joined = JoinHandle<Result<Instant, &'static str>>;

impl Bench {
    fn new(most: usize) -> Self {
        Self {
            source: Arc::default(),
            batches: Arc::new(Batches::new(most, |error| *error == "bad")),
        }
    }

    async fn ask(&self, subject: &str, items: &[u32]) -> Result<Instant, &'static str> {
        let call = |items| Arc::clone(&self.source).call(items);
        self.batches.join(subject, items.iter().copied(), call).await
    }

    /// A waiter of its own that has come to where it waits.
    async fn waiter(&self, items: &[u32]) -> Joined {
        let (bench, items) = (self.clone(), items.to_vec());
        let joined = tokio::spawn(async move { bench.ask("group", &items).await });
        yield_now().await;
        joined
    }

    async fn waiters(&self, items: impl IntoIterator<Item = u32>) -> Vec<Joined> {
        let mut joined = Vec::new();
        for item in items {
            joined.push(self.waiter(&[item]).await);
        }
        joined
    }
}

async fn all_ok(joined: Vec<Joined>) {
    for one in joined {
        one.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn one_alone_waits_for_nothing() {
    let bench = Bench::new(100);
    let start = Instant::now();
    bench.ask("group", &[1]).await.unwrap();
    assert_eq!(start.elapsed(), LATENCY);
}

#[tokio::test(start_paused = true)]
async fn what_comes_during_a_call_goes_in_the_next() {
    let bench = Bench::new(100);
    let start = Instant::now();
    all_ok(bench.waiters(0..50).await).await;
    assert_eq!(bench.source.begun(), [vec![0], (1..50).collect()]);
    assert_eq!(start.elapsed(), LATENCY * 2);
}

/// Calls are admitted one a second: while the second one waits, all others come.
#[tokio::test(start_paused = true)]
async fn a_call_that_waits_to_be_admitted_takes_what_comes() {
    let bench = Bench::new(100);
    let begin = Instant::now();
    let bucket = Arc::new(tokio::sync::Mutex::new(begin));
    let ask = |item: u32| {
        let (bench, bucket) = (bench.clone(), Arc::clone(&bucket));
        let admit = move || {
            let bucket = Arc::clone(&bucket);
            async move {
                let mut next = bucket.lock().await;
                tokio::time::sleep_until(*next).await;
                *next = Instant::now() + Duration::from_secs(1);
                "admitted"
            }
        };
        let source = Arc::clone(&bench.source);
        let call = move |items, admission| {
            assert_eq!(admission, Some("admitted"));
            Arc::clone(&source).call(items)
        };
        let batches = Arc::clone(&bench.batches);
        tokio::spawn(async move { batches.join_admitted("group", [item], admit, call).await })
    };
    let mut joined = Vec::new();
    for item in 0..10 {
        joined.push(ask(item));
        sleep(LATENCY / 2).await;
    }
    all_ok(joined).await;
    assert_eq!(bench.source.begun(), [vec![0], (1..10).collect()]);
    assert_eq!(begin.elapsed(), Duration::from_secs(1) + LATENCY);
}

#[tokio::test(start_paused = true)]
async fn a_call_carries_no_more_than_it_may() {
    let bench = Bench::new(20);
    all_ok(bench.waiters(0..50).await).await;
    let sizes: Vec<usize> = bench.source.begun().iter().map(Vec::len).collect();
    assert_eq!(sizes, [1, 20, 20, 9]);
}

#[tokio::test(start_paused = true)]
async fn more_than_a_call_may_carry_goes_alone() {
    let bench = Bench::new(2);
    let first = bench.waiter(&[1]).await;
    let large = bench.waiter(&[2, 3, 4]).await;
    let small = bench.waiter(&[5]).await;
    all_ok(vec![first, large, small]).await;
    assert_eq!(bench.source.begun(), [vec![1], vec![2, 3, 4], vec![5]]);
}

#[tokio::test(start_paused = true)]
async fn the_same_item_is_sent_once() {
    let bench = Bench::new(2);
    let first = bench.waiter(&[1]).await;
    let mut joined = vec![first];
    for _ in 0..10 {
        joined.push(bench.waiter(&[2, 3]).await);
    }
    all_ok(joined).await;
    assert_eq!(bench.source.begun(), [vec![1], vec![2, 3]]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_of_a_call_begun_after_the_waiter_came() {
    let bench = Bench::new(100);
    let first = bench.waiter(&[1]).await;
    sleep(LATENCY / 2).await;
    let came = Instant::now();
    assert!(bench.ask("group", &[1]).await.unwrap() >= came);
    assert!(first.await.unwrap().unwrap() < came);
}

#[tokio::test(start_paused = true)]
async fn subjects_do_not_wait_for_each_other() {
    let bench = Bench::new(100);
    let start = Instant::now();
    let (one, two) = tokio::join!(bench.ask("one", &[1]), bench.ask("two", &[2]));
    assert_eq!((one.unwrap(), two.unwrap()), (start, start));
}

#[tokio::test(start_paused = true)]
async fn a_bad_item_fails_nobody_else() {
    let bench = Bench::new(100);
    bench.source.bad.lock().unwrap().extend([7, 30]);
    let mut said = Vec::new();
    for (item, joined) in bench.waiters(0..50).await.into_iter().enumerate() {
        if joined.await.unwrap().is_err() {
            said.push(item);
        }
    }
    assert_eq!(said, [7, 30]);
    let calls = bench.source.begun().len();
    assert!(calls <= 24, "{calls} calls to find two of 50");
}

#[tokio::test(start_paused = true)]
async fn an_error_that_means_all_is_told_to_all_at_once() {
    let bench = Bench::new(100);
    let first = bench.waiter(&[0]).await;
    bench
        .source
        .errors
        .lock()
        .unwrap()
        .extend(["throttled", "throttled"]);
    let others = bench.waiters(1..20).await;
    assert_eq!(first.await.unwrap(), Err("throttled"));
    for other in others {
        assert_eq!(other.await.unwrap(), Err("throttled"));
    }
    assert_eq!(bench.source.begun().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn others_go_on_when_the_caller_goes_away() {
    let bench = Bench::new(100);
    let first = bench.waiter(&[0]).await;
    let mut others = bench.waiters(1..4).await;
    first.await.unwrap().unwrap();
    yield_now().await;
    assert_eq!(bench.source.begun().len(), 2);
    // The first of the others makes the second call.
    others.remove(0).abort();
    all_ok(others).await;
    assert_eq!(bench.source.begun()[2..], [vec![2, 3]]);
    assert_eq!(bench.source.ended(), [vec![0], vec![2, 3]]);
}

#[tokio::test(start_paused = true)]
async fn one_that_went_away_is_carried_by_nobody() {
    let bench = Bench::new(100);
    let first = bench.waiter(&[0]).await;
    let mut others = bench.waiters(1..4).await;
    // Before its call is made.
    others.remove(1).abort();
    first.await.unwrap().unwrap();
    yield_now().await;
    assert_eq!(bench.source.begun()[1..], [vec![1, 3]]);
    // During the call that another one makes.
    others.remove(1).abort();
    all_ok(others).await;
    assert_eq!(bench.source.ended(), [vec![0], vec![1]]);
}

#[tokio::test(start_paused = true)]
async fn nothing_goes_on_when_nobody_waits() {
    let bench = Bench::new(100);
    for joined in bench.waiters(0..10).await {
        joined.abort();
    }
    sleep(LATENCY * 10).await;
    assert!(bench.source.ended().is_empty());
    let start = Instant::now();
    let again = timeout(LATENCY * 2, bench.ask("group", &[1])).await;
    assert_eq!(again.unwrap().unwrap(), start);
}

#[tokio::test(start_paused = true)]
async fn whoever_stays_is_answered_however_many_leave() {
    for seed in 0..50_u64 {
        let bench = Bench::new(8);
        // The numbers of a congruential generator: arrivals and departures differ with each seed.
        let mut state = seed;
        let mut below = |bound: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % bound
        };
        let mut joined = Vec::new();
        for item in 0..100 {
            sleep(Duration::from_millis(below(20))).await;
            let patience = Duration::from_millis(1 + below(400));
            let (bench, leaves) = (bench.clone(), below(2) == 0);
            joined.push(tokio::spawn(async move {
                let wanted = [item];
                let asked = bench.ask("group", &wanted);
                match leaves {
                    true => timeout(patience, asked).await.is_err(),
                    false => asked.await.is_err(),
                }
            }));
        }
        let mut left = Vec::new();
        for (item, joined) in joined.into_iter().enumerate() {
            // Longer than a hundred calls, one for each.
            if timeout(LATENCY * 100, joined).await.unwrap().unwrap() {
                left.push(u32::try_from(item).unwrap());
            }
        }
        let (ended, calls) = (bench.source.ended(), bench.source.begun().len());
        let carried: BTreeSet<u32> = ended.iter().flatten().copied().collect();
        let answered = |item: &u32| carried.contains(item) || left.contains(item);
        assert!((0..100).all(|item| answered(&item)), "seed {seed}");
        assert!(calls < 100, "{calls} calls for 100 waiters");
        sleep(LATENCY * 2).await;
        assert_eq!(bench.source.ended(), ended, "seed {seed}: nobody waited");
    }
}
