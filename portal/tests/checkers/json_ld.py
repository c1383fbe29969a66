"""Finds the JSON-LD of a page as a search engine does, reads it as a graph, and prints what it says."""

import json
import sys

import extruct
from rdflib import Graph

document = sys.stdin.read()
page = f'<html><head><script type="application/ld+json">{document}</script></head></html>'
(found,) = extruct.extract(page, syntaxes=["json-ld"])["json-ld"]
assert found.pop("@context") == "https://schema.org"
# What is behind that address also says which values are dates and links: here only the names count.
graph = Graph().parse(data=json.dumps(found | {"@context": {"@vocab": "https://schema.org/"}}), format="json-ld")
query = """
    PREFIX schema: <https://schema.org/>
    SELECT ?article ?headline ?body ?published ?name ?note ?at WHERE {
        ?article a schema:NewsArticle ; schema:headline ?headline ; schema:articleBody ?body ;
            schema:publisher [ schema:name ?name ] .
        OPTIONAL { ?article schema:datePublished ?published }
        OPTIONAL { ?article schema:correction [
            a schema:CorrectionComment ; schema:text ?note ; schema:datePublished ?at ] }
    } ORDER BY ?at
"""
rows = [{str(name): str(value) for name, value in row.asdict().items()} for row in graph.query(query)]
print(json.dumps(rows))
