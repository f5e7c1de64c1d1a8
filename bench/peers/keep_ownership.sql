-- ownership, policy `keep`
\ir ownership.sql
UPDATE ownership.field SET policy = 'keep' WHERE entity = 't';
