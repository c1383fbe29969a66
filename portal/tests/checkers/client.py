"""Generates a client from the portal's own document, and does a day's work with it.

Arguments: the address of the portal. Input: the access token of an admin.
"""

import importlib
import pathlib
import subprocess
import sys
import tempfile
import urllib.request

CONFIG = """
post_hooks: []
content_type_overrides:
  application/openmetrics-text; version=1.0.0; charset=utf-8: text/plain
  application/xml; charset=utf-8: text/plain
  application/rss+xml; charset=utf-8: text/plain
  application/atom+xml; charset=utf-8: text/plain
"""


def generate(url, folder):
    """The package `portal_client`; what it cannot express is an error."""
    document, config = folder / "openapi.json", folder / "config.yml"
    document.write_bytes(urllib.request.urlopen(f"{url}/openapi.json").read())
    config.write_text(CONFIG)
    generator = pathlib.Path(sys.executable).with_name("openapi-python-client")
    command = [generator, "generate", "--path", document, "--config", config, "--meta", "none"]
    command += ["--output-path", folder / "portal_client", "--fail-on-warning"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(folder))


def call(client, path, *arguments, status, **named):
    """Calls `portal_client.api.<path>`; what it answers, and its headers."""
    answer = importlib.import_module(f"portal_client.api.{path}").sync_detailed(
        *arguments, client=client, **named
    )
    assert answer.status_code == status, (path, answer.status_code, answer.content)
    return answer.parsed, answer.headers


def work(url, admin_token):
    package = importlib.import_module("portal_client")
    models = importlib.import_module("portal_client.models")
    anyone = package.Client(base_url=url)
    admin = package.AuthenticatedClient(base_url=url, token=admin_token)

    new = models.NewUser(name="Ada", email="ada@example.org", password="not a password")
    user, headers = call(anyone, "users.register", body=new, status=201)
    roles = models.Roles(roles=[models.Role("editor")])
    call(admin, "users.change_roles", user.id, body=roles, if_match=headers["etag"], status=200)
    sign_in = models.SignIn(email=new.email, password=new.password)
    session, _ = call(anyone, "sessions.sign_in", body=sign_in, status=201)
    editor = package.AuthenticatedClient(base_url=url, token=session.access_token)

    text = models.NewArticle(title="Bridge opens", content="On Tuesday.", tags=["bridge"])
    article, headers = call(
        editor, "newsroom.begin_article", "politics", body=text, idempotency_key="one", status=201
    )
    again, _ = call(
        editor, "newsroom.begin_article", "politics", body=text, idempotency_key="one", status=201
    )
    assert again == article
    place = ("politics", article.id)
    seen = {"portal_min_position": int(headers["portal-position"])}
    read, headers = call(anyone, "reading.get_article", *place, **seen, status=200)
    assert read == article, (read, article)

    corrected = models.NewText(title="Bridge opens", content="On Monday.")
    tag = headers["etag"]
    problem, _ = call(
        editor, "newsroom.change_article", *place, body=corrected, if_match=tag, status=422
    )
    assert [it.pointer for it in problem.errors] == ["/correction_note"], problem
    corrected.correction_note = "The day was wrong."
    problem, _ = call(
        editor, "newsroom.change_article", *place, body=corrected, if_match='"9"', status=412
    )
    assert problem.type_ == "/problems/version-conflict" and problem.current_version == 1, problem
    article, headers = call(
        editor, "newsroom.change_article", *place, body=corrected, if_match=tag, status=200
    )
    seen = {"portal_min_position": int(headers["portal-position"])}
    read, _ = call(anyone, "reading.get_article", *place, **seen, status=200)
    assert [it.note for it in read.corrections] == ["The day was wrong."], read
    page, _ = call(anyone, "reading.list_all_articles", q="bridge", **seen, status=200)
    assert [it.id for it in page.items] == [article.id], page
    ledger, _ = call(anyone, "reading.get_history", *place, **seen, status=200)
    assert [it.event for it in ledger] == ["article_published", "article_corrected"], ledger
    home, _ = call(anyone, "reading.get_home", **seen, status=200)
    assert article.id in {it.id for section in home.sections for it in section.articles}, home


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        generate(sys.argv[1], pathlib.Path(folder))
        work(sys.argv[1], sys.stdin.read().strip())
    print("ok")
