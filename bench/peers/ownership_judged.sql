-- ownership, a foreign column named
\ir ownership.sql
\set statement 'UPDATE t SET price = price + 1, title = title'
