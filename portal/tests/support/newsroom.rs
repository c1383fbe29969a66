//! Clients that write at the same time, repeat what was not answered, and remember what was
//! acknowledged: what they remember a portal must never lose, and readers must never miss.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Patience;
use super::http::{Answer, Door};

/// Numbers that look random and follow from a seed (SplitMix64).
#[derive(Clone)]
pub struct Random(pub u64);

impl Random {
    /// The seed is printed, for whoever reads of a failure, and can be given.
    pub fn seeded() -> Self {
        let given = std::env::var("PORTAL_TEST_SEED").ok();
        let seed = given.map(|seed| seed.parse().expect("PORTAL_TEST_SEED is a number"));
        let seed = seed.unwrap_or_else(|| uuid::Uuid::now_v7().as_u64_pair().1);
        println!("PORTAL_TEST_SEED={seed}");
        Self(seed)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % bound as u64).expect("below a usize")
    }
}

/// An article as its author was told that it is.
#[derive(Debug, Clone)]
pub struct Article {
    pub path: String,
    /// Of every version, from the first.
    pub titles: Vec<String>,
    pub retracted: bool,
    /// Of the last acknowledged command, unless only its effect was seen.
    pub position: Option<i64>,
}

impl Article {
    pub fn id(&self) -> &str {
        self.path.rsplit('/').next().expect("an id")
    }

    pub fn versions(&self) -> usize {
        self.titles.len() + usize::from(self.retracted)
    }

    /// What readers get, once they get something: a service may be down, or a view behind.
    pub async fn read_at(&self, door: &Door, position: i64) -> Answer {
        let patience = Patience::new("an article that can be read");
        loop {
            match Answer::try_of(door.get_at(&self.path, position)).await {
                Ok(answer) if answer.status != 503 => return answer,
                _ => patience.pause().await,
            }
        }
    }

    /// Asserts that readers got this version or, since others go on writing, a newer one.
    pub fn is_answered_by(&self, answer: &Answer) {
        let what = format!("{self:?} as {} {}", answer.status, answer.body);
        if answer.status == 410 {
            assert_eq!(answer.body["type"], "/problems/retracted", "{what}");
            return;
        }
        assert!(answer.status == 200 && !self.retracted, "{what}");
        let version = answer.body["version"].as_u64().expect("a version");
        assert!(version >= self.versions() as u64, "an older version than seen: {what}");
        if version == self.versions() as u64 {
            assert_eq!(answer.body["title"].as_str(), self.titles.last().map(String::as_str));
        }
    }
}

/// Clients of one portal, and what they have been told.
pub struct Newsroom {
    door: Door,
    limit: AtomicUsize,
    begun: AtomicUsize,
    acknowledged: watch::Sender<usize>,
    articles: Mutex<Vec<Article>>,
}

impl Newsroom {
    /// A newsroom that gives this many commands and no more.
    pub fn new(door: Door, limit: usize) -> Arc<Self> {
        Arc::new(Self {
            door,
            limit: AtomicUsize::new(limit),
            begun: AtomicUsize::new(0),
            acknowledged: watch::channel(0).0,
            articles: Mutex::default(),
        })
    }

    /// No command is begun after this.
    pub fn close(&self) {
        self.limit.store(0, Ordering::SeqCst);
    }

    pub fn is_open(&self) -> bool {
        self.limit.load(Ordering::SeqCst) > 0
    }

    /// How many commands have been acknowledged.
    pub fn acknowledged(&self) -> watch::Receiver<usize> {
        self.acknowledged.subscribe()
    }

    pub fn articles(&self) -> MutexGuard<'_, Vec<Article>> {
        self.articles.lock().expect("no client has panicked")
    }

    /// Clients at work, each with a place in the list of articles that nobody else writes.
    pub fn work(self: &Arc<Self>, clients: usize, random: &Random) -> JoinSet<()> {
        let client = |number| {
            let random = Random(random.0.wrapping_add(number as u64));
            let (newsroom, own) = (Arc::clone(self), Vec::new());
            Client { newsroom, name: format!("client {number}"), random, own, commands: 0 }
        };
        (0..clients).map(|number| client(number).work()).collect()
    }
}

struct Client {
    newsroom: Arc<Newsroom>,
    name: String,
    random: Random,
    /// Where its articles are in the list.
    own: Vec<usize>,
    commands: usize,
}

impl Client {
    async fn work(mut self) {
        let newsroom = Arc::clone(&self.newsroom);
        while newsroom.begun.fetch_add(1, Ordering::SeqCst) < newsroom.limit.load(Ordering::SeqCst)
        {
            self.commands += 1;
            let at = match (self.random.below(100), self.any_own_article()) {
                (60..95, Some((at, article))) => self.correct(at, article).await,
                (95.., Some((at, article))) => self.retract(at, article).await,
                _ => self.publish().await,
            };
            newsroom.acknowledged.send_modify(|count| *count += 1);
            if self.random.below(8) == 0 {
                self.reads_what_it_wrote(at).await;
            }
        }
    }

    fn any_own_article(&mut self) -> Option<(usize, Article)> {
        let count = self.own.len().max(1);
        let at = *self.own.get(self.random.below(count))?;
        let article = self.newsroom.articles()[at].clone();
        (!article.retracted).then_some((at, article))
    }

    fn new_title(&self) -> String {
        format!("{}, command {}", self.name, self.commands)
    }

    fn post(&self, path: &str, body: &Value) -> RequestBuilder {
        let request = self.newsroom.door.request(Method::POST, path).json(body);
        request.header("idempotency-key", self.new_title())
    }

    async fn publish(&mut self) -> usize {
        let category = ["famous", "politics", "sports"][self.random.below(3)];
        let (title, path) = (self.new_title(), format!("/v1/news/{category}"));
        let body = json!({"title": title, "content": "Text."});
        let (answer, _) = self.answered(|| self.post(&path, &body)).await;
        assert_eq!((answer.status, &answer.body["title"]), (201, &json!(title)), "{answer:?}");
        let (path, position) = (answer.header("location").to_owned(), Some(answer.position()));
        let mut articles = self.newsroom.articles();
        articles.push(Article { path, titles: vec![title], retracted: false, position });
        self.own.push(articles.len() - 1);
        articles.len() - 1
    }

    /// A correction has no key: who repeats it sees by the version that it was carried out.
    async fn correct(&self, at: usize, mut article: Article) -> usize {
        let (title, version) = (self.new_title(), article.versions());
        let body = json!({"title": title, "content": "Text.", "correction_note": "Why."});
        let put = || {
            let request = self.newsroom.door.request(Method::PUT, &article.path).json(&body);
            request.header("if-match", format!("\"{version}\""))
        };
        let (answer, repeated) = self.answered(put).await;
        let done_before = repeated
            && answer.status == 412
            && answer.body["current_version"].as_u64() == Some(version as u64 + 1);
        if !done_before {
            assert_eq!((answer.status, &answer.body["title"]), (200, &json!(title)), "{answer:?}");
        }
        article.position = (!done_before).then(|| answer.position());
        article.titles.push(title);
        self.newsroom.articles()[at] = article;
        at
    }

    async fn retract(&self, at: usize, mut article: Article) -> usize {
        let path = format!("{}/retract", article.path);
        let version = format!("\"{}\"", article.versions());
        let body = json!({"reason": "Untrue."});
        let post = || self.post(&path, &body).header("if-match", &version);
        let (answer, _) = self.answered(post).await;
        assert_eq!((answer.status, &answer.body["status"]), (200, &json!("retracted")));
        (article.retracted, article.position) = (true, Some(answer.position()));
        self.newsroom.articles()[at] = article;
        at
    }

    /// The first answer that says what became of a command, and whether it was sent repeatedly.
    async fn answered(&self, request: impl Fn() -> RequestBuilder) -> (Answer, bool) {
        let patience = Patience::new("the answer to a command");
        let mut repeated = false;
        loop {
            match Answer::try_of(request()).await {
                Ok(answer) if answer.says_what_became_of_it() => return (answer, repeated),
                _ => patience.pause().await,
            }
            repeated = true;
        }
    }

    async fn reads_what_it_wrote(&self, at: usize) {
        let article = self.newsroom.articles()[at].clone();
        let Some(position) = article.position else { return };
        article.is_answered_by(&article.read_at(&self.newsroom.door, position).await);
    }
}
