# Loaders as they are, through a subscription: the ERP's database is loaded in each of
# the usual ways, and the hub's table, to which PIM and CRM contribute, follows.  And
# the way that only newer versions know, over SQL.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use Test::More;

my $pub = new_node('sources');
my $hub = new_node('hub', preload => 1, activity => 1, extra => "wal_retrieve_retry_interval = '50ms'\n");

sub erp { return sql($pub, 'erp', $_[0]) }
sub hub { return sql($hub, 'integration', $_[0]) }

sql($pub, 'postgres', 'CREATE DATABASE erp');
sql($hub, 'postgres', 'CREATE DATABASE integration; CREATE ROLE erp_app LOGIN; CREATE ROLE pim_app LOGIN; CREATE ROLE crm_app LOGIN');
erp(q{CREATE TABLE product (sku text PRIMARY KEY, price numeric, stock int); CREATE PUBLICATION erp FOR TABLE product;
	CREATE TABLE staging (sku text PRIMARY KEY, price numeric, stock int)});
hub(q{
	CREATE EXTENSION ownership;
	SELECT ownership.add_system('erp', 'erp', role => 'erp_app', subscription => 'erp_feed');
	SELECT ownership.add_system('pim', 'pim', role => 'pim_app'), ownership.add_system('crm', 'crm', role => 'crm_app');
	CREATE TABLE product (sku text PRIMARY KEY, price numeric, stock int, title text, note text);
	GRANT ALL ON product TO erp_app, pim_app, crm_app;
	SELECT ownership.assign('product', '{sku,price,stock}', 'erp', policy => 'keep');
	SELECT ownership.assign('product', '{title}', 'pim', policy => 'keep'), ownership.assign('product', '{note}', 'crm', policy => 'keep')});

# what PIM and CRM say comes first, and waits; the feed's first copy brings the rows
erp(q{INSERT INTO product SELECT 'P' || i, i, 0 FROM generate_series(1, 300) i});
psql_as($hub, 'integration', 'pim_app', q{INSERT INTO product (sku, title) SELECT 'P' || i, 't' || i FROM generate_series(1, 300) i});
psql_as($hub, 'integration', 'crm_app', q{INSERT INTO product (sku, note) SELECT 'P' || i, 'n' || i FROM generate_series(1, 300, 2) i});
my $conninfo = connstr($pub, 'erp');
hub("CREATE SUBSCRIPTION erp_feed CONNECTION '$conninfo' PUBLICATION erp");
wait_for($hub, 'integration', q{SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel});

sub caught_up
{
	my $lsn = erp('SELECT pg_current_wal_lsn()');
	wait_for($pub, 'erp', "SELECT confirmed_flush_lsn >= '$lsn' FROM pg_replication_slots WHERE slot_name = 'erp_feed'");
}

# rows, those of which each value is right, and rows of the ERP that are not the hub's
sub state
{
	caught_up();
	return hub(q{SELECT count(*), count(*) FILTER (WHERE title = 't' || substr(sku, 2)),
		count(*) FILTER (WHERE note = 'n' || substr(sku, 2)), sum(price), sum(stock) FROM product});
}

is(state(), '300|300|150|45150|0', 'the first copy brings rows for what waits');
hub('SELECT ownership.flush()');
is(hub(q{SELECT string_agg(system || ' ' || column_name, ',' ORDER BY system, column_name COLLATE "C") FROM ownership.activity WHERE writes > 0}),
	'crm note,erp price,erp sku,erp stock,pim title', 'what lands is a write of the system whose value it is');

# a load replaces the price of all products; the first 10 go, and the next load brings them back
my $n = 0;
sub stage
{
	my ($from) = @_;
	$n++;
	erp("TRUNCATE staging; INSERT INTO staging SELECT 'P' || i, i, $n FROM generate_series($from, 300) i");
}

my @loads = (
	[ 'delete all, insert', 'DELETE FROM product', 'INSERT INTO product SELECT * FROM staging' ],
	[ 'truncate, copy', 'TRUNCATE product', "COPY staging TO '/tmp/ownership_loaders_$$'", "COPY product FROM '/tmp/ownership_loaders_$$'" ],
	[ 'merge', q{MERGE INTO product p USING staging s ON s.sku = p.sku WHEN MATCHED THEN UPDATE SET price = s.price, stock = s.stock
		WHEN NOT MATCHED THEN INSERT VALUES (s.sku, s.price, s.stock)}, 'DELETE FROM product p WHERE NOT EXISTS (SELECT FROM staging s WHERE s.sku = p.sku)' ],
	[ 'upserts', 'INSERT INTO product SELECT * FROM staging ON CONFLICT (sku) DO UPDATE SET price = excluded.price, stock = excluded.stock',
		'DELETE FROM product p WHERE NOT EXISTS (SELECT FROM staging s WHERE s.sku = p.sku)' ]);
foreach my $remember ('NULL', q('0'))
{
	hub("UPDATE ownership.mirrored_table SET remember = $remember WHERE table_name = 'product'");
	foreach my $load (@loads)
	{
		my ($name, @statements) = @$load;
		my $kept = $remember eq 'NULL';

		stage(1);
		erp(join('; ', 'BEGIN', @statements, 'COMMIT'));
		is(state(), '300|300|150|45150|' . 300 * $n, "$name, in one transaction, remember $remember");
		# apart, the values survive only where they are remembered, or the rows stay
		next if !$kept && $name =~ /delete all|truncate/;
		stage($kept ? 11 : 1);
		erp(join(";\n", @statements));
		is(state(), $kept ? '290|290|145|45095|' . 290 * $n : '300|300|150|45150|' . 300 * $n, "$name, in several transactions, remember $remember");
		next if !$kept;
		is(hub('SELECT count(*), count(DISTINCT row_key) FROM ownership.waiting'), '15|10', 'what went waits');
		stage(1);
		erp(join(";\n", @statements));
		is(state(), '300|300|150|45150|' . 300 * $n, "and comes back");
		is(hub('SELECT count(*) FROM ownership.waiting'), '0', 'nothing waits');
	}
}
unlink "/tmp/ownership_loaders_$$";
hub("UPDATE ownership.mirrored_table SET remember = NULL WHERE table_name = 'product'");

# a publication without truncate: the rows that come again meet those that are there
erp(q{ALTER PUBLICATION erp SET (publish = 'insert, update, delete')});
stage(1);
erp('TRUNCATE product; INSERT INTO product SELECT * FROM staging');
is(state(), '300|300|150|45150|' . 300 * $n, 'truncate is not published: the rows meet those that are there');
is(hub(q{SELECT count(*) FROM ownership.conflict WHERE outcome NOT IN ('parked', 'remembered')}), '0', 'nothing was refused');
is(hub(q{SELECT apply_error_count + sync_error_count FROM pg_stat_subscription_stats}), '0', 'no stream stopped');

# over SQL, MERGE that finds rows without a source
SKIP:
{
	skip 'MERGE with NOT MATCHED BY SOURCE needs PostgreSQL 17', 2 if $hub->pg_version < 17;
	hub('DROP SUBSCRIPTION erp_feed');
	my $merge = q{MERGE INTO product p USING (SELECT 'P' || i AS sku, i AS price FROM generate_series(%d, 300) i) s ON s.sku = p.sku
		WHEN MATCHED THEN UPDATE SET price = s.price WHEN NOT MATCHED THEN INSERT (sku, price, stock) VALUES (s.sku, s.price, 1)
		WHEN NOT MATCHED BY SOURCE THEN DELETE};
	psql_as($hub, 'integration', 'erp_app', sprintf($merge, 11));
	is(hub('SELECT count(*), count(DISTINCT row_key) FROM ownership.waiting'), '15|10', 'MERGE deletes rows without a source: their values wait');
	psql_as($hub, 'integration', 'erp_app', sprintf($merge, 1));
	is(hub(q{SELECT count(*), count(title), count(note) FROM product}), '300|300|150', 'and come back');
}

done_testing();
