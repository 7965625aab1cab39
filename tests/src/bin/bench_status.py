# Fills a ledger with copies of the one release that was rolled: its row, its first and its last entry.
import sqlite3
import sys
import uuid

path, lanes, releases = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
ledger = sqlite3.connect(path, timeout=30)
fingerprint, ended = ledger.execute("SELECT fingerprint, ended_at FROM releases").fetchone()
entries = ledger.execute("SELECT n, record_version, epoch, entry FROM journal ORDER BY n").fetchall()
rows, journal = [], []
for n in range(releases):
    release = str(uuid.UUID(int=(0x0190F6F1 << 96) | (7 << 76) | (2 << 62) | n))
    rows.append((release, "staging", f"service-{n % lanes}", fingerprint, "succeeded", ended))
    journal += [(release, *entry) for entry in (entries[0], entries[-1])]
ledger.executemany(
    "INSERT INTO releases (id, environment, service, fingerprint, outcome, ended_at) VALUES (?, ?, ?, ?, ?, ?)", rows)
ledger.executemany(
    "INSERT INTO journal (release_id, n, record_version, epoch, entry) VALUES (?, ?, ?, ?, ?)", journal)
ledger.commit()
