//! Contract tests of the event log, run against each adapter.
//! The PostgreSQL tests need `PORTAL_EVENT_LOG` (printed by `scripts/services env`) and fail
//! without it.

mod append_only;
mod appending;
mod commands;
pub(crate) mod fixture;
mod leading;
mod model;
mod obligations;
mod ordering;
mod postgres;
mod reading;
mod waking;

/// Declares each listed test once per adapter, each with its own `Fixture`.
macro_rules! contract {
    ($postgres:ident, $sqlite:ident: $($module:ident { $($promise:ident)* })*) => {
        mod $postgres {
            $($(#[tokio::test(flavor = "multi_thread")] async fn $promise() {
                let fixture = super::fixture::Fixture::postgres().await;
                super::$module::$promise(&fixture).await;
                fixture.remove().await;
            })*)*
        }
        mod $sqlite {
            $($(#[tokio::test(flavor = "multi_thread")] async fn $promise() {
                let fixture = super::fixture::Fixture::sqlite().await;
                super::$module::$promise(&fixture).await;
                fixture.remove().await;
            })*)*
        }
    };
}

pub(crate) use contract;

contract! { postgres_log, sqlite_log:
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
        a_partition_is_read_back_from_a_position
        streams_come_whole_in_byte_order_up_to_a_position
        a_stream_is_never_torn_apart_by_the_end_of_a_page
        who_has_read_enough_may_stop
        the_last_position_is_known_of_the_log_and_of_each_partition
        a_log_that_lacks_an_event_says_so
    }
    waking {
        every_append_wakes_who_waits
    }
    leading {
        there_is_one_leader_and_the_next_goes_on_at_its_checkpoint
        who_has_resigned_is_followed_at_once_and_cannot_move_the_checkpoint
        different_tasks_are_led_at_the_same_time_and_each_by_one_only
    }
    obligations {
        an_open_schedule_is_told_with_its_time_until_it_is_withdrawn_or_carried_out
        of_several_schedules_only_the_newest_is_told
        a_schedule_outlives_a_move_to_another_category
        an_erased_user_is_told_until_the_key_is_gone
        drafts_of_an_erased_author_are_told_until_they_are_archived_or_published
        what_was_asked_for_up_to_a_position_is_left_out_after_it
    }
}
