//! The types of events and what each of them means: one table with a row for each type and a column
//! for each question.
//!
//! Invariant: code that decides by the type of an event asks this table, or matches on
//! [`EventKind`] without a wildcard arm. So a new type does not compile until every question is
//! answered for it. The names on the wire are written here and nowhere else.

/// What an event does to what readers see of the subject of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Visibility {
    /// Whether readers see the subject stays as it is.
    Unchanged,
    /// Readers may see the subject from here on.
    Shown,
    /// The views of the event's partition no longer show the subject; pages of earlier times may.
    Hidden,
    /// Nothing shows the subject any more, pages of earlier times included.
    Retracted,
}

/// What the public may learn of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// Nothing: the event stays inside the portal.
    Internal,
    /// That it happened to an article. Only a published article can have such an event.
    Article,
    /// That it happened to an article, if the event itself says that the article is published.
    PublishedArticle,
    /// That the front page changed.
    FrontPage,
}

/// What an event says about the password and the key of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrets {
    /// Both stay as they are.
    Kept,
    /// The user has another password from here on.
    NewPassword,
    /// Both are destroyed: nobody can read any more what was sealed for the user.
    Destroyed,
}

/// The answers for one type: a row of the table.
struct Meaning {
    name: &'static str,
    newest_schema: u16,
    visibility: Visibility,
    audience: Audience,
    secrets: Secrets,
}

/// Declares [`EventKind`] from the table, so that no row can be left out of `ALL`.
macro_rules! event_kinds {
    ($(
        $kind:ident: $name:literal, $schema:literal, $visibility:ident, $audience:ident,
        $secrets:ident;
    )+) => {
        /// The type of an event that this program knows.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum EventKind {
            $(#[doc = concat!("`", $name, "`")] $kind,)+
        }

        impl EventKind {
            /// Every kind once.
            pub const ALL: &[Self] = &[$(Self::$kind,)+];

            const fn meaning(self) -> Meaning {
                match self {
                    $(Self::$kind => Meaning {
                        name: $name,
                        newest_schema: $schema,
                        visibility: Visibility::$visibility,
                        audience: Audience::$audience,
                        secrets: Secrets::$secrets,
                    },)+
                }
            }
        }
    };
}

// The number is the newest schema version.
event_kinds! {
    // Kind                      Name on the wire                 #  Visibility Audience          Secrets
    ArticleDrafted:              "news.article_drafted",          2, Unchanged, Internal,         Kept;
    ArticleRevised:              "news.article_revised",          2, Unchanged, Internal,         Kept;
    ArticleScheduled:            "news.article_scheduled",        1, Unchanged, Internal,         Kept;
    ArticleUnscheduled:          "news.article_unscheduled",      1, Unchanged, Internal,         Kept;
    ArticleEmbargoed:            "news.article_embargoed",        1, Unchanged, Internal,         Kept;
    ArticlePublished:            "news.article_published",        4, Shown,     Article,          Kept;
    ArticleCorrected:            "news.article_corrected",        2, Unchanged, Article,          Kept;
    ArticleRetracted:            "news.article_retracted",        1, Retracted, Article,          Kept;
    ArticleArchived:             "news.article_archived",         1, Hidden,    Internal,         Kept;
    ArticleMovedOut:             "news.article_moved_out",        1, Hidden,    Internal,         Kept;
    ArticleMovedIn:              "news.article_moved_in",         1, Shown,     PublishedArticle, Kept;
    UserRegistered:              "user.registered",               2, Shown,     Internal,         NewPassword;
    UserRenamed:                 "user.renamed",                  2, Unchanged, Internal,         Kept;
    UserEmailChanged:            "user.email_changed",            1, Unchanged, Internal,         Kept;
    UserPasswordChanged:         "user.password_changed",         1, Unchanged, Internal,         NewPassword;
    UserRolesChanged:            "user.roles_changed",            1, Unchanged, Internal,         Kept;
    UserRecommendationsSwitched: "user.recommendations_switched", 1, Unchanged, Internal,         Kept;
    UserReadingProfileCleared:   "user.reading_profile_cleared",  1, Unchanged, Internal,         Kept;
    UserErased:                  "user.erased",                   1, Retracted, Internal,         Destroyed;
    FrontPinned:                 "front.pinned",                  1, Shown,     FrontPage,        Kept;
    FrontBreakingSet:            "front.breaking_set",            1, Shown,     FrontPage,        Kept;
    FrontBreakingCleared:        "front.breaking_cleared",        1, Hidden,    FrontPage,        Kept;
}

impl EventKind {
    /// The kind with this name on the wire; `None`: only a newer program knows it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// The name on the wire, such as `news.article_published`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.meaning().name
    }

    /// The schema version in which events of this kind are written today.
    #[must_use]
    pub const fn newest_schema(self) -> u16 {
        self.meaning().newest_schema
    }

    /// What the event does to what readers see.
    #[must_use]
    pub const fn visibility(self) -> Visibility {
        self.meaning().visibility
    }

    /// Whether readers must not see any more what the views of this partition show. The kind alone
    /// says so, because the event itself may be unreadable.
    #[must_use]
    pub const fn withdraws(self) -> bool {
        match self.visibility() {
            Visibility::Unchanged | Visibility::Shown => false,
            Visibility::Hidden | Visibility::Retracted => true,
        }
    }

    /// What the public may learn of the event.
    #[must_use]
    pub const fn audience(self) -> Audience {
        self.meaning().audience
    }

    /// What the event says about the password and the key of a user.
    #[must_use]
    pub const fn secrets(self) -> Secrets {
        self.meaning().secrets
    }
}

#[cfg(test)]
mod tests;
