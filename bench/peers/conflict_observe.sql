-- ownership, every row in conflict, `observe`
\ir ownership.sql
UPDATE ownership.field SET policy = 'observe' WHERE entity = 't';
\set statement 'UPDATE t SET price = price + 1, title = title || \'.\''
