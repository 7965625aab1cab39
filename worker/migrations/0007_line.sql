-- Who goes first in a lane: what has begun, then emergencies, then in the order of acceptance.
ALTER TABLE releases ADD COLUMN emergency INTEGER NOT NULL DEFAULT 0;
ALTER TABLE releases ADD COLUMN begun INTEGER NOT NULL DEFAULT 0;
UPDATE releases SET
    emergency = EXISTS (SELECT 1 FROM journal WHERE release_id = releases.id AND n = 1
        AND CASE WHEN json_valid(entry) THEN json_extract(entry, '$.record.request.emergency') END IS NOT NULL),
    begun = EXISTS (SELECT 1 FROM journal WHERE release_id = releases.id
        AND CASE WHEN json_valid(entry) THEN json_extract(entry, '$.record.record') END = 'started')
WHERE outcome IS NULL;

-- A trigger, because a worker of the version before may still write to this ledger, and knows nothing of these columns.
CREATE TRIGGER line_of_journal AFTER INSERT ON journal WHEN json_valid(NEW.entry) BEGIN
    UPDATE releases SET begun = 1
        WHERE id = NEW.release_id AND json_extract(NEW.entry, '$.record.record') = 'started';
    UPDATE releases SET emergency = 1
        WHERE id = NEW.release_id AND NEW.n = 1 AND json_extract(NEW.entry, '$.record.request.emergency') IS NOT NULL;
END;
