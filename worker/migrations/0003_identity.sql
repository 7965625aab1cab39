-- Which ledger this is: what a worker leaves in AWS names it, so that one with another ledger can tell.
CREATE TABLE identity (
    ledger TEXT NOT NULL
);
INSERT INTO identity (ledger) VALUES (lower(hex(randomblob(16))));
