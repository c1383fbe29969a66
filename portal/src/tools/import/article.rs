//! What a file says of one article, whatever its format, and the command that follows.

use std::collections::HashSet;
use std::str::FromStr;

use command_stack::caller::Caller;
use command_stack::command_handler::Context;
use command_stack::event_log::CommandKey;
use command_stack::http::{NewArticle, NewStatus};
use command_stack::news::{Begin, NewsCommand};
use events::news::{Tag, Tags};
use events::text::UpTo;
use events::{Category, Metadata, Timestamp};
use proto::FieldError;
use proto::fields::{Errors, Fields, Wrong};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// A longer `source_id` is kept as its digest: it becomes a key in the log.
const LONGEST_ID: usize = 1_000;

/// An article as somebody else keeps it: within no limits yet.
#[derive(Debug, Default)]
pub(super) struct Source {
    pub(super) source_id: Option<String>,
    pub(super) categories: Vec<Label>,
    pub(super) title: String,
    pub(super) content: String,
    pub(super) summary: Option<String>,
    pub(super) tags: Option<Vec<String>>,
    pub(super) byline: Option<String>,
    pub(super) status: Option<NewStatus>,
    pub(super) publish_at: Option<Timestamp>,
    /// When readers first saw it there.
    pub(super) published_at: Option<Timestamp>,
    pub(super) embargo_until: Option<Timestamp>,
}

/// A category, as the source calls it.
#[derive(Debug, Clone, Default)]
pub(super) struct Label {
    pub(super) name: String,
    /// The name in an address, if it has another.
    pub(super) slug: Option<String>,
    /// What kind of label it is, where there are several.
    pub(super) domain: Option<String>,
}

impl Label {
    fn is(&self, wanted: &str) -> bool {
        let same = |name: &str| name.trim().to_lowercase() == wanted.trim().to_lowercase();
        same(&self.name) || self.slug.as_deref().is_some_and(same)
    }
}

/// Where articles go.
pub(super) struct Shelves {
    pub(super) configured: Vec<Category>,
    /// What the source's categories are here.
    pub(super) mapped: Vec<(String, Category)>,
    /// For articles of which no category is ours.
    pub(super) otherwise: Option<Category>,
}

impl Shelves {
    fn of(&self, label: &Label) -> Option<&Category> {
        let mapped = self.mapped.iter().find(|(name, _)| label.is(name)).map(|(_, to)| to);
        mapped.or_else(|| self.configured.iter().find(|known| label.is(known.as_str())))
    }

    /// The category of an article, and the labels that are left over.
    fn choose(&self, labels: Vec<Label>) -> Result<(Category, Vec<String>), String> {
        if let Some((at, category)) =
            labels.iter().enumerate().find_map(|(at, label)| Some((at, self.of(label)?.clone())))
        {
            let others = labels.into_iter().enumerate().filter(|(other, _)| *other != at);
            return Ok((category, others.map(|(_, label)| label.name).collect()));
        }
        let names: Vec<_> = labels.into_iter().map(|label| label.name).collect();
        match &self.otherwise {
            Some(category) => Ok((category.clone(), names)),
            None => Err(match &names[..] {
                [] => "it has no category: say --category".to_owned(),
                [name] => {
                    format!("the category {name:?} is not configured: say --map or --category")
                }
                _ => format!(
                    "none of the categories {names:?} is configured: say --map or --category"
                ),
            }),
        }
    }
}

impl Source {
    /// Under which this article is known again, by its id or else by its text, and a digest of what
    /// was sent. What the options of an import make of it is no part of that, and neither is the
    /// time of the first publication, which was not taken in once.
    pub(super) fn context(&self, batch: &str) -> Context {
        let mut digest = Sha256::new();
        let status = format!("{:?}", self.status.unwrap_or_default());
        let optional = |text: &'_ Option<String>| text.clone().unwrap_or_default();
        let (summary, byline) = (optional(&self.summary), optional(&self.byline));
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
        let plan = format!("{} {}", time(self.publish_at), time(self.embargo_until));
        // Lines without one were imported before there were plans.
        let plan = (plan != " ").then_some(&plan);
        let names: Vec<_> = self.categories.iter().map(|label| label.name.as_str()).collect();
        let categories = names.join(", ");
        let fixed = [&categories, &self.title, &self.content, &summary, &byline, &status];
        for part in fixed.into_iter().chain(self.tags.iter().flatten()).chain(plan) {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        }
        let fingerprint: [u8; 32] = digest.finalize().into();
        let id = match &self.source_id {
            Some(id) if id.len() <= LONGEST_ID && !id.contains('\0') => format!("import:{id}"),
            Some(id) => format!("import:sha256-of-id:{}", hex(&Sha256::digest(id))),
            None => format!("import:sha256:{}", hex(&fingerprint)),
        };
        let caller = Caller::Portal("import");
        let metadata = Metadata {
            actor: caller.actor(),
            correlation_id: batch.to_owned(),
            causation_id: Uuid::now_v7(),
            traceparent: None,
        };
        Context { caller, metadata, key: Some(CommandKey { id, fingerprint }) }
    }

    /// A line of JSON. Fields that we do not know are somebody else's and are passed over.
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, Wrong> {
        fields.ignore_others();
        let (source_id, category) = (fields.optional("source_id"), fields.optional("category"));
        let (title, content) = (fields.required("title"), fields.required("content"));
        let (summary, status) = (fields.optional("summary"), fields.optional("status"));
        let tags = fields.optional_list::<String, { usize::MAX }>("tags");
        let (byline, author) = (fields.optional("byline"), fields.optional("author"));
        let publish_at = fields.optional("publish_at");
        let published_at = fields.optional("published_at");
        let embargo_until = fields.optional("embargo_until");
        let category = category?.map(|name| Label { name, ..Label::default() });
        let author = author?;
        Ok(Self {
            source_id: source_id?,
            categories: category.into_iter().collect(),
            title: title?,
            content: content?,
            summary: summary?,
            tags: tags?.map(UpTo::into_vec),
            byline: byline?.or(author),
            status: status?,
            publish_at: publish_at?,
            published_at: published_at?,
            embargo_until: embargo_until?,
        })
    }

    /// The same within the limits of an article, with what is left of its categories as tags.
    fn article(self, others: Vec<String>) -> Result<NewArticle, Vec<FieldError>> {
        fn optional<T: FromStr>(text: Option<&String>) -> Result<Option<T>, T::Err> {
            text.map(|text| text.parse()).transpose()
        }
        let mut errors = Errors::default();
        let title = errors.check("/title", self.title.parse());
        let summary = errors.check("/summary", optional(self.summary.as_ref()));
        let content = errors.check("/content", self.content.parse());
        let byline = errors.check("/byline", optional(self.byline.as_ref()));
        let tags = with_others(self.tags.unwrap_or_default(), others);
        let tags = errors.list("/tags", tags, |tag: String| tag.parse());
        let (Ok(title), Ok(summary), Ok(content), Ok(byline), Ok(tags)) =
            (title, summary, content, byline, tags)
        else {
            return Err(errors.into_vec());
        };
        let Self { status, publish_at, embargo_until, .. } = self;
        let tags = Some(tags);
        Ok(NewArticle { title, content, summary, tags, byline, status, publish_at, embargo_until })
    }

    /// The command, or why there is none.
    pub(super) fn command(self, shelves: &Shelves) -> Result<NewsCommand, String> {
        let (category, others) = shelves.choose(self.categories.clone())?;
        let published_at = self.published_at;
        if published_at.is_some() && (self.publish_at.is_some() || self.embargo_until.is_some()) {
            return Err("/published_at: a plan or an embargo contradicts it".to_owned());
        }
        let article = self.article(others).map_err(|errors| described(&errors))?;
        let mut command = article.command(category, None).map_err(|error| described(&[error]))?;
        if let (NewsCommand::Begin { begin: begin @ Begin::Publish, .. }, Some(at)) =
            (&mut command, published_at)
        {
            *begin = Begin::PublishedElsewhere(at);
        }
        Ok(command)
    }
}

/// Every wrong field, for people.
pub(super) fn described(errors: &[FieldError]) -> String {
    let described = errors.iter().map(|FieldError { pointer, detail }| match pointer.as_str() {
        "" => detail.clone(),
        pointer => format!("{pointer}: {detail}"),
    });
    described.collect::<Vec<_>>().join("; ")
}

/// Categories that are none of ours are kept as tags, as long as there is room for them.
fn with_others(mut tags: Vec<String>, others: Vec<String>) -> Vec<String> {
    let mut known: HashSet<String> = tags.iter().map(|tag| tag.to_lowercase()).collect();
    for other in others {
        let fits = tags.len() < Tags::MOST && other.parse::<Tag>().is_ok();
        if fits && known.insert(other.to_lowercase()) {
            tags.push(other);
        }
    }
    tags
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
