//! Contract tests of the webhook store, run against each adapter.

mod fixture;
mod keeping;

use crate::event_log::contract::contract;

contract! { postgres_webhooks, sqlite_webhooks:
    keeping {
        a_subscription_is_kept_as_it_was_made_and_once
        of_many_who_change_the_same_state_exactly_one_does
        a_delivery_is_remembered_only_with_the_state_that_follows_from_it
        only_the_newest_deliveries_are_remembered
        of_a_subscription_that_is_deleted_nothing_is_left
        there_are_never_too_many
    }
}
