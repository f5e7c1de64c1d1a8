-- The first statement of a session, in ms. Variable: t, the table.
SELECT clock_timestamp() AS t0 \gset
UPDATE :t SET price = price + 1 WHERE id = 1;
SELECT 1000 * extract(epoch FROM clock_timestamp() - :'t0');
