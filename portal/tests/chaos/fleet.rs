//! Several of each service on servers of their own, with a wire that can be disturbed between any
//! two of them.

use std::net::SocketAddr;

use crate::proxy::{Proxy, Wire};
use crate::support::http::{Answer, Door};
use crate::support::stores::PrivateServers;
use crate::support::{Environment, Portal, Wiring, eventually};

pub(crate) const SERVERS: [&str; 3] = ["postgres", "rabbitmq", "mongodb"];
const STORES: [&str; 3] = ["PORTAL_EVENT_LOG", "PORTAL_BUS", "PORTAL_VIEW_STORE"];
pub(crate) const SERVICES: [&str; 10] = [
    "command-stack-1",
    "command-stack-2",
    "relay-1",
    "relay-2",
    "relay-3",
    "query-stack-1",
    "query-stack-2",
    "query-stack-3",
    "orchestrator-1",
    "orchestrator-2",
];
/// Those that the doors ask, over a wire each.
const BEHIND_THE_DOORS: [&str; 5] =
    ["command-stack-1", "command-stack-2", "query-stack-1", "query-stack-2", "query-stack-3"];
const DOORS: [&str; 2] = ["orchestrator-1", "orchestrator-2"];

pub(crate) struct Fleet {
    pub(crate) portal: Portal,
    pub(crate) servers: PrivateServers,
    /// To the servers, and to the services behind the doors; with the names of where they lead.
    pub(crate) wires: Vec<(&'static str, Proxy)>,
}

impl Fleet {
    pub(crate) async fn start() -> Self {
        let servers = PrivateServers::up(&SERVERS);
        let mut environment = servers.migrated_stores().await;
        let mut wires = Vec::new();
        for (name, variable) in SERVERS.into_iter().zip(STORES) {
            wires.push((name, behind_a_wire(&mut environment, variable).await));
        }
        let mut portal = Portal::not_started(Wiring::Servers, environment);
        let mut addresses = Vec::new();
        for name in BEHIND_THE_DOORS {
            let address = quiet_address();
            let wire = Proxy::to(address).await;
            addresses.push(wire.address);
            wires.push((name, wire));
            portal.begin(name, arguments(name, &[]), address.to_string());
        }
        for name in SERVICES.into_iter().filter(|name| !BEHIND_THE_DOORS.contains(name)) {
            portal.begin(name, arguments(name, &addresses), quiet_address().to_string());
        }
        let fleet = Self { portal, servers, wires };
        fleet.is_ready().await;
        fleet
    }

    /// The public doors, for an editor.
    pub(crate) fn doors(&self) -> Vec<Door> {
        let token = self.portal.tool(&["token", "--role", "editor", "--minutes", "1440"]);
        let client = reqwest::Client::builder().timeout(std::time::Duration::from_secs(15));
        let client = client.build().expect("a client");
        let door = |name| Door {
            client: client.clone(),
            url: self.portal.url(name, ""),
            token: Some(token.trim().to_owned()),
        };
        DOORS.into_iter().map(door).collect()
    }

    pub(crate) async fn is_ready(&self) {
        let client = reqwest::Client::new();
        for name in SERVICES {
            eventually(&format!("{name} to be ready"), async || {
                let request = client.get(self.portal.url(name, "/health/ready"));
                let health = Answer::try_of(request).await.ok()?;
                (health.body["status"] == "ready").then_some(())
            })
            .await;
        }
    }

    pub(crate) fn mend_wires(&self) {
        self.wires.iter().for_each(|(_, wire)| wire.set(Wire::Passes));
    }
}

fn arguments(name: &str, behind: &[SocketAddr]) -> Vec<String> {
    let url = |number: usize| format!("http://{}", behind[number]);
    let door = |command: usize, first: usize| {
        let (first, sports) = (url(first), url(4));
        let queries = format!("famous={first},politics={first},sports={sports}");
        vec![
            "orchestrator".to_owned(),
            format!("--command-url={}", url(command)),
            format!("--query-urls={queries}"),
        ]
    };
    match name {
        "query-stack-1" | "query-stack-2" => {
            vec!["query-stack".to_owned(), "--categories=famous,politics".to_owned()]
        }
        "query-stack-3" => vec!["query-stack".to_owned(), "--categories=sports".to_owned()],
        "orchestrator-1" => door(0, 2),
        "orchestrator-2" => door(1, 3),
        service => vec![service.rsplit_once('-').expect("a number").0.to_owned()],
    }
}

/// Puts a wire before the server that a setting names.
async fn behind_a_wire(environment: &mut Environment, variable: &str) -> Proxy {
    let url = environment[variable].clone();
    let (before, _) = url.rsplit_once('/').expect("scheme://host/path");
    let (_, server) = before.rsplit_once(['/', '@']).expect("scheme://host");
    let wire = Proxy::to(server.parse().expect("an address")).await;
    let url = url.replace(server, &wire.address.to_string());
    environment.insert(variable.to_owned(), url);
    wire
}

/// Below the range from which the kernel takes ports by itself: while a service is down, no client's
/// own end can be at its address.
fn quiet_address() -> SocketAddr {
    let port = || 20_000 + u16::try_from(uuid::Uuid::new_v4().as_u128() % 12_000).unwrap_or(0);
    let address = || SocketAddr::from(([127, 0, 0, 1], port()));
    std::iter::repeat_with(address)
        .find(|address| std::net::TcpListener::bind(address).is_ok())
        .expect("a free port")
}
