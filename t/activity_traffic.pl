# Who reads and writes what, as ownership.activity tells it: what counts as a
# read, as a write and as a conflict, over SQL and in replication.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('hub', preload => 1, activity => 1,
	extra => "ownership.flush_interval = '100ms'\nwal_retrieve_retry_interval = '200ms'\n");

sub super { return sql($node, 'postgres', $_[0]) }

super(q{
	CREATE EXTENSION ownership;
	CREATE ROLE erp LOGIN;
	CREATE ROLE crm LOGIN;
	CREATE ROLE dba LOGIN;
	CREATE ROLE nobody LOGIN;
	CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text, kept text, filled text, seen text DEFAULT 'd', strict text);
	CREATE TABLE line (id int PRIMARY KEY, sku text REFERENCES product ON UPDATE CASCADE ON DELETE CASCADE, n int);
	CREATE TABLE stranger (id int PRIMARY KEY, v text);
	GRANT ALL ON product, line, stranger TO PUBLIC;
	GRANT pg_execute_server_program TO erp, crm;
	SELECT ownership.add_system('erp', 'erp', role => 'erp'), ownership.add_system('crm', 'crm', role => 'crm'),
		ownership.identify(NULL, role => 'dba', steward => true);
	SELECT ownership.assign('product', '{sku,price,title}', 'erp'), ownership.assign('product', '{kept}', 'erp', policy => 'keep'),
		ownership.assign('product', '{filled}', 'erp', policy => 'fill'), ownership.assign('product', '{seen}', 'erp', policy => 'observe'),
		ownership.assign('product', '{strict}', 'erp');
	SELECT ownership.assign('line', NULL, NULL)});

# what other sessions have left is written, and gone
sub forget
{
	wait_for($node, 'postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()});
	super('SELECT ownership.flush(); TRUNCATE ownership.activity');
	return;
}

# activity(ROLE, SQL ...): what each piece of SQL, sent by itself in one session
# of the role, adds to activity: "column writer: reads/writes o f k r !".
sub activity
{
	my ($role, @sql) = @_;
	forget();
	my ($rc, $out, $err) = $node->psql('postgres', join(";\n", @sql, 'SELECT ownership.flush()', ''), on_error_stop => 0,
		extra_params => [ '-U', $role ]);
	diag($err) if $err =~ /PANIC|FATAL|server closed/;
	return super(q{
		SELECT concat_ws(' ', CASE table_name WHEN 'product' THEN '' ELSE table_name || '.' END || column_name,
			coalesce(system, '?') || ':', CASE WHEN reads > 0 THEN 'r' || reads END, CASE WHEN writes > 0 THEN 'w' || writes END,
			CASE WHEN observed > 0 THEN 'o' || observed END, CASE WHEN filled > 0 THEN 'f' || filled END, CASE WHEN kept > 0 THEN 'k' || kept END,
			CASE WHEN rejected > 0 THEN 'x' || rejected END, CASE WHEN overridden > 0 THEN 's' || overridden END)
		FROM ownership.activity
		WHERE column_name <> '' -- see t/activity_fresh.pl
		ORDER BY table_name DESC, (SELECT attnum FROM pg_attribute
			WHERE attrelid = to_regclass(quote_ident(table_schema) || '.' || quote_ident(table_name)) AND attname = column_name), system});
}

sub seen
{
	my ($expected, $what, $role, @sql) = @_;
	is(activity($role, @sql), join("\n", @$expected), $what);
	return;
}

super(q{
	SET ownership.enforcement = off;
	INSERT INTO product SELECT 'S' || i, i, 't' || i, 'k', NULL, 's', 'x' FROM generate_series(1, 10) i;
	INSERT INTO line VALUES (1, 'S9', 1)});

#
# Reads: the columns that the statement's permission check sees, once a statement.
#
seen([ 'price crm: r1' ], 'SELECT', 'crm', 'SELECT price FROM product');
seen([ 'sku crm: r1', 'price crm: r1' ], 'WHERE', 'crm', q{SELECT price FROM product WHERE sku = 'S1'});
seen([ 'price crm: r2' ], 'each statement', 'crm', 'SELECT price FROM product', 'SELECT price FROM product');
seen([ 'sku crm: r1', 'price crm: r1', 'line.sku crm: r1' ], 'a join; a self-join counts once', 'crm',
	'SELECT 1 FROM product a JOIN product b ON a.price = b.price JOIN line ON line.sku = a.sku');
seen([], 'count(*) names none', 'crm', 'SELECT count(*) FROM product');
seen([ 'sku crm: r1', 'price crm: r1', 'title crm: r1', 'kept crm: r1', 'filled crm: r1', 'seen crm: r1', 'strict crm: r1' ],
	'a whole row', 'crm', 'SELECT product FROM product');
seen([], 'a table off the map', 'crm', 'SELECT * FROM stranger');
seen([], 'plain EXPLAIN reads nothing', 'crm', 'EXPLAIN SELECT price FROM product', 'PREPARE p AS SELECT price FROM product', 'EXPLAIN EXECUTE p');
seen([ 'price crm: r1' ], 'EXPLAIN ANALYZE does', 'crm', 'EXPLAIN ANALYZE SELECT price FROM product');
seen([ 'price crm: r3' ], 'each execution of a cached plan', 'crm', 'PREPARE p AS SELECT price FROM product', 'EXECUTE p', 'EXECUTE p', 'EXECUTE p');
super(q{CREATE VIEW v AS SELECT sku, price FROM product; GRANT ALL ON v TO PUBLIC;
	CREATE FUNCTION f() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS 'SELECT sum(price) FROM product'});
seen([ 'sku crm: r1', 'price crm: r1' ], 'through a view: what the view reads', 'crm', 'SELECT price FROM v');
seen([ 'price crm: r1' ], 'in a SECURITY DEFINER function: still the session', 'crm', 'SELECT f()');
seen([ 'sku crm: r1', 'price crm: r1' ], 'COPY TO', 'crm', 'COPY product (sku, price) TO stdout');
seen([ 'price crm: r1' ], 'COPY of a query', 'crm', 'COPY (SELECT price FROM product) TO stdout');
seen([ 'price crm: r1' ], 'a cursor', 'crm', 'BEGIN', 'DECLARE c CURSOR FOR SELECT price FROM product', 'FETCH c', 'COMMIT');
seen([ 'price ?: r1' ], 'somebody unidentified', 'nobody', 'SELECT price FROM product');
seen([ 'price crm: r1' ], 'read is read, also when the transaction rolls back', 'crm', 'BEGIN', 'SELECT price FROM product', 'ROLLBACK');
seen([ 'price crm: r1' ], 'a parallel query', 'crm', 'SET parallel_setup_cost = 0', 'SET parallel_tuple_cost = 0',
	'SET min_parallel_table_scan_size = 0', 'SET max_parallel_workers_per_gather = 2', 'ALTER TABLE stranger SET (parallel_workers = 2)', 'SELECT sum(price) FROM product');
seen([ 'line.id crm: w1', 'line.sku crm: w1' ], 'a foreign-key check reads on nobody\'s behalf', 'crm', q{INSERT INTO line (id, sku) VALUES (2, 'S2')});
super('ALTER SYSTEM SET ownership.track_reads = off; SELECT pg_reload_conf()');
wait_for($node, 'postgres', 'SHOW ownership.track_reads', 'off');
seen([ 'line.n crm: w1' ], 'ownership.track_reads = off', 'crm', 'UPDATE line SET n = 2 WHERE id = 1', 'SELECT price FROM product');
super('ALTER SYSTEM RESET ownership.track_reads; SELECT pg_reload_conf()');
wait_for($node, 'postgres', 'SHOW ownership.track_reads', 'on');
like(error_as($node, 'postgres', 'crm', 'SET ownership.track_reads = off'), qr/permission denied/, 'not everyone can switch it off');
# a setting that names no system is an error to writes, not to reads
super(q{GRANT SET ON PARAMETER ownership.system TO crm});
seen([ 'price ?: r1' ], 'a setting that names no system does not disturb reads', 'crm', q{SET ownership.system = 'tpyo'}, 'SELECT price FROM product');
seen([ 'price erp: r1' ], 'one that does says who reads', 'crm', q{SET ownership.system = 'erp'}, 'SELECT price FROM product');

#
# Writes: judged by value where the guard is there, by name where it was lifted.
#
seen([ 'price erp: w1' ], 'the owner, lifted', 'erp', 'UPDATE product SET price = 5');
seen([], 'no row, no write', 'erp', 'UPDATE product SET price = 5 WHERE false');
seen([ 'price erp: w1', 'title erp: w1' ], 'lifted: what is named counts', 'erp', q{UPDATE product SET price = 5, title = 'a'});
foreach my $lift ('on', 'off')
{
	seen([ 'sku erp: w1', 'price erp: w1', 'line.id erp: w1', 'line.sku erp: w1' ], "INSERT, with the key (lift $lift)", 'erp',
		"SET ownership.lift = $lift", q{INSERT INTO product (sku, price) VALUES ('N1', 1), ('N2', 2)}, q{INSERT INTO line (id, sku) VALUES (10, 'N1')});
	super(q{SET ownership.enforcement = off; DELETE FROM product WHERE sku IN ('N1', 'N2')});
}
seen([ 'title erp: w1' ], 'not lifted: the value must change', 'erp', 'SET ownership.lift = off', q{UPDATE product SET price = 5, title = 'b'});
is(activity('crm', q{UPDATE product SET seen = 'c'}), 'seen crm: w1 o10', 'observed: a write, and a conflict a row');
is(activity('crm', q{UPDATE product SET filled = 'c' WHERE ctid IS NOT NULL}), 'filled crm: w1 f10', 'filled');
is(activity('crm', q{UPDATE product SET kept = 'c'}), 'kept crm: k10', 'kept: not a write');
is(activity('crm', q{UPDATE product SET kept = 'c'}), 'kept crm: k10', 'also when it is not recorded again');
is(activity('crm', q{UPDATE product SET strict = 'c'}), 'strict crm: x1', 'rejected: where the statement stopped');
is(activity('dba', q{UPDATE product SET strict = 'd'}), 'strict ?: w1 s10', 'overridden by a steward');
is(activity('crm', q{INSERT INTO product (sku) VALUES ('Z')}), 'sku crm: x1', 'a rejected INSERT');
is(activity('crm', q{COPY line (id, sku) FROM PROGRAM 'echo 20,S1; echo 21,S2' WITH (FORMAT csv)}), "line.id crm: w1\nline.sku crm: w1", 'COPY FROM, lifted');
is(activity('crm', 'TRUNCATE line'), 'line.id crm: w1', 'TRUNCATE writes the key');
is(activity('erp', 'BEGIN', 'TRUNCATE product CASCADE', 'ROLLBACK'), '', 'rolled back');
is(activity('erp', q{WITH a AS (UPDATE product SET price = 7 RETURNING sku) SELECT count(*) FROM a}), "sku erp: r1\nprice erp: w1", 'in a CTE, RETURNING reads');
is(activity('erp', q{UPDATE v SET price = 9}), 'price erp: w1', 'through a view');
is(activity('erp', q{MERGE INTO product p USING (VALUES ('S1', 3)) s(k, v) ON p.sku = s.k WHEN MATCHED THEN UPDATE SET price = s.v}),
	"sku erp: r1\nprice erp: w1", 'MERGE');

# of many rows the first are looked at; conflicts are found in all
super(q{CREATE TABLE bulk (id int PRIMARY KEY, own int, foreign_ int); INSERT INTO bulk SELECT i, 0, 0 FROM generate_series(1, 3000) i; GRANT ALL ON bulk TO PUBLIC;
	SELECT ownership.assign('bulk', '{id,own}', 'erp'), ownership.assign('bulk', '{foreign_}', 'crm', policy => 'observe')});
is(activity('erp', 'SET ownership.lift = off', 'UPDATE bulk SET own = own + (ctid >= $$(10,1)$$)::int, foreign_ = foreign_ + (ctid >= $$(10,1)$$)::int'),
	'bulk.own erp: r1' . "\n" . 'bulk.foreign_ erp: r1 w1 o' . super('SELECT sum(foreign_) FROM bulk'), 'a conflict far down is a write');

#
# What rolled back did not happen; what was rejected did.
#
is(activity('crm', 'BEGIN', q{UPDATE product SET seen = 'e'}, 'ROLLBACK'), '', 'ROLLBACK: neither writes nor conflicts that went through');
is(activity('crm', 'BEGIN', q{UPDATE product SET kept = 'e'}, 'ROLLBACK'), '', 'nor kept values');
is(activity('crm', 'BEGIN', 'SAVEPOINT s', q{UPDATE product SET seen = 'f'}, 'ROLLBACK TO s', q{UPDATE line SET n = 1}, 'COMMIT'), '', 'ROLLBACK TO; no row, no write');
is(activity('crm', 'BEGIN', 'SAVEPOINT s', q{UPDATE product SET seen = 'f'}, 'RELEASE s', 'SAVEPOINT t', q{UPDATE product SET kept = 'f'}, 'ROLLBACK TO t', 'COMMIT'),
	'seen crm: w1 o10', 'subtransactions');
is(activity('crm', 'BEGIN', q{UPDATE product SET seen = 'g'}, 'SAVEPOINT s', q{UPDATE product SET seen = 'h'}, 'SAVEPOINT t', q{UPDATE product SET seen = 'i'}, 'RELEASE s', 'COMMIT'),
	'seen crm: w3 o30', 'released into one another');
is(activity('crm', 'BEGIN', q{UPDATE product SET seen = 'j'}, 'SAVEPOINT s', q{UPDATE product SET strict = 'g'}, 'ROLLBACK TO s', 'COMMIT'),
	"seen crm: w1 o10\nstrict crm: x1", 'a rejection in a savepoint');
super(q{CREATE FUNCTION swallow() RETURNS void LANGUAGE plpgsql AS $$
	BEGIN
		FOR i IN 1 .. 5 LOOP
			BEGIN
				UPDATE product SET strict = 'h' || i;
			EXCEPTION WHEN insufficient_privilege THEN NULL;
			END;
			BEGIN
				UPDATE product SET seen = 'h' || i;
			EXCEPTION WHEN division_by_zero THEN NULL;
			END;
		END LOOP;
	END$$});
is(activity('crm', 'SELECT swallow()'), "seen crm: w5 o50\nstrict crm: x5", 'a caught error counts');
is(activity('crm', 'BEGIN', q{UPDATE product SET seen = 'k'}, q{PREPARE TRANSACTION 'x'}), 'seen crm: w1 o10', 'PREPARE TRANSACTION counts');
is(activity('postgres', q{COMMIT PREPARED 'x'}), '', 'and COMMIT PREPARED does not again');

#
# Partitions and inheritance children count as the table on the map.
#
super(q{
	CREATE TABLE parted (junk int, id int, price int, region text) PARTITION BY LIST (region);
	ALTER TABLE parted DROP COLUMN junk;
	CREATE TABLE parted_eu PARTITION OF parted FOR VALUES IN ('eu');
	CREATE TABLE parted_us (region text, price int, id int);
	ALTER TABLE parted ATTACH PARTITION parted_us FOR VALUES IN ('us');
	GRANT ALL ON parted, parted_eu, parted_us TO PUBLIC;
	SELECT ownership.assign('parted', '{id,region}', 'erp'), ownership.assign('parted', '{price}', 'erp', policy => 'observe');
	INSERT INTO ownership.field (entity, name) VALUES ('x', 'y');
	UPDATE ownership.field SET key = true WHERE (entity, name) = ('parted', 'id')});
is(activity('erp', q{INSERT INTO parted VALUES (1, 1, 'eu'), (2, 2, 'us')}), "parted.id erp: w1\nparted.price erp: w1\nparted.region erp: w1", 'an INSERT into a partitioned table');
is(activity('crm', 'UPDATE parted SET price = 3'), 'parted.price crm: w1 o2', 'an UPDATE of all partitions is one');
is(activity('crm', 'UPDATE parted_us SET price = 4'), 'parted.price crm: w1 o1', 'of one partition by name');
is(activity('crm', 'SELECT price FROM parted_us'), 'parted.price crm: r1', 'read by name');
is(activity('crm', 'SELECT price FROM parted'), 'parted.price crm: r1', 'read as a whole');
is(activity('erp', q{UPDATE parted SET region = 'eu' WHERE region = 'us'}), 'parted.region erp: r1 w1', 'a row that moves is updated');
is(activity('erp', q{DELETE FROM parted}), 'parted.id erp: w1', 'DELETE writes the key');
is(activity('erp', q{COPY parted FROM PROGRAM 'echo 1,1,eu; echo 2,2,us' WITH (FORMAT csv)}), "parted.id erp: w1\nparted.price erp: w1\nparted.region erp: w1", 'COPY into it');

#
# The map changes while a session goes on.
#
my $session = $node->background_psql('postgres');
$session->query('SET ROLE crm');
$session->query('SELECT v FROM stranger');
super(q{SELECT ownership.assign('stranger', NULL, 'erp')});
super('TRUNCATE ownership.activity');
$session->query('SELECT v FROM stranger');
# an idle session hands over what it has when the interval is over
wait_for($node, 'postgres', q{SELECT string_agg(concat_ws(' ', column_name, system, reads), ',') FROM ownership.activity}, 'v crm 1');
pass('a table that comes onto the map is seen from then on, and told by an idle session');
$session->quit;

#
# A broken row filter stops writes, not reads.
#
super(q{INSERT INTO ownership.row_owner VALUES ('public', 'product', 'price', 1, 'true', 'crm');
	SET check_function_bodies = off;
	UPDATE ownership.row_owner SET row_filter = 'nonsense +'});
like(error_as($node, 'postgres', 'crm', 'UPDATE product SET seen = $$z$$'), qr/row filter/, 'a broken row filter stops writes');
is(activity('crm', 'SELECT price FROM product'), 'price crm: r1', 'not reads');
super('DELETE FROM ownership.row_owner');

#
# Names follow: a system's new name, a column that is dropped.
#
is(activity('crm', 'SELECT price FROM product'), 'price crm: r1', 'by its old name');
super(q{UPDATE ownership.system SET name = 'crm2' WHERE name = 'crm'});
is(super('SELECT system FROM ownership.activity'), 'crm2', 'a renamed system keeps its activity');
super(q{UPDATE ownership.system SET name = 'crm' WHERE name = 'crm2'});
like(super(q{SELECT ownership.add_system(repeat('x', 63), 'crm'); SELECT 'fits'}), qr/fits/, 'a name of 63 bytes');
like(error_as($node, 'postgres', 'postgres', q{SELECT ownership.add_system(repeat('x', 64), 'crm')}), qr/system_name_length_check/, 'is the longest');

#
# Replication: each row counts, judged by value.
#
my $source = new_node('source');
sql($source, 'postgres', q{CREATE TABLE item (id int PRIMARY KEY, price int, note text);
	CREATE PUBLICATION p FOR TABLE item WITH (publish = 'insert, update, delete')});
super(q{CREATE TABLE item (id int PRIMARY KEY, price int, note text);
	SELECT ownership.assign('item', '{id,price}', 'erp'), ownership.assign('item', '{note}', 'crm')});
super("CREATE SUBSCRIPTION feed CONNECTION '" . connstr($source, 'postgres') . "' PUBLICATION p");
super(q{SELECT ownership.identify('erp', subscription => 'feed')});
$source->wait_for_catchup('feed');
wait_for($node, 'postgres', q{SELECT bool_and(srsubstate = 'r') FROM pg_subscription_rel});
super('TRUNCATE ownership.activity');

# applied(SQL): what it adds when it arrives
sub applied
{
	my ($sql, $expected, $what) = @_;
	super('SELECT ownership.flush(); TRUNCATE ownership.activity');
	sql($source, 'postgres', $sql);
	$source->wait_for_catchup('feed');
	my $query = q{SELECT coalesce(string_agg(format('%s:w%s k%s', column_name, writes, kept), ' ' ORDER BY column_name), '')
		FROM ownership.activity WHERE table_name = 'item' AND column_name <> '' AND system = 'erp'};
	ok($node->poll_query_until('postgres', $query, $expected), $what) or diag(super($query));
	return;
}
applied(q{INSERT INTO item SELECT i, i FROM generate_series(1, 20) i}, 'id:w20 k0 price:w20 k0', 'replicated inserts');
applied(q{UPDATE item SET price = price + (id % 2)}, 'price:w10 k0', 'replicated updates: where the value changed');
applied(q{UPDATE item SET note = 'n' WHERE id < 4}, 'note:w0 k3', 'what is kept is no write');
applied(q{DELETE FROM item WHERE id > 15}, 'id:w5 k0', 'replicated deletes');
# two transactions within the interval, and silence after them
applied(q{INSERT INTO item VALUES (30, 1); INSERT INTO item VALUES (31, 1); INSERT INTO item VALUES (32, 1)}, 'id:w3 k0 price:w3 k0',
	'a feed that falls silent tells all it has counted');
# within a longer interval, whether a worker was busy just before or has ended
super(q{ALTER SYSTEM SET ownership.flush_interval = '4s'; SELECT pg_reload_conf()});
applied(q{INSERT INTO item VALUES (33, 1); INSERT INTO item VALUES (34, 1)}, 'id:w2 k0 price:w2 k0', 'within a longer interval, too');
wait_for($node, 'postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'ownership worker'});
applied(q{INSERT INTO item VALUES (35, 1)}, 'id:w1 k0 price:w1 k0', 'and after the worker has asked it, and ended');
super(q{ALTER SYSTEM RESET ownership.flush_interval; SELECT pg_reload_conf()});
super('DROP SUBSCRIPTION feed');

#
# Who subscribes to a publication with a column list is a declared reader of
# these columns.
#
super(q{ALTER ROLE crm REPLICATION;
	CREATE PUBLICATION "out,of" FOR TABLE product (sku, price);
	CREATE PUBLICATION whole FOR TABLE line});
sql($source, 'postgres', 'CREATE TABLE product (sku text PRIMARY KEY, price numeric); CREATE TABLE line (id int PRIMARY KEY, sku text, n int)');
sql($source, 'postgres', q{CREATE SUBSCRIPTION back CONNECTION '} . connstr($node, 'postgres', 'crm') . q{' PUBLICATION "out,of", whole});
$node->wait_for_catchup('back');
my $readers = q{SELECT string_agg(relation || '.' || column_name, ' ' ORDER BY column_name) FROM ownership.map WHERE 'crm' = ANY (readers)};
is(super($readers), 'product.price product.sku', 'the subscriber of published columns reads them');
is(psql_as($node, 'postgres', 'nobody', $readers), 'product.price product.sku', 'as everyone may know');
is(super(q{SELECT systems ->> 'crm' FROM ownership.matrix WHERE entity = 'product' AND field = 'price'}) =~ /reader \(declared/ ? 1 : 0, 1, 'the matrix says so, too');
sql($source, 'postgres', 'DROP SUBSCRIPTION back');

#
# What a dump is restored by is no system; but whoever is no superuser cannot
# hide by saying that he restores one.
#
my $dump = PostgreSQL::Test::Utils::tempdir() . '/dump';
super('CREATE DATABASE restored');
$node->command_ok([ 'pg_dump', '-Fc', '-f', $dump, 'postgres' ], 'pg_dump');
$node->command_ok([ 'pg_restore', '-e', "--section=$_", '-d', 'restored', $dump ], "pg_restore, $_") foreach qw(pre-data data post-data);
my $seen = q{SELECT ownership.flush(); SELECT string_agg(concat_ws(' ', table_name, column_name, system, 'w' || writes), ', ') FROM ownership.activity};
is(sql($node, 'restored', $seen) =~ s/^\n//r, '', 'restored rows were written by nobody');
sql($node, 'restored', q{SET ownership.enforcement = off; TRUNCATE product CASCADE; SELECT ownership.flush(); TRUNCATE ownership.activity});
psql_as($node, 'restored', 'erp', q{SET check_function_bodies = off; INSERT INTO product (sku) VALUES ('hidden?')});
is(sql($node, 'restored', $seen) =~ s/^\n//r, 'product sku erp w1', 'this one was seen');

$source->stop;
$node->stop;
done_testing();
