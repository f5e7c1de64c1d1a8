# The first copy of a subscribed table into a table that has rows, where its lines are hard
# to read: keys of many types, other orders of columns, long lines, binary data, a command
# that this server cannot parse, a limit for temporary files, copies that are interrupted or
# run at the same time.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $pub = new_node('source');
my $hub = new_node('hub', preload => 1, extra => "wal_retrieve_retry_interval = '100ms'\n");
sql($hub, 'postgres', 'CREATE DATABASE integration');
sub erp { return sql($pub, 'postgres', $_[0]) }
sub hub { return sql($hub, 'integration', $_[0]) }
hub(q{CREATE EXTENSION ownership; SELECT ownership.add_system('erp', 'erp'), ownership.add_system('pim', 'pim')});
my $conninfo = connstr($pub, 'postgres');
my $n = 0;

# has(TABLE, COLUMNS, ROWS): a table of the hub with them; the key is k, and the PIM owns the title
sub has
{
	my ($table, $columns, $rows) = @_;
	hub("CREATE TABLE $table ($columns); SELECT ownership.assign('$table', '{k,price}', 'erp'), ownership.assign('$table', '{title}', 'pim');
		UPDATE ownership.field SET key = (name = 'k') WHERE entity = '$table'; SET ownership.enforcement = off; $rows");
	return;
}

# Begins the first copy of a table of this name.  $with: options of the subscription
sub begin
{
	my ($table, $for, $with) = @_;
	$for //= "TABLE $table";
	$with = defined $with ? "WITH ($with)" : '';
	$n++;
	erp("CREATE PUBLICATION p$n FOR $for");
	hub("SELECT ownership.identify('erp', subscription => 'sub$n'); CREATE SUBSCRIPTION sub$n CONNECTION '$conninfo' PUBLICATION p$n $with");
	return "sub$n";
}

sub ends
{
	my ($name) = @_;
	wait_for($hub, 'integration', "SELECT bool_and(srsubstate IN ('s', 'r')) FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = srsubid WHERE subname = '$name'");
	return;
}
sub copied { ends(begin(@_)); hub("DROP SUBSCRIPTION sub$n"); return }

# keys that are equal and are written in two ways: one is at the hub, and the other comes, or both come
my @types = (
	[ 'numeric', '1', '1.00' ], [ 'float8', '0', '-0' ], [ 'char(5)', "'a'", "'a  '" ], [ 'timestamptz', "'2020-01-01 00:00+0'", "'2020-01-01 01:00+1'" ],
	[ 'interval', "'1 day'", "'24 hours'" ], [ 'numeric[]', q('{1,2}'), q('{1.0,2.00}') ], [ 'jsonb', q('{"a": 1}'), q('{"a":1.0}') ], [ 'varchar(20)', "E'\\\\.'", "E'\\\\.'" ],
	[ 'pair', "'(1,x)'", "'(1.0,x)'" ], [ 'small', '7', '7' ], [ 'mood', "'sad'", "'sad'" ], [ 'numrange', "'[1,2)'", "'[1.0,2.0)'" ], [ 'bytea', q('\x5c0a09'), q('\x5c0a09') ],
	[ 'text COLLATE "C"', "E'ä\\t\\\\N\\n\\r\\b\\f\\v'", "E'ä\\t\\\\N\\n\\r\\b\\f\\v'" ], [ 'name', "'n'", "'n'" ], [ 'inet', "'10.0.0.1'", "'10.0.0.1/32'" ], [ 'money', "'1'", "'1.00'" ], [ 'xid', "'5'", "'5'" ]);
my $made = q{CREATE TYPE pair AS (n numeric, t text); CREATE TYPE mood AS ENUM ('sad', 'glad');
	CREATE FUNCTION is_small(int) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT $1 < 10'; CREATE DOMAIN small AS int CHECK (public.is_small(VALUE));};
erp($made);
hub($made);
for my $i (0 .. $#types)
{
	my ($type, $one, $other) = @{ $types[$i] };
	next if $type eq 'xid'; # it has no order
	erp("CREATE TABLE k$i (price int, k $type); INSERT INTO k$i VALUES (1, $one), (2, $other), (3, $other), (4, $one)");
	has("k$i", "title text, k $type PRIMARY KEY, price int", "INSERT INTO k$i VALUES ('ours', $other, 0)");
	erp("CREATE TABLE d$i (price int, k $type); INSERT INTO d$i TABLE k$i");
	has("d$i", "title text, k $type UNIQUE, note text, price int", "INSERT INTO d$i VALUES ('ours', NULL, 'n', 0)");
}
copied(undef, 'ALL TABLES');
for my $i (0 .. $#types)
{
	my $type = $types[$i][0];
	next if $type eq 'xid';
	is(hub("SELECT count(*) || ' ' || max(price) || ' ' || max(title) FROM k$i"), '1 4 ours', "$type: a key that is there is met");
	is(hub("SELECT count(*) || ' ' || coalesce(max(price) FILTER (WHERE k IS NOT NULL), 0) || ' ' || max(title) FROM d$i"), '2 4 ours', "$type: a key that comes twice is met");
}

# long lines, some of which are held back
erp(q{CREATE TABLE long (price text, k text); INSERT INTO long SELECT repeat(i % 10 || E'ä\t\\\\\n', 300000), repeat('k', 500) || i % 7 FROM generate_series(1, 14) i});
has('long', 'k text PRIMARY KEY, title text, price text', q{INSERT INTO long VALUES (repeat('k', 500) || 3, 'ours', NULL)});
copied('long');
is(hub(q{SELECT string_agg(concat_ws(' ', right(k, 1), length(price), left(price, 1), title), ',' ORDER BY k) FROM long}), '0 1500000 4,1 1500000 8,2 1500000 9,3 1500000 0 ours,4 1500000 1,5 1500000 2,6 1500000 3', 'long lines');

# the publisher reads its row filter by its own settings
sql($hub, 'postgres', 'ALTER DATABASE integration SET standard_conforming_strings = off');
erp(q{CREATE TABLE slash (k text, price int); INSERT INTO slash VALUES ('a', 1), ('\\', 2), ('b', 3)});
has('slash', 'k text PRIMARY KEY, title text, price int', q{INSERT INTO slash VALUES ('b', 'ours', 0)});
copied('slash', q{TABLE slash (k, price) WHERE (k <> '\\')});
is(hub('SELECT k, price, title FROM slash ORDER BY k'), "a|1|\nb|3|ours", 'a row filter that this server cannot parse');
sql($hub, 'postgres', 'ALTER DATABASE integration RESET standard_conforming_strings');

# a limit for temporary files
sql($hub, 'postgres', q{ALTER SYSTEM SET temp_file_limit = '64kB'});
sql($hub, 'postgres', 'SELECT pg_reload_conf()');
erp(q{CREATE TABLE many (k int, price text); INSERT INTO many SELECT i, repeat('x', 100) FROM generate_series(1, 3000) i});
has('many', 'k int PRIMARY KEY, title text, price text', q{INSERT INTO many SELECT i, 'ours' FROM generate_series(1, 3001) i});
copied('many');
is(hub('SELECT count(*), count(price), count(title) FROM many'), '3001|3000|3001', 'a limit for temporary files stops no copy');
sql($hub, 'postgres', 'ALTER SYSTEM RESET temp_file_limit');
sql($hub, 'postgres', 'SELECT pg_reload_conf()');

# binary data
SKIP: {
	skip 'binary copies are of PostgreSQL 16', 1 if $hub->pg_version < 16;
	erp(q{CREATE TABLE bin (price text, k int); INSERT INTO bin SELECT E'\n' || i, i FROM generate_series(1, 300) i});
	has('bin', 'k int PRIMARY KEY, title text, price text', q{INSERT INTO bin VALUES (10, 'ours', NULL), (0, 'ours', NULL)});
	copied('bin', undef, 'binary = true');
	is(hub('SELECT count(*), count(price), count(title) FROM bin'), '301|300|2', 'binary data');
}

# triggers of users for each statement fire once, and see all rows that are new
erp('CREATE TABLE told (k int, price int); INSERT INTO told SELECT i, i FROM generate_series(1, 10) i');
has('told', 'k int PRIMARY KEY, title text, price int', q{INSERT INTO told SELECT i, 'ours', 0 FROM generate_series(1, 3) i;
	CREATE TABLE tells (at text, n bigint);
	CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.tells SELECT TG_WHEN, count(*) FROM public.told; RETURN NULL; END $$;
	CREATE TRIGGER before BEFORE INSERT ON told EXECUTE FUNCTION tell(); ALTER TABLE told ENABLE REPLICA TRIGGER before;
	CREATE TRIGGER after AFTER INSERT ON told EXECUTE FUNCTION tell(); ALTER TABLE told ENABLE ALWAYS TRIGGER after});
copied('told');
is(hub(q{SELECT string_agg(at || ' ' || n, ', ' ORDER BY n) FROM tells}), 'BEFORE 3, AFTER 10', 'statement triggers fire once');

# a copy that is interrupted when it inserts new rows, and when what was held back is copied
hub(q{CREATE TABLE gate (open int); INSERT INTO gate VALUES (0);
	CREATE TABLE fired (n serial);
	CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$
		DECLARE fires bigint := nextval('public.fired_n_seq');
		BEGIN
			WHILE (SELECT open FROM public.gate) < fires LOOP PERFORM pg_sleep(0.01); END LOOP;
			RETURN NULL;
		END $$});
erp('CREATE TABLE stops (k int, price int); INSERT INTO stops SELECT i, i FROM generate_series(1, 2000) i');
has('stops', 'k int PRIMARY KEY, title text, price int', q{INSERT INTO stops SELECT i, 'ours', 0 FROM generate_series(1, 4000, 4) i;
	CREATE TRIGGER waits AFTER INSERT ON stops FOR EACH ROW WHEN (NEW.k = 2) EXECUTE FUNCTION wait(); ALTER TABLE stops ENABLE REPLICA TRIGGER waits;
	CREATE TRIGGER waits_met AFTER UPDATE ON stops FOR EACH ROW WHEN (NEW.k = 5) EXECUTE FUNCTION wait(); ALTER TABLE stops ENABLE REPLICA TRIGGER waits_met});
my $stops = begin('stops');
# fires: 1 new rows, killed; 2 new rows; 3 rows that are met, killed; 4 and 5 the same again
for my $fires (1, 3)
{
	wait_for($hub, 'integration', "SELECT last_value = $fires AND is_called FROM fired_n_seq");
	hub(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'PgSleep'});
	hub('UPDATE gate SET open = 2') if $fires == 1;
	wait_for($hub, 'integration', "SELECT last_value > $fires FROM fired_n_seq");
}
hub('UPDATE gate SET open = 1000000');
ends($stops);
is(hub('SELECT count(*), sum(price), count(title) FROM stops'), '2500|2001000|1000', 'a copy that is interrupted ends, and nothing comes twice');
is(hub(q{SELECT count(*) FROM ownership.conflict}), 0, 'no evidence');
hub("DROP SUBSCRIPTION $stops");

# two copies of the same rows at the same time, in other orders
erp('CREATE TABLE twice (k int, price int); INSERT INTO twice SELECT i, i FROM generate_series(1, 5000) i ORDER BY i * 7919 % 5000');
has('twice', 'k int PRIMARY KEY, title text, price int', q{INSERT INTO twice VALUES (17, 'ours', 0)});
my @both = (begin('twice'), begin('twice', 'TABLE twice WHERE (k > 0)'));
ends($_) for @both;
is(hub('SELECT count(*), sum(price), count(title) FROM twice'), '5000|12502500|1', 'two copies at the same time');
hub("DROP SUBSCRIPTION $_") for @both;

# what is pinned, and what waits
erp('CREATE TABLE held (k int, price int); INSERT INTO held SELECT i, i FROM generate_series(1, 100) i');
has('held', 'k int PRIMARY KEY, title text, price int', q{RESET ownership.enforcement; UPDATE ownership.field SET policy = 'keep' WHERE entity = 'held';
	SET ownership.system = 'erp'; INSERT INTO held (k, price) VALUES (5, 0), (6, 0); SET ownership.system = 'pim'; INSERT INTO held (k, title) SELECT i, 'waits' FROM generate_series(10, 20) i; UPDATE held SET title = 'ours';
	RESET ownership.system; SET ownership.enforcement = on; SELECT ownership.pin_value('held', '{"k": 5}', 'price', '55', until => 'infinity')});
copied('held');
is(hub(q{SELECT count(*), count(title), min(price) FILTER (WHERE k = 5), min(price) FILTER (WHERE k = 6), string_agg(k::text, ',' ORDER BY k) FILTER (WHERE title = 'waits') FROM held}),
	'100|13|55|6|10,11,12,13,14,15,16,17,18,19,20', 'what is pinned stays, what waits lands');
amiss();
done_testing();

# Nothing in the hub's log says that something is wrong inside
sub amiss
{
	unlike(slurp_file($hub->logfile), qr/TRAP|PANIC|leak|terminated by signal|are missing|internal_error/, 'the log is quiet');
	return;
}
