-- Feeds tell what was taken back, the last first.

CREATE INDEX documents_retracted
    ON documents (view, generation, json_extract(body, '$.retraction.at') DESC, id DESC)
    WHERE json_extract(body, '$.retraction.at') IS NOT NULL;
