//! What an operator runs beside the services. Each works on the stores directly, with the same
//! settings as the services.

pub(crate) mod dead_letters;
pub(crate) mod events;
pub(crate) mod import;
pub(crate) mod replay;
pub(crate) mod seal;
pub(crate) mod token;
pub(crate) mod verify;

use ::events::{Category, Partition};
use query_stack::view_store::View;
use query_stack::views;

/// The views of these categories that a tool was asked for.
fn select(categories: &[Category], view: Option<&str>, category: Option<&Category>) -> Vec<View> {
    let mut selected = views(categories);
    selected.retain(|candidate| {
        let of_category = match &candidate.partition {
            Partition::News(of) => category.is_none_or(|category| category == of),
            Partition::Users => category.is_none(),
        };
        of_category && view.is_none_or(|view| view == candidate.projection.as_str())
    });
    selected
}
