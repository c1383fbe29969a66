//! `portal import` of what others write: WordPress exports, RSS and Atom.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

use serde_json::Value;

use crate::support::{Portal, Wiring};

journeys! {
    by wiring;
    embedded {
        an_export_of_wordpress_goes_in_as_it_was_and_tells_what_did_not
        feeds_go_in_with_their_dates_and_names
        a_file_that_breaks_off_leaves_in_what_was_before
    }
}

/// A post as WordPress writes it; what a test does not change is usual.
struct Post {
    title: String,
    status: &'static str,
    kind: &'static str,
    date: &'static str,
    creator: &'static str,
    content: String,
    /// Everything else, as XML.
    more: String,
}

fn post(title: &str) -> Post {
    Post {
        title: title.to_owned(),
        status: "publish",
        kind: "post",
        date: "2009-03-14 08:30:00",
        creator: "ada",
        content: "<p>Text.</p>".to_owned(),
        more: label("category", "politics", "Politics"),
    }
}

fn label(domain: &str, slug: &str, name: &str) -> String {
    format!("<category domain='{domain}' nicename='{slug}'><![CDATA[{name}]]></category>")
}

impl Post {
    /// As WordPress does it: the end of a section within it is cut in two.
    fn xml(&self, number: usize) -> String {
        let Self { title, status, kind, date, creator, content, more } = self;
        let content = content.replace("]]>", "]]]]><![CDATA[>");
        format!(
            "<item><title><![CDATA[{title}]]></title><link>https://example.org/{number}</link>\
             <pubDate>Wed, 30 Nov -0001 00:00:00 +0000</pubDate>\
             <dc:creator><![CDATA[{creator}]]></dc:creator>\
             <guid isPermaLink='false'>https://example.org/?p={number}</guid><description/>\
             <content:encoded><![CDATA[{content}]]></content:encoded>\
             <excerpt:encoded><![CDATA[]]></excerpt:encoded><wp:post_id>{number}</wp:post_id>\
             <wp:post_date_gmt><![CDATA[{date}]]></wp:post_date_gmt>\
             <wp:status><![CDATA[{status}]]></wp:status>\
             <wp:post_type><![CDATA[{kind}]]></wp:post_type>\
             <wp:postmeta><wp:meta_key>title</wp:meta_key></wp:postmeta>\
             <wp:comment><wp:comment_content>Spam</wp:comment_content></wp:comment>{more}</item>\n"
        )
    }
}

const AUTHORS: &str = "<wp:author><wp:author_id>1</wp:author_id><wp:author_login>ada\
    </wp:author_login><wp:author_email>ada@example.org</wp:author_email>\
    <wp:author_display_name><![CDATA[Ada Reporter]]></wp:author_display_name></wp:author>";

fn wxr(scheme: &str, version: &str, items: &str) -> String {
    format!(
        "<?xml version='1.0' encoding='UTF-8' ?>\n<rss version='2.0' \
         xmlns:excerpt='{scheme}://wordpress.org/export/{version}/excerpt/' \
         xmlns:content='{scheme}://purl.org/rss/1.0/modules/content/' \
         xmlns:dc='{scheme}://purl.org/dc/elements/1.1/' \
         xmlns:wp='{scheme}://wordpress.org/export/{version}/'><channel><title>Site</title>\
         <wp:wxr_version>{version}</wp:wxr_version>{AUTHORS}<wp:category><wp:cat_name>x\
         </wp:cat_name></wp:category>{items}</channel></rss>"
    )
}

fn file(portal: &Portal, content: impl AsRef<[u8]>) -> PathBuf {
    // The name says nothing.
    let path = portal.data_file("import.dat");
    std::fs::write(&path, content).expect("a file");
    path
}

/// What an import printed on both, and whether it was content.
fn import(portal: &Portal, content: impl AsRef<[u8]>, options: &[&str]) -> (String, bool) {
    let path = file(portal, content);
    let arguments = [&["import", path.to_str().expect("a path")], options].concat();
    let output = portal.run(&arguments);
    let printed = [output.stdout, output.stderr].concat();
    (String::from_utf8_lossy(&printed).into_owned(), output.status.success())
}

/// The first event of each article, by its title.
fn begun(portal: &Portal) -> BTreeMap<String, Value> {
    let begun = |event: Value| {
        let title = event["data"]["title"].as_str()?.to_owned();
        Some((title, event))
    };
    portal.events().into_iter().rev().filter_map(begun).collect()
}

/// Usual ones, and one of each oddity.
fn oddities() -> Vec<Post> {
    let mut posts: Vec<_> = (0..200).map(|number| post(&format!("Post {number}"))).collect();
    let with = |title: &str, change: fn(&mut Post)| {
        let mut post = post(title);
        change(&mut post);
        post
    };
    posts.extend(["page", "attachment", "nav_menu_item", "revision", "wp_block"].map(|kind| {
        let mut other = post(kind);
        other.kind = kind;
        other
    }));
    posts.extend([
        with("Draft", |post| (post.status, post.date) = ("draft", "0000-00-00 00:00:00")),
        with("Pending", |post| post.status = "pending"),
        with("Private", |post| post.status = "private"),
        with("Locked", |post| {
            post.more += "<wp:post_password><![CDATA[secret]]></wp:post_password>";
        }),
        with("Planned", |post| (post.status, post.date) = ("future", "2999-01-02 03:04:05")),
        with("Missed", |post| post.status = "future"),
        with("Too early", |post| post.date = "2999-01-02 03:04:05"),
        with("Thrown away", |post| post.status = "trash"),
        with("Nothing yet", |post| post.status = "auto-draft"),
        with("Odd status", |post| post.status = "frozen"),
        with("Timeless", |post| post.date = "0000-00-00 00:00:00"),
        with("Odd time", |post| post.date = "yesterday"),
        with("", |_| {}),
        with(&"T".repeat(201), |_| {}),
        with("Too long", |post| post.content = "x".repeat(200_001)),
        with("Much too long", |post| post.content = "x".repeat(3 << 20)),
        with("Only a script", |post| post.content = "<script>alert(1)</script>".to_owned()),
        with("Nowhere", |post| post.more = label("category", "weather", "Weather")),
        with("Unsorted", |post| post.more = label("category", "uncategorized", "Uncategorized")),
        with("Mapped", |post| {
            post.more = label("category", "local", "Local &amp; near")
                + &label("category", "sports", "Sports")
                + &label("post_tag", "bridge", "Bridge")
                + &label("post_format", "post-format-aside", "Aside");
        }),
        with("Tom &amp; Jerry <em>again</em>", |post| {
            post.content = "<!-- wp:paragraph --><p onclick='x()'>a ]]> b &amp; c</p>\
                            <script>alert(1)</script><a href='javascript:x()'>no</a>"
                .to_owned();
        }),
        with("Classic", |post| {
            post.content = "One.\r\n\r\nTwo,\nand more.\n\n<h2>Three</h2>".to_owned();
        }),
        with("By nobody known", |post| post.creator = "eve"),
        with("By an address", |post| post.creator = "eve@example.org"),
        with("Entity", |post| post.more += "<pubDate>&bomb;</pubDate><link>&bomb;</link>"),
        with("Many tags", |post| {
            for number in 0..21 {
                post.more += &label("post_tag", "t", &format!("Tag {number}"));
            }
        }),
    ]);
    posts
}

const REFUSED: [(&str, &str); 13] = [
    ("Missed", "/publish_at: must be in the future"),
    ("Too early", "/published_at: must not be in the future"),
    ("Odd status", "its status is \"frozen\", which is not known"),
    ("Timeless", "it says that it is published, but not when"),
    ("Odd time", "\"yesterday\" is no time"),
    ("without a title", "/title: is empty: must be a string of 1 to 200 characters"),
    ("TTTTTTTT", "/title: is too long: must be a string of 1 to 200 characters"),
    ("Too long", "/content: is too long: must be a string of 1 to 200000 characters"),
    ("Much too long", "it is longer than 2097152 bytes"),
    ("Only a script", "/content: is empty: must be a string of 1 to 200000 characters"),
    ("Nowhere", "the category \"Weather\" is not configured: say --map or --category"),
    ("Unsorted", "it has no category: say --category"),
    ("Many tags", "/tags: has too many items: must be a list of at most 20"),
];

async fn an_export_of_wordpress_goes_in_as_it_was_and_tells_what_did_not(wiring: Wiring) {
    let portal = Portal::start(wiring).await;
    let posts = oddities();
    let mut items = String::new();
    for (number, post) in posts.iter().enumerate() {
        items += &post.xml(number + 1);
    }
    let export = wxr("http", "1.2", &items);
    let map = ["--map", "Local & near=sports"];
    let (text, good) = import(&portal, &export, &map);
    assert!(!good, "{text}");
    for (title, reason) in REFUSED {
        let found = text.lines().any(|line| {
            line.starts_with("item ")
                && line.contains(&format!("({title}"))
                && line.ends_with(reason)
        });
        assert!(found, "{title}: {reason}: {text}");
    }
    let skipped = text.lines().filter(|line| line.contains(": skipped: ")).count();
    assert_eq!(skipped, 7, "{text}");
    assert!(text.contains("item 201 (page): skipped: it is of the type \"page\", and not a post"));
    let too_long = "/title: is too long: must be a string of 1 to 200 characters";
    assert!(text.contains(&format!("  1 refused: {too_long}\n")), "{text}");
    assert!(text.contains("  1 skipped: it is in the trash\n"), "{text}");
    assert!(
        text.contains("231 items: 211 added, 0 already there, 13 refused, 7 skipped\n"),
        "{text}"
    );

    let begun = begun(&portal);
    assert_eq!(begun.len(), 211);
    let data = |title: &str| &begun[title]["data"];
    for title in ["Draft", "Pending", "Private", "Locked", "Planned"] {
        assert_eq!(begun[title]["type"], "news.article_drafted", "{title}");
    }
    assert_eq!(data("Post 7")["first_published_at"], "2009-03-14T08:30:00.000Z");
    assert!(begun["Post 7"]["time"].as_str().expect("a time") > "2026", "{}", begun["Post 7"]);
    assert_eq!(data("Post 7")["byline"], "Ada Reporter");
    assert_eq!(data("By nobody known")["byline"], "eve");
    assert_eq!(data("By an address")["byline"], Value::Null);
    assert_eq!(data("Mapped")["category"], "sports");
    assert_eq!(data("Mapped")["tags"], serde_json::json!(["Bridge", "Sports"]));
    let clean = data("Tom & Jerry again")["content"].as_str().expect("a text");
    assert_eq!(clean, "<p>a ]]&gt; b &amp; c</p><a rel=\"noopener noreferrer\">no</a>");
    let classic = data("Classic")["content"].as_str().expect("a text");
    assert_eq!(classic, "<p>One.</p>\n\n<p>Two,\nand more.</p>\n\n<h2>Three</h2>");

    // As readers have them: under the day of their first publication, and the plan as a plan.
    let (_, position) = portal.publish("politics", "News").await;
    let list = portal.get_at("/v1/news/politics?limit=100", position).await.body;
    assert_eq!(list["items"][0]["title"], "News");
    assert_eq!(list["items"][1]["published_at"], "2009-03-14T08:30:00.000Z");
    let planned = portal.editor().read("/v1/news/politics?status=scheduled", position).await.body;
    assert_eq!(planned["items"][0]["title"], "Planned", "{planned}");

    let (again, good) = import(&portal, &export, &map);
    assert!(!good, "{again}");
    assert!(
        again.contains("231 items: 0 added, 211 already there, 13 refused, 7 skipped\n"),
        "{again}"
    );
    portal.verifies().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_is_known_by_its_namespace_whatever_its_version_and_scheme() {
    let portal = Portal::not_started(Wiring::Embedded, crate::support::Environment::new());
    portal.tool(&["migrate"]);
    for (number, (scheme, version)) in
        [("http", "1.0"), ("https", "1.1"), ("https", "1.2")].into_iter().enumerate()
    {
        let mut page = post("Page");
        page.kind = "page";
        let items = post(version).xml(number) + &page.xml(9);
        let (text, good) = import(&portal, wxr(scheme, version, &items), &[]);
        assert!(good, "{text}");
        assert!(text.contains("2 items: 1 added, 0 already there, 0 refused, 1 skipped"), "{text}");
    }
    let (text, good) = import(&portal, wxr("http", "9.9", &post("New").xml(1)), &[]);
    assert!(!good && text.contains("wordpress.org/export/9.9"), "{text}");
    let (text, good) = import(&portal, "<html><body/></html>", &[]);
    assert!(!good && text.contains("the root is <html>"), "{text}");
    let (text, good) = import(&portal, b"PK\x03\x04...", &[]);
    assert!(!good && text.contains("unpack it first"), "{text}");
    let (text, good) = import(&portal, "", &["--category", "weather"]);
    assert!(!good && text.contains("weather is none of --categories"), "{text}");
}

const RSS: &str = "<?xml version='1.0' encoding='windows-1252'?>\n\
    <!DOCTYPE rss [<!ENTITY a 'aaaaaaaaaa'><!ENTITY bomb '&a;&a;&a;&a;&a;&a;&a;&a;'>]>\n\
    <rss version='2.0' xmlns:media='http://search.yahoo.com/mrss/'><channel><title>Feed</title>\n\
    <item><title>Caf\u{e9} &amp; bar</title><link>https://example.org/1</link>\
    <media:title>Not this</media:title><category>Sports</category><category>Food</category>\
    <author>eve@example.org (Eve Writer)</author><pubDate>Sat, 14 Mar 2009 09:30:00 +0100</pubDate>\
    <description>Good &lt;b&gt;coffee&lt;/b&gt;&nbsp;there.</description></item>\n\
    <item><title>Bomb</title><description>&bomb;</description></item>\n\
    <item><title>Undated & odd</title><guid>2</guid><description>Text.</description></item>\n\
    </channel></rss>";

const ATOM: &str = "<feed xmlns='http://www.w3.org/2005/Atom'><title>Feed</title>\
    <author><name>Not this</name></author>\
    <entry><id>urn:1</id><title>Plain &lt;3</title><author><name>Eve Writer</name>\
    <email>eve@example.org</email></author><category term='sports'/><category term='x' label='Ex'/>\
    <published>2009-03-14T08:30:00Z</published><updated>2011-01-01T00:00:00Z</updated>\
    <summary>Short.</summary><source><title>Not this</title></source>\
    <content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'><p>1 &lt; 2<br/></p></div>\
    </content></entry>\
    <entry><id>urn:2</id><title type='html'>Only &lt;i&gt;this&lt;/i&gt;</title>\
    <updated>2011-01-01T00:00:00Z</updated><content>a &lt;b&gt; c</content></entry></feed>";

async fn feeds_go_in_with_their_dates_and_names(wiring: Wiring) {
    let portal = Portal::start(wiring).await;
    let latin: Vec<u8> = RSS.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin")).collect();
    let (text, good) = import(&portal, latin, &["--category", "famous"]);
    assert!(!good, "{text}");
    assert!(text.contains("item 2 (Bomb): &bomb; stands for nothing\n"), "{text}");
    assert!(text.contains("3 items: 2 added, 0 already there, 1 refused, 0 skipped\n"), "{text}");
    let utf_16: Vec<u8> =
        format!("\u{feff}{ATOM}").encode_utf16().flat_map(u16::to_le_bytes).collect();
    let (text, good) = import(&portal, utf_16, &["--category", "famous"]);
    assert!(good && text.contains("2 items: 2 added"), "{text}");
    // The same feed another day, in another encoding.
    let (text, good) = import(&portal, ATOM, &["--category", "famous"]);
    assert!(good && text.contains("2 items: 0 added, 2 already there"), "{text}");
    let broken = RSS.replace("windows-1252", "utf-8").replace("https://example.org/1", "3");
    let broken: Vec<u8> =
        broken.chars().map(|c| u8::try_from(u32::from(c)).expect("Latin")).collect();
    let (text, _) = import(&portal, broken, &["--category", "famous"]);
    assert!(text.contains(": its encoding is broken\n") && text.contains("1 already"), "{text}");

    let begun = begun(&portal);
    let data = |title: &str| begun[title]["data"].clone();
    let cafe = data("Caf\u{e9} & bar");
    assert_eq!(cafe["content"], "<p>Good <b>coffee</b>&nbsp;there.</p>");
    assert_eq!((&cafe["category"], &cafe["tags"][0]), (&"sports".into(), &"Food".into()));
    assert_eq!(cafe["byline"], "Eve Writer");
    assert_eq!(cafe["first_published_at"], "2009-03-14T08:30:00.000Z");
    assert_eq!(data("Undated & odd")["first_published_at"], Value::Null);
    let plain = data("Plain <3");
    assert_eq!(plain["content"], "<div><p>1 &lt; 2<br></p></div>");
    assert_eq!((&plain["summary"], &plain["byline"]), (&"Short.".into(), &"Eve Writer".into()));
    assert_eq!((&plain["category"], &plain["tags"][0]), (&"sports".into(), &"Ex".into()));
    assert_eq!(plain["first_published_at"], "2009-03-14T08:30:00.000Z");
    assert_eq!(data("Only this")["content"], "<p>a &lt;b&gt; c</p>");
    portal.verifies().await;
}

async fn a_file_that_breaks_off_leaves_in_what_was_before(wiring: Wiring) {
    let portal = Portal::start(wiring).await;
    let items: String = (1..=3).map(|number| post(&format!("Post {number}")).xml(number)).collect();
    let whole = wxr("http", "1.2", &items);
    let cut = &whole[..whole.rfind("<wp:status>").expect("the last item")];
    let (text, good) = import(&portal, cut, &[]);
    assert!(!good && text.contains("2 items: 2 added"), "{text}");
    assert!(text.contains("import.dat: ") && text.contains("it ends in the middle"), "{text}");
    let nested = whole
        .replace("<p>Text.</p>]]></content:encoded>", "]]></content:encoded>")
        .replace("<description/>", &"<x>".repeat(600));
    let (text, good) = import(&portal, nested, &[]);
    assert!(!good && text.contains("elements within each other"), "{text}");
    let (text, good) = import(&portal, &whole, &[]);
    assert!(good && text.contains("3 items: 1 added, 2 already there"), "{text}");
    portal.verifies().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_megabytes_go_in_within_bounded_memory() {
    let portal = Portal::not_started(Wiring::Embedded, crate::support::Environment::new());
    portal.tool(&["migrate"]);
    let paragraph = "<p>Sentence of the text, and <b>another</b> one.</p>\n".repeat(2_000);
    let mut items = String::new();
    for number in 0..500 {
        let mut post = post(&format!("Post {number}"));
        post.content.clone_from(&paragraph);
        post.kind = if number % 25 == 0 { "post" } else { "page" };
        write!(items, "{}", post.xml(number)).expect("a text");
    }
    let path = file(&portal, wxr("http", "1.2", &items));
    assert!(std::fs::metadata(&path).expect("a file").len() > 50 << 20);
    let output = portal.run(&["import", path.to_str().expect("a path")]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let (_, peak) = told.rsplit_once("peak memory ").expect("the peak");
    let peak: u64 = peak.trim().trim_end_matches(" MiB").parse().expect("a number");
    assert!(peak < 100, "{told}");
    assert_eq!(begun(&portal).len(), 20);
}
