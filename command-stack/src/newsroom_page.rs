//! Reads the tables of `docs/newsroom.md`, so that tests can compare them with the rules.

use std::collections::BTreeSet;

use events::{Role, UserId};
use uuid::Uuid;

use crate::caller::{Caller, Denied};

const PAGE: &str = include_str!("../../docs/newsroom.md");

/// Rows of cells, the head first.
pub(crate) type Table = Vec<Vec<String>>;

/// The table under a heading, without the line below its head and without backticks.
pub(crate) fn table(heading: &str) -> Table {
    let after = PAGE.lines().skip_while(|line| line.trim_start_matches('#').trim() != heading);
    let section = after.skip(1).take_while(|line| !line.starts_with('#'));
    let rows = section.skip_while(|line| !line.starts_with('|'));
    let rows = rows.take_while(|line| line.starts_with('|'));
    let table: Table = rows.filter(|line| !line.starts_with("|-")).map(cells).collect();
    assert!(table.len() > 1, "docs/newsroom.md has no table under {heading:?}");
    table
}

fn cells(line: &str) -> Vec<String> {
    let cells = line.trim().trim_matches('|').split('|');
    cells.map(|cell| cell.trim().replace('`', "")).collect()
}

/// A row of a table that is computed.
pub(crate) fn row<'a>(cells: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    cells.into_iter().map(str::to_owned).collect()
}

/// As the page says whether somebody may.
pub(crate) fn may(authorized: Result<(), Denied>) -> &'static str {
    match authorized {
        Ok(()) => "yes",
        Err(Denied::NotSignedIn) => "401",
        Err(Denied::NotAllowed) => "403",
        Err(Denied::Hidden) => "404",
    }
}

/// User number `number`.
pub(crate) fn user(number: u128) -> UserId {
    UserId(Uuid::from_u128(number))
}

/// User number `number` with a token that says these roles.
pub(crate) fn caller(number: u128, roles: &[Role]) -> Caller {
    Caller::User { id: user(number), roles: roles.iter().copied().collect() }
}

/// Every set of roles.
pub(crate) fn sets_of_roles() -> Vec<BTreeSet<Role>> {
    Role::ALL.into_iter().fold(vec![BTreeSet::new()], |sets, role| {
        let with = sets.clone().into_iter().map(|mut set| {
            set.insert(role);
            set
        });
        sets.iter().cloned().chain(with).collect()
    })
}
