//! What every event log promises, run against each adapter. `PORTAL_EVENT_LOG` (printed by
//! `scripts/services env`) says where PostgreSQL is; without it the tests of PostgreSQL fail.

mod append_only;
mod appending;
mod claims;
mod commands;
mod fixture;
mod leading;
mod model;
mod ordering;
mod postgres;
mod reading;
mod waking;

macro_rules! contract {
    ($($module:ident { $($promise:ident)* })*) => {
        mod postgres_log {
            $($(#[tokio::test(flavor = "multi_thread")] async fn $promise() {
                let fixture = super::fixture::Fixture::postgres().await;
                super::$module::$promise(&fixture).await;
                fixture.remove().await;
            })*)*
        }
        mod sqlite_log {
            $($(#[tokio::test(flavor = "multi_thread")] async fn $promise() {
                let fixture = super::fixture::Fixture::sqlite().await;
                super::$module::$promise(&fixture).await;
                fixture.remove().await;
            })*)*
        }
    };
}

contract! {
    appending {
        a_stream_begins_at_version_one_and_goes_on_from_its_last_event
        an_append_at_a_wrong_version_is_a_conflict_and_records_nothing
        of_many_appends_at_one_version_exactly_one_wins
        an_append_to_many_streams_records_all_of_them_or_none
        appends_to_a_stream_are_carried_out_in_the_order_in_which_they_came
        appends_that_are_too_big_for_one_batch_are_recorded_whole_and_in_order
        more_appends_than_can_wait_are_turned_away_and_record_nothing
        an_append_that_names_a_stream_twice_is_refused_and_blocks_nobody
    }
    commands {
        a_command_is_carried_out_once_and_gets_the_first_answer_again
        a_command_that_was_refused_can_be_tried_again_with_its_id
        of_many_appends_with_one_command_id_exactly_one_is_carried_out
        a_command_to_many_streams_is_remembered_by_its_last_event
        a_command_id_that_reads_like_a_stream_is_no_obstacle
    }
    ordering {
        positions_have_no_holes_although_appends_are_refused
        a_reader_never_passes_an_event_that_appears_later
        an_event_is_not_recorded_before_the_one_ahead_of_it_even_if_the_clock_was_set_back
    }
    append_only {
        recorded_events_cannot_be_changed_removed_or_replaced
    }
    reading {
        what_is_read_is_what_was_appended
        an_event_in_an_old_shape_is_read_in_the_newest
        a_stream_is_read_by_itself_and_in_order
        the_log_is_read_after_a_position_by_partition_and_in_pages
        streams_are_paged_whole_in_byte_order_up_to_a_position
        the_last_position_is_known_of_the_log_and_of_each_partition
        a_log_that_lacks_an_event_says_so
    }
    waking {
        every_append_wakes_who_waits
    }
    leading {
        there_is_one_leader_and_the_next_goes_on_at_its_checkpoint
    }
    claims {
        an_address_is_taken_whatever_its_letter_case
        of_many_who_claim_an_address_at_once_exactly_one_gets_it
        a_fresh_claim_is_kept_and_an_abandoned_one_goes_to_exactly_one_other
        an_old_claim_of_a_registered_user_is_kept
    }
}
