//! Contract tests of accounts and sessions, run against each adapter.
//! The PostgreSQL tests need `PORTAL_EVENT_LOG` (printed by `scripts/services env`) and fail
//! without it.

mod claims;
mod fixture;
mod keeping;
mod secrecy;
mod sessions;
mod throttle;

use crate::event_log::contract::contract;

contract! { postgres_accounts, sqlite_accounts:
    claims {
        of_many_who_open_an_account_with_one_address_at_once_exactly_one_gets_it
        an_address_is_taken_whatever_its_letter_case
        a_claim_without_a_user_gives_way_after_its_lifetime_and_not_before
        of_many_who_replace_an_abandoned_claim_at_once_exactly_one_gets_it
        a_claim_that_the_log_confirms_never_gives_way
        a_claim_that_its_user_has_changed_away_from_gives_way
        a_user_may_claim_the_own_address_again_and_is_believed_as_long_again
        a_claim_that_was_renewed_meanwhile_is_not_replaced
    }
    keeping {
        an_account_is_found_by_its_address_and_by_no_other
        the_newest_password_replaces_the_one_before
        keys_are_read_of_several_users_at_once_and_of_none
        an_account_that_was_not_opened_leaves_nothing
        all_that_is_kept_of_a_user_is_destroyed_and_nothing_of_others
    }
    sessions {
        a_refresh_token_works_once_and_then_its_successor
        a_second_use_ends_the_family_with_its_newest_token_and_no_other
        of_many_uses_at_once_one_succeeds_and_the_family_ends
        an_expired_token_is_unknown
        a_session_is_ended_by_itself_by_a_token_or_with_all_of_its_user
        a_session_that_is_ended_while_it_is_used_stays_ended
    }
    throttle {
        the_sixth_sign_in_after_five_failures_within_a_minute_has_to_wait
        asking_while_throttled_does_not_prolong_the_wait
        each_failure_counts_for_a_minute_of_its_own
        a_success_forgets_the_failures
        another_address_is_not_affected
        of_many_who_try_at_once_exactly_five_are_allowed
    }
    secrecy {
        no_row_of_any_table_contains_the_address_or_the_name
    }
}
