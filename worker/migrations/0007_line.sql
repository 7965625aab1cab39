-- Who goes first in a lane: what has begun, then emergencies, then in the order of acceptance.
ALTER TABLE releases ADD COLUMN emergency INTEGER NOT NULL DEFAULT 0;
ALTER TABLE releases ADD COLUMN begun INTEGER NOT NULL DEFAULT 0;
UPDATE releases SET
    emergency = EXISTS (SELECT 1 FROM journal WHERE release_id = releases.id AND n = 1
        AND json_extract(entry, '$.record.request.emergency') IS NOT NULL),
    begun = EXISTS (SELECT 1 FROM journal WHERE release_id = releases.id AND json_extract(entry, '$.record.record') = 'started')
WHERE outcome IS NULL;
