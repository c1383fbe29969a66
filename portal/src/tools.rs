//! What an operator runs beside the services. Each works on the stores directly, at the same addresses
//! as the services.

pub(crate) mod dead_letters;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod import;
pub(crate) mod manuals;
pub(crate) mod replay;
pub(crate) mod seal;
pub(crate) mod token;
pub(crate) mod verify;

use ::events::{Category, Partition};
use query_stack::view_store::View;
use query_stack::views;

/// The views of these categories that a tool was asked for: all, those of one category, or those of
/// a name, `articles_sports` for one, or `articles` for every category's.
fn select(categories: &[Category], view: Option<&str>, category: Option<&Category>) -> Vec<View> {
    let mut selected = views(categories);
    selected.retain(|candidate| {
        let of_category = match &candidate.partition {
            Partition::News(of) => category.is_none_or(|category| category == of),
            Partition::Users | Partition::Front => category.is_none(),
        };
        let has_name =
            |name| candidate.projection.as_str() == name || candidate.to_string() == name;
        of_category && view.is_none_or(has_name)
    });
    selected
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_asked_for_by_its_name_or_with_those_of_every_category() {
        let category = |name: &str| name.parse::<Category>().expect("a category");
        let categories = [category("famous"), category("sports")];
        let names = |view, of: Option<&Category>| {
            let selected = select(&categories, view, of);
            selected.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        assert_eq!(names(Some("articles"), None), ["articles_famous", "articles_sports"]);
        assert_eq!(names(Some("articles_sports"), None), ["articles_sports"]);
        assert_eq!(names(Some("desk"), Some(&categories[1])), ["desk_sports"]);
        assert_eq!(names(Some("users"), None), ["users"]);
        assert_eq!(names(Some("front"), None), ["front"]);
        assert!(names(Some("articles_famous"), Some(&categories[1])).is_empty());
        assert!(names(Some("weather"), None).is_empty());
    }
}
