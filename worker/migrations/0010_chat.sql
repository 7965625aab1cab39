-- Chat remembers its posts itself: `drawgate-worker notify` needs no ledger.
DROP TABLE chat_posts;
