"""Looks for the holders of a public port in all parts of the session database."""

import sqlite3
from contextlib import closing
from pathlib import Path

from kun_nat64.drivers.session_database import parts_of, reader
from kun_nat64.formats.port_question import Answer, Question
from kun_nat64.formats.sessionrow import outside_key, record_of, who_query
from kun_nat64.model.audit import Record
from kun_nat64.policy.port_holders import holders


def search(folder: Path, question: Question) -> Answer:
    """From all parts: a session that still lives may have begun in any of them."""
    records: list[Record] = []
    unread = []
    keys = [outside_key(question.address, question.port, protocol) for protocol in question.protocols]
    moment = round(question.at * 1000)
    for place, path in reversed(parts_of(folder)):
        try:
            with closing(reader(path)) as db:
                query = who_query(db.execute("PRAGMA user_version").fetchone()[0])
                found = [row for key in keys for row in db.execute(query, (key, moment))]
            records += [record_of(row, place) for row in found]
        except (sqlite3.Error, ValueError, IndexError, TypeError) as error:
            unread.append(f"part {place}: {error}")
    return Answer(holders(records, question.at), tuple(unread))
