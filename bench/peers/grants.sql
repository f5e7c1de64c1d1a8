-- column GRANTs
REVOKE ALL ON t FROM bench_erp, bench_pim;
GRANT SELECT, DELETE ON t TO bench_erp;
GRANT SELECT ON t TO bench_pim;
SELECT format('GRANT INSERT (%1$s), UPDATE (%1$s) ON t TO bench_%2$s',
	(SELECT string_agg(quote_ident(c), ', ') FROM unnest(columns_of('t', s)) c), s)
FROM (VALUES ('erp'), ('pim')) v (s) \gexec
