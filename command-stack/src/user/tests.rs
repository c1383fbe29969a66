//! Given the events so far, when a command comes, then these events follow, or this refusal; and
//! who may give it, as docs/newsroom.md says.

use events::Role::{Admin, Author, Editor, Reader};
use events::personal::UserKey;

use super::*;
use crate::aggregate::Authorize;
use crate::caller::Caller;
use crate::newsroom_page::{Table, caller, may, row, sets_of_roles, table, user};

/// Sealed for user 1.
fn sealed(text: &str) -> PersonalText {
    UserKey::new([7; 32]).seal(user(1), text)
}

fn registered() -> UserEvent {
    let (name, email) = (sealed("Ada"), Some(sealed("ada@example.org")));
    UserEvent::Registered(UserRegistered { name, email })
}

fn renamed(name: &str) -> UserEvent {
    UserEvent::Renamed(UserRenamed { name: sealed(name) })
}

fn email_changed(email: &str) -> UserEvent {
    UserEvent::EmailChanged(UserEmailChanged { email: sealed(email) })
}

fn roles_changed(roles: &[Role]) -> UserEvent {
    UserEvent::RolesChanged(UserRolesChanged { roles: roles.iter().copied().collect() })
}

fn erased() -> UserEvent {
    UserEvent::Erased(UserErased {})
}

fn register() -> UserCommand {
    UserCommand::Register { name: sealed("Ada"), email: sealed("ada@example.org") }
}

fn profile(name: &str, email: Option<&str>) -> UserCommand {
    UserCommand::ChangeProfile { name: sealed(name), email: email.map(sealed) }
}

fn roles(roles: &[Role]) -> UserCommand {
    UserCommand::ChangeRoles { roles: roles.iter().copied().collect() }
}

fn switch(enabled: bool) -> UserCommand {
    UserCommand::SwitchRecommendations { enabled }
}

fn switched(enabled: bool) -> UserEvent {
    UserEvent::RecommendationsSwitched(UserRecommendationsSwitched { enabled })
}

fn cleared() -> UserEvent {
    UserEvent::ReadingProfileCleared(UserReadingProfileCleared {})
}

/// What only the user decides.
fn is_private(command: &UserCommand) -> bool {
    matches!(command, UserCommand::SwitchRecommendations { .. } | UserCommand::ClearReadingProfile)
}

/// One of each kind. A further kind does not compile until it has its place here, and then lacks
/// its row in docs/newsroom.md.
fn one_of_each() -> Vec<UserCommand> {
    let next = |command: &UserCommand| match command {
        UserCommand::Register { .. } => Some(profile("Eve", Some("eve@example.org"))),
        UserCommand::ChangeProfile { .. } => Some(UserCommand::ChangePassword),
        UserCommand::ChangePassword => Some(roles(&[Author])),
        UserCommand::ChangeRoles { .. } => Some(switch(false)),
        UserCommand::SwitchRecommendations { .. } => Some(UserCommand::ClearReadingProfile),
        UserCommand::ClearReadingProfile => Some(UserCommand::Erase),
        UserCommand::Erase => None,
    };
    std::iter::successors(Some(register()), next).collect()
}

fn label(command: &UserCommand) -> &'static str {
    match command {
        UserCommand::Register { .. } => "register",
        UserCommand::ChangeProfile { .. } => "change profile",
        UserCommand::ChangePassword => "change password",
        UserCommand::ChangeRoles { .. } => "change roles",
        UserCommand::SwitchRecommendations { .. } => "switch recommendations",
        UserCommand::ClearReadingProfile => "clear what was read",
        UserCommand::Erase => "erase",
    }
}

/// User 1. Event number n is recorded at millisecond n.
fn given(events: &[UserEvent]) -> Option<User> {
    (1..).zip(events).fold(None, |state, (number, event)| {
        let (id, version) = (user(1).0, Version::new(number));
        let stamp = Stamp { id, version, at: Timestamp::from_millis(number) };
        let next = <User as Aggregate>::evolve(state, event.clone().into(), stamp);
        Some(next.expect("events that can follow each other"))
    })
}

fn when(given: Option<&User>, command: &UserCommand) -> Result<Vec<UserEvent>, UserError> {
    User::decide(given, command, Timestamp::from_millis(1000))
}

/// What follows for a user to whom this has happened.
fn follows(events: &[UserEvent], command: &UserCommand) -> Result<Vec<UserEvent>, UserError> {
    when(given(events).as_ref(), command)
}

#[test]
fn somebody_registers_once_and_is_a_reader() {
    assert_eq!(follows(&[], &register()), Ok(vec![registered()]));
    assert_eq!(follows(&[registered()], &register()), Err(UserError::Exists));
    let user = given(&[registered()]).expect("a user");
    assert_eq!(user.roles, BTreeSet::from([Reader]));
    assert_eq!((user.name, user.email), (Some(sealed("Ada")), Some(sealed("ada@example.org"))));
}

#[test]
fn nothing_can_be_changed_of_a_user_who_is_not_there() {
    for command in one_of_each().into_iter().skip(1) {
        assert_eq!(follows(&[], &command), Err(UserError::NotFound), "{command:?}");
    }
}

#[test]
fn a_profile_changes_in_what_differs() {
    let changed = |name, email| follows(&[registered()], &profile(name, email));
    assert_eq!(changed("Eve", None), Ok(vec![renamed("Eve")]));
    assert_eq!(changed("Eve", Some("ada@example.org")), Ok(vec![renamed("Eve")]));
    let moved = email_changed("eve@example.org");
    assert_eq!(changed("Ada", Some("eve@example.org")), Ok(vec![moved.clone()]));
    assert_eq!(changed("Eve", Some("eve@example.org")), Ok(vec![renamed("Eve"), moved]));
}

#[test]
fn the_newest_name_and_address_are_what_the_user_has() {
    let events = [registered(), renamed("Eve"), email_changed("eve@example.org")];
    let user = given(&events).expect("a user");
    assert_eq!((user.name, user.email), (Some(sealed("Eve")), Some(sealed("eve@example.org"))));
    let at = Timestamp::from_millis;
    assert_eq!((user.version, user.created_at, user.updated_at), (Version::new(3), at(1), at(3)));
    let back = follows(&events, &profile("Ada", None));
    assert_eq!(back, Ok(vec![renamed("Ada")]), "compared with the newest");
}

#[test]
fn what_changes_nothing_appends_nothing() {
    let same = profile("Ada", Some("ada@example.org"));
    assert_eq!(follows(&[registered()], &same), Ok(vec![]), "the same text is sealed the same");
    assert_eq!(follows(&[registered()], &profile("Ada", None)), Ok(vec![]));
    assert_eq!(follows(&[registered()], &roles(&[Reader])), Ok(vec![]));
    let editor = [registered(), roles_changed(&[Reader, Editor])];
    assert_eq!(follows(&editor, &roles(&[Editor])), Ok(vec![]), "every user is a reader");
}

#[test]
fn an_address_is_had_by_who_registered_before_there_were_addresses() {
    let registered = UserEvent::Registered(UserRegistered { name: sealed("Ada"), email: None });
    let follows = follows(&[registered], &profile("Ada", Some("ada@example.org")));
    assert_eq!(follows, Ok(vec![email_changed("ada@example.org")]));
}

#[test]
fn every_user_stays_a_reader_whatever_roles_there_are() {
    for set in sets_of_roles() {
        let set: Vec<_> = set.into_iter().collect();
        let before = [registered(), roles_changed(&Role::ALL)];
        let mut events = follows(&before, &roles(&set)).expect("an admin may");
        let user = given(&[&before[..], &events].concat()).expect("a user");
        let expected: BTreeSet<_> = set.iter().copied().chain([Reader]).collect();
        assert_eq!(user.roles, expected);
        assert_eq!(events.pop().is_none(), expected == BTreeSet::from(Role::ALL));
    }
}

#[test]
fn that_a_password_changed_is_on_record_each_time() {
    let changed = UserEvent::PasswordChanged(UserPasswordChanged {});
    let events = [registered(), changed.clone()];
    assert_eq!(follows(&events, &UserCommand::ChangePassword), Ok(vec![changed.clone()]));
    let (before, after) = (given(&[registered()]), given(&events));
    let (before, after) = (before.expect("a user"), after.expect("a user"));
    assert_eq!((before.name, before.roles), (after.name, after.roles));
    assert_eq!(after.version, Version::new(2));
}

#[test]
fn recommendations_are_on_until_they_are_switched_off_and_both_forget_what_was_read() {
    let forgotten = |events: &[UserEvent]| {
        let user = given(events).expect("a user");
        let millis = |at: Option<Timestamp>| at.map(Timestamp::millis);
        (millis(user.recommendations_off_since), millis(user.readings_forgotten_at))
    };
    assert_eq!(follows(&[registered()], &switch(true)), Ok(vec![]));
    assert_eq!(follows(&[registered()], &switch(false)), Ok(vec![switched(false)]));
    let off = [registered(), switched(false)];
    assert_eq!(forgotten(&off), (Some(2), Some(2)));
    assert_eq!(follows(&off, &switch(false)), Ok(vec![]));
    assert_eq!(follows(&off, &UserCommand::ClearReadingProfile), Ok(vec![]), "nothing is known");
    assert_eq!(follows(&off, &switch(true)), Ok(vec![switched(true)]));
    let on = [registered(), switched(false), switched(true)];
    assert_eq!(forgotten(&on), (None, Some(3)));
    assert_eq!(follows(&on, &UserCommand::ClearReadingProfile), Ok(vec![cleared()]));
    assert_eq!(forgotten(&[registered(), cleared()]), (None, Some(2)));
}

#[test]
fn of_the_erased_nothing_is_left_but_when() {
    let events = [registered(), roles_changed(&[Reader, Admin])];
    assert_eq!(follows(&events, &UserCommand::Erase), Ok(vec![erased()]));
    let user = given(&[&events[..], &[erased()]].concat()).expect("a user");
    assert_eq!((user.name, user.email), (None, None));
    assert_eq!((user.roles.len(), user.erased_at), (0, Some(Timestamp::from_millis(3))));
}

#[test]
fn the_erased_can_only_be_erased_again_which_changes_nothing() {
    for command in one_of_each() {
        let expected = match command {
            UserCommand::Erase => Ok(vec![]),
            UserCommand::Register { .. } => Err(UserError::Exists),
            UserCommand::ChangeProfile { .. }
            | UserCommand::ChangePassword
            | UserCommand::ChangeRoles { .. }
            | UserCommand::SwitchRecommendations { .. }
            | UserCommand::ClearReadingProfile => Err(UserError::NotFound),
        };
        assert_eq!(follows(&[registered(), erased()], &command), expected, "{command:?}");
    }
}

#[test]
fn an_event_of_a_user_needs_a_user_and_no_article() {
    let stamp = Stamp { id: user(1).0, version: Version::new(1), at: Timestamp::from_millis(1) };
    let (renamed, moved) = (renamed("Eve"), email_changed("eve@example.org"));
    for event in [renamed, moved, roles_changed(&[]), switched(false), cleared(), erased()] {
        assert!(<User as Aggregate>::evolve(None, event.into(), stamp).is_err());
    }
    let category = "sports".parse().expect("a category");
    let archived = events::news::ArticleArchived { category };
    let archived = DomainEvent::News(events::news::NewsEvent::Archived(archived));
    assert!(<User as Aggregate>::evolve(given(&[registered()]), archived, stamp).is_err());
}

fn authorized(given: Option<&User>, command: &UserCommand, caller: &Caller) -> &'static str {
    may(User::authorize(given, command, caller, Timestamp::from_millis(1000)))
}

fn callers() -> [(&'static str, Caller); 4] {
    [
        ("anyone", Caller::Anonymous),
        ("self", caller(1, &[Reader])),
        ("another reader", caller(2, &[Reader])),
        ("admin", caller(2, &[Reader, Admin])),
    ]
}

#[test]
fn who_may_change_a_user_is_what_the_table_says() {
    for events in [vec![registered()], vec![registered(), erased()]] {
        let user = given(&events);
        let head = ["command"].into_iter().chain(callers().map(|(name, _)| name));
        let mut computed: Table = vec![row(head)];
        for command in one_of_each() {
            let cells = callers().map(|(_, who)| authorized(user.as_ref(), &command, &who));
            computed.push(row([label(&command)].into_iter().chain(cells)));
        }
        assert_eq!(computed, table("Change a user"));
    }
}

#[test]
fn only_an_admin_is_told_that_there_is_no_such_user() {
    for command in one_of_each().into_iter().skip(1) {
        let cells = callers().map(|(_, who)| authorized(None, &command, &who));
        let admin = if is_private(&command) { "403" } else { "yes" };
        assert_eq!(cells, ["401", "403", "403", admin], "{command:?}");
    }
}

#[test]
fn authors_and_editors_have_no_say_over_other_users() {
    let user = given(&[registered()]);
    for command in one_of_each().into_iter().skip(1) {
        let desk = caller(2, &[Reader, Author, Editor]);
        assert_eq!(authorized(user.as_ref(), &command, &desk), "403", "{command:?}");
    }
}

#[test]
fn a_part_of_the_portal_may_do_everything() {
    for command in one_of_each() {
        let portal = Caller::Portal("migration");
        assert_eq!(authorized(given(&[registered()]).as_ref(), &command, &portal), "yes");
    }
}
