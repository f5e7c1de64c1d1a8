# Fields pass from one system to another at a moment: over SQL, in streams, first
# copies and COPY, on a standby and in a dump; with lifting and without.  No worker
# writes the owners here: only the clock of the statements decides.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $pub = new_node('sources', extra => "max_wal_senders = 20\nmax_replication_slots = 20\n");
my $hub = new_node('hub', preload => 1, extra => "wal_retrieve_retry_interval = '100ms'\nplan_cache_mode = force_generic_plan\nmax_wal_senders = 20\n");

sub hub { return sql($hub, 'postgres', $_[0]) }
sub as { return psql_as($hub, 'postgres', @_) }

sql($pub, 'postgres', q{
	CREATE TABLE item (id int PRIMARY KEY, price int, note text);
	INSERT INTO item SELECT i, i, 'n' FROM generate_series(1, 5) i;
	CREATE TABLE late (id int PRIMARY KEY, price int);
	INSERT INTO late SELECT i, i FROM generate_series(1, 4) i;
	CREATE TABLE later (id int PRIMARY KEY, price int);
	INSERT INTO later SELECT i, i FROM generate_series(1, 4) i;
	CREATE PUBLICATION items FOR TABLE item});
hub(q{
	CREATE EXTENSION ownership;
	CREATE ROLE erp LOGIN; CREATE ROLE sap LOGIN;
	SELECT ownership.add_system('erp', 'erp', role => 'erp');
	SELECT ownership.add_system('sap', 'erp', role => 'sap');
	SELECT ownership.identify('erp', subscription => 'feed');
	CREATE TABLE product (id int PRIMARY KEY, price int, name text);
	CREATE TABLE part (id int, price int, PRIMARY KEY (id)) PARTITION BY RANGE (id);
	CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10);
	CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (10) TO (20);
	CREATE TABLE item (id int PRIMARY KEY, price int, note text);
	CREATE TABLE late (id int PRIMARY KEY, price int);
	CREATE TABLE later (id int PRIMARY KEY, price int);
	GRANT ALL ON product, part, item TO PUBLIC;
	INSERT INTO product SELECT i, 0, 'n' FROM generate_series(1, 3) i;
	INSERT INTO part VALUES (1, 0), (11, 0);
	INSERT INTO item SELECT i, 0, 'n' FROM generate_series(1, 5) i;
	SELECT ownership.assign(t, '{price}', 'erp', policy => 'keep') FROM unnest('{product,part,item,late,later}'::regclass[]) t;
	SELECT ownership.assign('product', '{name}', 'sap', policy => 'keep');
	UPDATE ownership.field SET policy = 'keep'});

# plans that all that $from owns of $fields passes so many milliseconds from now
sub planned
{
	my ($fields, $from, $to, $ms) = @_;
	return hub(qq{SELECT count(*) FILTER (WHERE what = 'field') FROM ownership.hand_over('$fields', '$from', '$to', clock_timestamp() + '$ms ms', dry_run => false)});
}

# waits until the moment has come for all that is planned
sub cross { wait_for($hub, 'postgres', q{SELECT NOT EXISTS (SELECT FROM ownership.handover WHERE done_at IS NULL AND at > clock_timestamp())}) }

sub session
{
	my ($role, $lift) = @_;
	my $s = $hub->background_psql('postgres', extra_params => [ '-U', $role ], on_error_stop => 0);

	$s->query_safe("SET client_min_messages = error");
	$lift->($s);
	$s->query_safe(q{PREPARE upd(int, int) AS UPDATE product SET price = $2 WHERE id = $1});
	$s->query_safe(q{PREPARE ins(int, int) AS INSERT INTO product (id, price) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET price = excluded.price});
	return $s;
}

sub prices { return hub('SELECT string_agg(price::text, \',\' ORDER BY id) FROM product') }

foreach my $lifting ('on', 'off')
{
	hub(qq{ALTER SYSTEM SET ownership.lift = $lifting; SELECT pg_reload_conf()});
	wait_for($hub, 'postgres', qq{SELECT current_setting('ownership.lift') = '$lifting'});
	my $what = "lifting $lifting";
	my ($erp, $sap) = map { session($_, sub { }) } qw(erp sap);

	# both know their statements, and the map, by now
	foreach my $n (1 .. 3)
	{
		$erp->query_safe("EXECUTE upd(1, $n); EXECUTE ins(2, $n); UPDATE product SET price = $n WHERE id = 3");
		$sap->query_safe("EXECUTE upd(1, -$n); EXECUTE ins(2, -$n); UPDATE product SET price = -$n WHERE id = 3; UPDATE product SET name = 'x$n'");
	}
	is(prices(), '3,3,3', "$what: before, the old owner writes");
	$sap->query_safe('BEGIN; UPDATE item SET price = 1000 WHERE id = 1');
	is(planned('product.price', 'erp', 'sap', 4000), 1, 'planned');
	$erp->query_safe('EXECUTE upd(1, 4); EXECUTE ins(2, 4)');
	is(prices(), '4,4,3', "$what: planned, the old owner still writes");
	$erp->query_safe('BEGIN; EXECUTE upd(3, 4)');

	# a statement that begins before the moment, and writes after it
	my $long = session('erp', sub { });
	$long->query_safe('EXECUTE upd(2, 4)');
	$long->query_until(qr/go/, qq{\\echo go\nWITH w AS MATERIALIZED (SELECT pg_sleep(5)) UPDATE part SET price = 5 FROM w;\n});
	cross();
	$erp->query_safe('EXECUTE upd(2, 6)');
	$erp->query_safe('COMMIT; EXECUTE upd(1, 6); EXECUTE ins(2, 6); UPDATE product SET price = 6 WHERE id = 3');
	is(prices(), '4,4,4', "$what: after it, what the old owner writes is kept out, in a transaction begun before, too");
	$sap->query_safe('EXECUTE upd(1, 7); COMMIT; EXECUTE ins(2, 7); UPDATE product SET price = 7 WHERE id = 3');
	is(prices(), '7,7,7', "$what: the new owner writes, also in a transaction begun before");
	is(hub(q{SELECT owner FROM ownership.field WHERE entity = 'product' AND name = 'price'}), 'erp', 'nothing was edited');
	is(hub(q{SELECT owner FROM ownership.map WHERE entity = 'product' AND field = 'price'}), 'sap', 'the map shows the owner in force');
	is(hub('SELECT ownership.handover_due()'), 1, 'written');
	$erp->query_safe('EXECUTE upd(1, 8)');
	$sap->query_safe('EXECUTE upd(3, 8)');
	is(prices(), '7,7,8', "$what: the same");
	is(hub(q{SELECT string_agg(DISTINCT system || ' ' || outcome, ',') FROM ownership.conflict WHERE table_name = 'product'}),
		'erp kept,sap kept', 'evidence of both');
	$long->query_safe('SELECT 1');

	# a long statement, also in a partition that it opens when the owner is written
	planned('part.price', 'erp', 'sap', 2500);
	$long->query_until(qr/go/, qq{\\echo go\nWITH w AS MATERIALIZED (SELECT pg_sleep(4)) INSERT INTO part SELECT i, 5 FROM w, unnest('{2,12}'::int[]) i;\n});
	cross();
	is(hub('SELECT ownership.handover_due()'), 1, 'written while a statement runs');
	$long->query_safe('SELECT 1');
	is(hub('SELECT string_agg(price::text, \',\' ORDER BY id) FROM part WHERE id IN (2, 12)'), '5,5', "$what: a statement that began before is judged by the old owner");
	$long->query_safe('UPDATE part SET price = 6');
	is(hub('SELECT count(*) FROM part WHERE price = 6'), 0, "$what: the next one by the new");

	# COPY
	hub('DELETE FROM part WHERE id IN (2, 12)');
	planned('part.price', 'sap', 'erp', 3000);
	as('sap', "COPY part FROM stdin;\n3\t1\n13\t1\n\\.\n");
	cross();
	as('sap', "COPY part FROM stdin;\n4\t2\n14\t2\n\\.\n");
	as('erp', "COPY part FROM stdin;\n5\t3\n15\t3\n\\.\n");
	is(hub('SELECT string_agg(coalesce(price::text, \'-\'), \',\' ORDER BY id % 10, id) FROM part WHERE id % 10 > 2'), '1,1,-,-,3,3', "$what: COPY");
	hub(q{SELECT ownership.handover_due(); DELETE FROM part WHERE id % 10 > 2});
	$_->quit foreach $erp, $sap, $long;

	# a procedure that commits begins anew
	hub(q{SELECT ownership.hand_over('product.price', 'sap', 'erp', dry_run => false)});
	hub(q{UPDATE product SET price = 0});
	hub(q{CREATE OR REPLACE PROCEDURE slow() LANGUAGE plpgsql AS $$ BEGIN
			UPDATE product SET price = 1; COMMIT; PERFORM pg_sleep(3);
			UPDATE product SET price = 2 WHERE id = 1; COMMIT;
			UPDATE product SET price = 3 WHERE id = 2; END $$});
	planned('product.price', 'erp', 'sap', 2500);
	as('erp', 'CALL slow()');
	is(prices(), '2,1,1', "$what: a procedure begins anew with its next transaction");
	hub(q{SELECT ownership.hand_over('product.price', 'sap', 'erp', dry_run => false)});
	is(hub(q{SELECT count(*) FROM ownership.handover WHERE done_at IS NULL}), 0, 'nothing is left');
}

#
# A stream, in which the moment comes between two rows of one transaction; and before
# the next one.
#
my $conninfo = connstr($pub, 'postgres');
hub(q{
	CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
		IF NEW.price = 103 THEN PERFORM pg_sleep(4); END IF; RETURN NEW; END $$;
	CREATE TRIGGER wait AFTER UPDATE ON item FOR EACH ROW EXECUTE FUNCTION wait();
	ALTER TABLE item ENABLE ALWAYS TRIGGER wait});
hub(qq{CREATE SUBSCRIPTION feed CONNECTION '$conninfo' PUBLICATION items WITH (copy_data = false)});
my $log = -s $hub->logfile;
foreach my $lifting ('off', 'on')
{
	hub(qq{ALTER SYSTEM SET ownership.lift = $lifting; SELECT pg_reload_conf()});
	sql($pub, 'postgres', 'UPDATE item SET price = 1');
	wait_for_feed($pub, $hub, 'feed', $log);
	is(hub('SELECT string_agg(price::text, \',\' ORDER BY id) FROM item'), '1,1,1,1,1', "stream, lifting $lifting: the owner's feed writes");
	planned('item.price', 'erp', 'sap', 3000);
	sql($pub, 'postgres', 'UPDATE item SET price = 100 + id');
	cross();
	wait_for_feed($pub, $hub, 'feed', $log);
	is(hub('SELECT string_agg(price::text, \',\' ORDER BY id) FROM item'), '101,102,103,1,1', 'rows are judged when they are applied');
	is(hub(q{SELECT string_agg(DISTINCT outcome || ' ' || (proposed ->> 'price'), ',') FROM ownership.conflict WHERE table_name = 'item' AND proposed ->> 'price' > '103'}),
		'kept 104,kept 105', 'the others are evidence');
	sql($pub, 'postgres', 'UPDATE item SET price = 200 + id');
	wait_for_feed($pub, $hub, 'feed', $log);
	is(hub('SELECT string_agg(price::text, \',\' ORDER BY id) FROM item'), '101,102,103,1,1', 'the next transaction');
	hub(q{SELECT ownership.handover_due(); SELECT ownership.hand_over('item.price', 'sap', 'erp', dry_run => false); DELETE FROM ownership.conflict});
}
like(hub(q{SELECT note FROM ownership.hand_over('item.price', 'erp', 'sap') WHERE what = 'feed'}),
	qr/^It writes as "erp"\. What it sent until .* has come, up to .*/, 'the dry run tells how far the feed is');

#
# A first copy counts from the start of its worker, which waits here for a transaction
# of the source.
#
my $open = $pub->background_psql('postgres');
sql($pub, 'postgres', 'ALTER PUBLICATION items ADD TABLE late');
$open->query_safe('BEGIN; SELECT pg_current_xact_id()');
hub('ALTER SUBSCRIPTION feed REFRESH PUBLICATION');
wait_for($hub, 'postgres', q{SELECT count(*) = 1 FROM pg_stat_subscription WHERE relid = 'late'::regclass});
planned('late*.price', 'erp', 'sap', 500);
like(hub(q{SELECT note FROM ownership.hand_over('late.price', 'erp', 'sap') WHERE what = 'feed'}), qr/1 of its tables are copied first/, 'it tells of a first copy');
cross();
is(hub('SELECT ownership.handover_due()'), 2, 'written before the copy begins');
$open->query_safe('COMMIT');
wait_for($hub, 'postgres', q{SELECT srsubstate = 'r' FROM pg_subscription_rel WHERE srrelid = 'late'::regclass});
is(hub('SELECT string_agg(coalesce(price::text, \'-\'), \',\' ORDER BY id) FROM late'), '1,2,3,4', 'a first copy counts from the start of its worker');
sql($pub, 'postgres', 'UPDATE late SET price = 10 + id');
wait_for_feed($pub, $hub, 'feed', $log);
is(hub('SELECT string_agg(coalesce(price::text, \'-\'), \',\' ORDER BY id) FROM late'), '1,2,3,4', 'the changes after it count by themselves');
$open->quit;
sql($pub, 'postgres', 'ALTER PUBLICATION items ADD TABLE later');
hub('ALTER SUBSCRIPTION feed REFRESH PUBLICATION');
wait_for($hub, 'postgres', q{SELECT srsubstate = 'r' FROM pg_subscription_rel WHERE srrelid = 'later'::regclass});
is(hub('SELECT string_agg(coalesce(price::text, \'-\'), \',\' ORDER BY id) FROM later'), '-,-,-,-', 'one that starts later is judged by the new owner');

#
# A standby shows the owner in force, though nothing is written; so does a restored dump.
#
$hub->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($hub, 'base', has_streaming => 1);
$standby->start;
planned('product.price', 'erp', 'sap', 4000);
$hub->wait_for_catchup($standby);
my $reader = $standby->background_psql('postgres');
my $shown = q{SELECT (SELECT owner FROM ownership.explain('product', 'price', 'sap')), (SELECT owner FROM ownership.map WHERE field = 'price' AND entity = 'product'),
	(SELECT owner FROM ownership.sheet WHERE entity = 'product' AND field = 'price'), (SELECT owner FROM ownership.matrix WHERE entity = 'product' AND field = 'price')};
is($reader->query_safe($shown), 'erp|erp|erp|erp', 'a standby before the moment');
my $dump = $hub->basedir . '/dump.sql';
$hub->command_ok([ 'pg_dump', '-f', $dump, '--no-subscriptions', '--no-publications', $hub->connstr('postgres') ], 'dumped while it is planned');
cross();
is($reader->query_safe($shown), 'sap|sap|sap|sap', 'a standby after it');
unlike($reader->query_safe(q{SELECT ownership.page()}), qr/ERROR/, 'the page on a standby');
is(sql($standby, 'postgres', q{SELECT owner FROM ownership.field WHERE entity = 'product' AND name = 'price'}), 'erp', 'nothing is written there');
$reader->quit;
hub('CREATE DATABASE restored');
$hub->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', $dump, $hub->connstr('restored') ], 'restored');
is(sql($hub, 'restored', $shown), 'sap|sap|sap|sap', 'what was planned is in force in the restored database');
is(sql($hub, 'restored', q{SELECT ownership.handover_due()}), 1, 'and is written there');
is(sql($hub, 'restored', q{SELECT owner FROM ownership.field WHERE entity = 'product' AND name = 'price'}), 'sap', 'into the field');

#
# With activity, the worker writes it.
#
$hub->append_conf('postgresql.conf', "ownership.activity_size = '1MB'\nownership.flush_interval = 100\n");
$standby->stop;
$hub->restart;
hub('SELECT ownership.handover_due()');
planned('product.price', 'sap', 'erp', 300);
cross();
as('erp', 'UPDATE product SET price = 99');
wait_for($hub, 'postgres', q{SELECT owner = 'erp' FROM ownership.field WHERE entity = 'product' AND name = 'price'});
is(hub(q{SELECT count(*) FROM ownership.handover WHERE done_at IS NULL}), 0, 'the worker writes it');
planned('product.price', 'erp', 'sap', 300);
cross();
hub('BEGIN; UPDATE product SET price = 0; SELECT ownership.flush(); COMMIT');
is(hub(q{SELECT owner FROM ownership.field WHERE entity = 'product' AND name = 'price'}), 'sap', 'flush() writes it, and waits for a worker that cannot');

done_testing();
