-- The newsroom lists by status: a few drafts among many published articles.

CREATE INDEX documents_by_status
    ON documents (view, generation, json_extract(body, '$.status'), listed_at DESC, id DESC)
    WHERE listed_at IS NOT NULL;
