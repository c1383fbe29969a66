-- Full text: by which words an article is found. Only listed documents of views that are searched are
-- here.

CREATE TABLE searchable (
    number     INTEGER NOT NULL PRIMARY KEY, -- the rowid in words
    view       TEXT    NOT NULL,
    generation INTEGER NOT NULL,
    id         TEXT    NOT NULL,
    UNIQUE (view, generation, id)
) STRICT;

-- Each word once per field, as query-stack's `Searchable` makes them: without case and diacritics, so
-- that nothing is left for the tokenizer but to take them apart at the spaces. The texts are not kept
-- a second time.
CREATE VIRTUAL TABLE words USING fts5(
    title, summary, content,
    content = '', contentless_delete = 1, detail = column, tokenize = 'ascii'
);
