-- ownership, every row in conflict, `keep`
\ir ownership.sql
UPDATE ownership.field SET policy = 'keep' WHERE entity = 't';
\set statement 'UPDATE t SET price = price + 1, title = title || \'.\''
