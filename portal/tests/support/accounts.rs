//! People with accounts: what they do before they do anything else.

use reqwest::Method;
use serde_json::json;

use super::Portal;
use super::http::{Answer, Door};

/// Somebody who is signed in.
pub struct Account {
    pub id: String,
    /// `/v1/users/<id>`
    pub path: String,
    pub email: String,
    pub password: String,
    pub door: Door,
    pub refresh_token: String,
}

impl Portal {
    /// Somebody registers and signs in.
    pub async fn register(&self, name: &str, email: &str) -> Account {
        let password = format!("{email} is not a password");
        let body = json!({"name": name, "email": email, "password": password});
        let registered = self.door().post("/v1/users", body).await;
        assert_eq!(registered.status, 201, "{}", registered.body);
        let mut account = Account {
            id: registered.body["id"].as_str().expect("an id").to_owned(),
            path: registered.header("location").to_owned(),
            email: email.to_owned(),
            password,
            door: self.door(),
            refresh_token: String::new(),
        };
        let session = account.signs_in().await;
        assert_eq!(session.status, 201, "{}", session.body);
        account.takes(&session);
        account
    }

    /// Somebody registers, an admin gives a role, and the tokens are refreshed to have it.
    pub async fn register_as(&self, role: &str, name: &str, email: &str) -> Account {
        let mut account = self.register(name, email).await;
        let roles = format!("{}/roles", account.path);
        let body = json!({"roles": [role]});
        let given = self.with_role("admin").change(Method::PUT, &roles, 1, body).await;
        assert_eq!(given.status, 200, "{}", given.body);
        let refreshed = account.refreshes().await;
        assert_eq!(refreshed.status, 200, "{}", refreshed.body);
        account.takes(&refreshed);
        account
    }
}

impl Account {
    /// Tries to sign in with what it believes to be right.
    pub async fn signs_in(&self) -> Answer {
        let body = json!({"email": self.email, "password": self.password});
        Door { token: None, ..self.door.clone() }.post("/v1/sessions", body).await
    }

    /// Uses the refresh token up.
    pub async fn refreshes(&self) -> Answer {
        refresh(&self.door, &self.refresh_token).await
    }

    /// Goes on with the tokens of a new session.
    pub fn takes(&mut self, session: &Answer) {
        let token = |name: &str| session.body[name].as_str().expect("a token").to_owned();
        self.door.token = Some(token("access_token"));
        self.refresh_token = token("refresh_token");
    }
}

/// Anybody may try a refresh token.
pub async fn refresh(door: &Door, token: &str) -> Answer {
    let door = Door { token: None, ..door.clone() };
    door.post("/v1/sessions/refresh", json!({"refresh_token": token})).await
}
