//! What goes wrong, at moments that look random and follow from a seed.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::fleet::{Fleet, SERVERS, SERVICES};
use crate::proxy::Wire;
use crate::support::newsroom::Random;

const SIGTERM: i32 = 15;

/// Faults of the shortest run, however slow the machine is.
const LEAST: usize = 6;

/// At a time, so that what heals one trouble meets another.
const MOST_AT_ONCE: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Service(&'static str),
    Server(&'static str),
    Wire(usize),
}

/// A fault that lasts.
struct Trouble {
    target: Target,
    until: Instant,
    heal: Heal,
}

#[derive(Clone, Copy)]
enum Heal {
    Start,
    StartAfterStop,
    Continue,
    Mend,
}

pub(crate) struct Faults {
    random: Random,
    troubles: Vec<Trouble>,
    pub(crate) count: usize,
    /// What must not happen: services that ended by themselves.
    pub(crate) wrong: Vec<String>,
}

impl Faults {
    pub(crate) fn new(random: Random) -> Self {
        Self { random, troubles: Vec::new(), count: 0, wrong: Vec::new() }
    }

    /// Makes trouble for so long, and until [`LEAST`] faults happened, and then heals everything.
    pub(crate) async fn happen(&mut self, fleet: &mut Fleet, duration: Duration) {
        let end = Instant::now() + duration;
        while Instant::now() < end || self.count < LEAST {
            self.heal(fleet, Instant::now());
            self.notice_who_ended(fleet);
            if self.troubles.len() < MOST_AT_ONCE {
                self.strike(fleet);
            }
            sleep(self.between(200, 1_500)).await;
        }
        self.heal(fleet, Instant::now() + Duration::from_secs(3_600));
        fleet.mend_wires();
        self.notice_who_ended(fleet);
    }

    fn between(&mut self, least_ms: usize, most_ms: usize) -> Duration {
        Duration::from_millis((least_ms + self.random.below(most_ms - least_ms)) as u64)
    }

    fn target(&mut self, fleet: &Fleet) -> Target {
        match self.random.below(10) {
            0..5 => Target::Service(SERVICES[self.random.below(SERVICES.len())]),
            5..7 => Target::Server(SERVERS[self.random.below(SERVERS.len())]),
            _ => Target::Wire(self.random.below(fleet.wires.len())),
        }
    }

    fn strike(&mut self, fleet: &mut Fleet) {
        let target = self.target(fleet);
        if self.troubles.iter().any(|trouble| trouble.target == target) {
            return;
        }
        let (what, longest, heal) = match target {
            Target::Service(name) => self.strike_service(fleet, name),
            Target::Server(name) => self.strike_server(fleet, name),
            Target::Wire(number) => self.strike_wire(fleet, number),
        };
        let lasts = self.between(50, longest);
        self.count += 1;
        let named = match target {
            Target::Service(name) | Target::Server(name) => name.to_owned(),
            Target::Wire(number) => format!("wire to {}", fleet.wires[number].0),
        };
        println!("{} {named}: {what}, {} ms", timestamp(), lasts.as_millis());
        self.troubles.push(Trouble { target, until: Instant::now() + lasts, heal });
    }

    fn strike_service(&mut self, fleet: &mut Fleet, name: &'static str) -> (String, usize, Heal) {
        match self.random.below(5) {
            0 => {
                fleet.portal.signal(name, "TERM");
                ("is asked to stop".to_owned(), 3_000, Heal::StartAfterStop)
            }
            1 | 2 => {
                fleet.portal.signal(name, "STOP");
                ("is paused".to_owned(), 9_000, Heal::Continue)
            }
            _ => {
                fleet.portal.kill(name);
                ("kill -9".to_owned(), 3_000, Heal::Start)
            }
        }
    }

    fn strike_server(&mut self, fleet: &Fleet, name: &'static str) -> (String, usize, Heal) {
        match (self.random.below(4), name) {
            (0 | 1, "postgres") => {
                fleet.servers.signal(name, "QUIT", false);
                fleet.servers.kill(name);
                ("immediate".to_owned(), 3_000, Heal::Start)
            }
            (0, _) => {
                fleet.servers.stop(name);
                ("is asked to stop".to_owned(), 3_000, Heal::Start)
            }
            // PostgreSQL's processes are no group; its wire can be as silent.
            (1, _) => {
                fleet.servers.signal(name, "STOP", true);
                ("is paused".to_owned(), 7_000, Heal::Continue)
            }
            _ => {
                fleet.servers.kill(name);
                ("kill -9".to_owned(), 3_000, Heal::Start)
            }
        }
    }

    fn strike_wire(&mut self, fleet: &Fleet, number: usize) -> (String, usize, Heal) {
        let wire = match self.random.below(6) {
            0 => Wire::Slow(self.between(5, 150)),
            1 => Wire::Silent,
            2 => Wire::Deaf,
            3 => Wire::Forgotten,
            _ => Wire::Broken,
        };
        let longest = if wire == Wire::Broken { 2_000 } else { 8_000 };
        fleet.wires[number].1.set(wire);
        (format!("{wire:?}"), longest, Heal::Mend)
    }

    fn heal(&mut self, fleet: &mut Fleet, now: Instant) {
        let (over, lasting) = std::mem::take(&mut self.troubles)
            .into_iter()
            .partition::<Vec<_>, _>(|trouble| trouble.until <= now);
        self.troubles = lasting;
        for Trouble { target, heal, .. } in over {
            match (target, heal) {
                (Target::Service(name), Heal::Start) => fleet.portal.begin_again(name),
                (Target::Service(name), Heal::StartAfterStop) => self.start_after_stop(fleet, name),
                (Target::Service(name), _) => fleet.portal.signal(name, "CONT"),
                (Target::Server(name), Heal::Start) => fleet.servers.start(name),
                (Target::Server(name), _) => fleet.servers.signal(name, "CONT", true),
                (Target::Wire(number), _) => fleet.wires[number].1.set(Wire::Passes),
            }
        }
    }

    fn start_after_stop(&mut self, fleet: &mut Fleet, name: &'static str) {
        let code = fleet.portal.exit_code(name);
        // By the signal itself ends who had only just been started and did not listen to it yet.
        let killed_by = fleet.portal.ended(name).and_then(|status| status.signal());
        if code != Some(0) && killed_by != Some(SIGTERM) {
            self.wrong.push(format!("{name} was asked to stop and ended with {code:?}"));
        }
        fleet.portal.begin_again(name);
    }

    fn notice_who_ended(&mut self, fleet: &mut Fleet) {
        for name in SERVICES {
            let is_down = |trouble: &Trouble| {
                trouble.target == Target::Service(name) && !matches!(trouble.heal, Heal::Continue)
            };
            if self.troubles.iter().any(is_down) {
                continue;
            }
            if let Some(status) = fleet.portal.ended(name) {
                self.wrong.push(format!("{} {name} ended by itself: {status}", timestamp()));
                fleet.portal.begin_again(name);
            }
        }
    }
}

pub(crate) fn timestamp() -> String {
    chrono::Utc::now().format("%H:%M:%S%.3f").to_string()
}
