//! Pages of a list, newest first, each with a cursor that leads to the next.

use chrono::{DateTime, Datelike, Utc};

/// The most rows on one page.
pub const MAX_PAGE: i64 = 500;

/// Cuts a page out of rows of which one more was read than the page holds; returns it with the cursor of its last row
/// if there are more.
pub fn cut<T>(mut rows: Vec<T>, limit: i64, cursor: impl FnOnce(&T) -> String) -> (Vec<T>, Option<String>) {
    let more = i64::try_from(rows.len()).is_ok_and(|found| found > limit);
    if more {
        rows.pop();
    }
    let next_cursor = rows.last().filter(|_| more).map(cursor);
    (rows, next_cursor)
}

/// Tells whether a ledger can compare with this time: it knows fewer years than a caller can write.
pub fn is_storable(at: &DateTime<Utc>) -> bool {
    (1..=9999).contains(&at.year())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_page_with_more_behind_it_has_a_cursor() {
        let cursor = |row: &i32| row.to_string();
        assert_eq!(cut(vec![3, 2, 1], 2, cursor), (vec![3, 2], Some("2".to_owned())));
        assert_eq!(cut(vec![3, 2], 2, cursor), (vec![3, 2], None));
        assert_eq!(cut(Vec::new(), 2, cursor), (Vec::new(), None));
    }
}
