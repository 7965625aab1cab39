//! One call for what any number of waiters want of the same subject at about the same moment.
//!
//! ```text
//! waiter A: a --> call [a]                  nobody waits for others to come: the first call goes at once
//! waiter B: b --+
//! waiter C: c --+--> call [b c]             collected while the first call was under way
//!                      +- refused: [b], [c] halved until the one that AWS means stands alone
//! ```
//!
//! A call that has to be admitted first takes what has come by then: the longer AWS's rates make it wait, the more it
//! carries.
//!
//! A waiter's call always begins after the waiter came, so that a read answers as of then.
//!
//! One of the waiters makes the call, within its own future; nothing runs when no waiter is left. When that
//! waiter goes away in mid-call, the next one makes the call anew for those who are still there. When another
//! one goes away, the call is broken off and made anew without what it wanted: a waiter whose lease has ended
//! must not have its call made by others. Calls have to be harmless when made twice.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::select;
use tokio::sync::Notify;

/// Collects items of the type `T` into calls that are answered with `A` or `E`, each subject by itself.
pub(crate) struct Batches<T, A, E> {
    most: usize,
    may_be_of_one: fn(&E) -> bool,
    lines: Mutex<Lines<T, A, E>>,
}

/// The lines, by subject.
type Lines<T, A, E> = HashMap<String, Arc<Line<T, A, E>>>;

/// The waiters on one subject.
struct Line<T, A, E> {
    /// What no call carries yet, in the order it came.
    queue: Mutex<Vec<Arc<Wish<T, A, E>>>>,
    /// The lock of the waiter that makes calls.
    turn: tokio::sync::Mutex<()>,
    /// Told when a waiter goes away without its answer.
    left: Notify,
}

/// What one waiter wants.
struct Wish<T, A, E> {
    items: BTreeSet<T>,
    answer: Mutex<Option<Result<A, E>>>,
    answered: Notify,
    left: AtomicBool,
}

/// A waiter's place; leaves the line when it is dropped.
struct Place<'l, T, A, E> {
    line: &'l Line<T, A, E>,
    wish: Arc<Wish<T, A, E>>,
}

/// What a call carries; puts back what was not answered when it is dropped.
struct Carried<'l, T, A, E> {
    line: &'l Line<T, A, E>,
    wishes: Vec<Arc<Wish<T, A, E>>>,
}

impl<T, A, E> Batches<T, A, E>
where
    T: Ord + Clone,
    A: Clone,
    E: Clone,
{
    /// Collects at most so many items into one call, or as many as one waiter brings. A call with an error
    /// that `may_be_of_one` waiter's items alone is made anew in halves.
    pub(crate) fn new(most: usize, may_be_of_one: fn(&E) -> bool) -> Self {
        Self {
            most,
            may_be_of_one,
            lines: Mutex::default(),
        }
    }

    /// The answer of a call that carries these items, perhaps with those of others. All callers on one
    /// subject must give calls that do the same.
    pub(crate) async fn join<C, F>(
        &self,
        subject: &str,
        items: impl IntoIterator<Item = T>,
        call: C,
    ) -> Result<A, E>
    where
        C: Fn(Vec<T>) -> F,
        F: Future<Output = Result<A, E>>,
    {
        let call = |items, _: Option<()>| call(items);
        self.join_admitted(subject, items, || std::future::ready(()), call)
            .await
    }

    /// The same where calls wait to be admitted. What they carry is taken after that; only the calls of a call that is
    /// made anew in parts have to be admitted by themselves.
    pub(crate) async fn join_admitted<P, W, C, F>(
        &self,
        subject: &str,
        items: impl IntoIterator<Item = T>,
        admit: impl Fn() -> W,
        call: C,
    ) -> Result<A, E>
    where
        W: Future<Output = P>,
        C: Fn(Vec<T>, Option<P>) -> F,
        F: Future<Output = Result<A, E>>,
    {
        let line = self.line(subject);
        let place = line.enter(items.into_iter().collect());
        // Each round ends with the answer, or this waiter has the turn and makes a call. The queue is taken
        // from its head, so that only what came earlier goes before its own.
        loop {
            let turn = select! {
                biased;
                () = place.wish.answered.notified() => None,
                turn = line.turn.lock() => Some(turn),
            };
            if let Some(answer) = locked(&place.wish.answer).clone() {
                return answer;
            }
            if turn.is_some() {
                let admission = admit().await;
                self.carry(&line, admission, &call).await;
            }
        }
    }

    /// Makes a call for the head of the queue, and tells the waiters.
    async fn carry<P, C, F>(&self, line: &Line<T, A, E>, admission: P, call: &C)
    where
        C: Fn(Vec<T>, Option<P>) -> F,
        F: Future<Output = Result<A, E>>,
    {
        let carried = Carried {
            line,
            wishes: line.take(self.most),
        };
        let mut parts = vec![carried.wishes.clone()];
        let mut admission = Some(admission);
        while let Some(mut part) = parts.pop() {
            part.retain(|wish| !wish.has_left());
            if part.is_empty() {
                continue;
            }
            let items: BTreeSet<T> = part.iter().flat_map(|wish| &wish.items).cloned().collect();
            // Boxed, because the SDK's futures are large.
            let made = Box::pin(call(items.into_iter().collect(), admission.take()));
            let answer = select! {
                biased;
                answer = made => Some(answer),
                () = line.one_left(&part) => None,
            };
            match answer {
                None => parts.push(part),
                Some(Err(error)) if part.len() > 1 && (self.may_be_of_one)(&error) => {
                    let second = part.split_off(part.len() / 2);
                    parts.extend([second, part]);
                }
                Some(answer) => part.iter().for_each(|wish| wish.tell(answer.clone())),
            }
        }
    }

    /// The line of a subject. Lines are kept: there are as many as target groups and the like that a worker
    /// ever has to do with.
    fn line(&self, subject: &str) -> Arc<Line<T, A, E>> {
        let mut lines = locked(&self.lines);
        let fresh = || {
            Arc::new(Line {
                queue: Mutex::default(),
                turn: tokio::sync::Mutex::default(),
                left: Notify::new(),
            })
        };
        Arc::clone(lines.entry(subject.to_owned()).or_insert_with(fresh))
    }
}

impl<T: Ord + Clone, A, E> Line<T, A, E> {
    fn enter(&self, items: BTreeSet<T>) -> Place<'_, T, A, E> {
        let wish = Arc::new(Wish {
            items,
            answer: Mutex::default(),
            answered: Notify::new(),
            left: AtomicBool::new(false),
        });
        locked(&self.queue).push(Arc::clone(&wish));
        Place { line: self, wish }
    }

    /// The head of the queue: the first wish, whatever its size, and all that fit into the same call.
    fn take(&self, most: usize) -> Vec<Arc<Wish<T, A, E>>> {
        let mut items = BTreeSet::new();
        let mut queue = locked(&self.queue);
        let mut first = true;
        let fits = |wish: &&Arc<Wish<T, A, E>>| {
            items.extend(wish.items.iter().cloned());
            std::mem::take(&mut first) || items.len() <= most
        };
        let count = queue.iter().take_while(fits).count();
        queue.drain(..count).collect()
    }

    /// Returns when one of these waiters has gone away.
    async fn one_left(&self, wishes: &[Arc<Wish<T, A, E>>]) {
        loop {
            // Listens before it looks, so that no departure falls between the two.
            let left = self.left.notified();
            if wishes.iter().any(|wish| wish.has_left()) {
                return;
            }
            left.await;
        }
    }
}

impl<T, A, E> Wish<T, A, E> {
    fn has_left(&self) -> bool {
        self.left.load(Ordering::SeqCst)
    }

    fn tell(&self, answer: Result<A, E>) {
        *locked(&self.answer) = Some(answer);
        self.answered.notify_one();
    }

    fn is_answered(&self) -> bool {
        locked(&self.answer).is_some()
    }
}

impl<T, A, E> Drop for Place<'_, T, A, E> {
    fn drop(&mut self) {
        if self.wish.is_answered() {
            return;
        }
        // Marked first: whoever puts it back meanwhile sees the mark.
        self.wish.left.store(true, Ordering::SeqCst);
        locked(&self.line.queue).retain(|wish| !Arc::ptr_eq(wish, &self.wish));
        self.line.left.notify_waiters();
    }
}

impl<T, A, E> Drop for Carried<'_, T, A, E> {
    fn drop(&mut self) {
        let mut queue = locked(&self.line.queue);
        let mut unanswered: Vec<_> = std::mem::take(&mut self.wishes);
        unanswered.retain(|wish| !wish.is_answered() && !wish.has_left());
        queue.splice(0..0, unanswered);
    }
}

impl<T, A, E> fmt::Debug for Batches<T, A, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batches")
            .field("most", &self.most)
            .finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
