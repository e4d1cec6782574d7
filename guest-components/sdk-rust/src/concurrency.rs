//! Many things at once, but not too many.

use std::future::Future;

use futures::stream::{self, StreamExt};

/// Runs all of the futures, at most `limit` at a time, and gives back what each gave, in their order.
///
/// ```no_run
/// # async fn judge(program: String) -> bool { true }
/// # async fn example(programs: Vec<String>) {
/// let verdicts = mimobox_guest::run_all(4, programs.into_iter().map(judge)).await;
/// # }
/// ```
pub async fn run_all<F: Future>(limit: usize, futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    // Unordered, so that one slow future never keeps a free place from the next.
    let numbered = futures.into_iter().enumerate().map(async |(index, future)| (index, future.await));
    let mut done: Vec<(usize, F::Output)> =
        stream::iter(numbered).buffer_unordered(limit.max(1)).collect().await;
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, output)| output).collect()
}
