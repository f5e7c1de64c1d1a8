# The first copy of a subscription obeys the map, however many tables there
# are; and going live while a copy runs disturbs neither.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $tables = 40;
my $rows = 200;

my $pub = new_node('sources', extra => "max_wal_senders = 20\nmax_replication_slots = 20\n");
my $hub = new_node('hub', preload => 1, extra => "wal_retrieve_retry_interval = '100ms'\ntrack_functions = all\n");
sql($pub, 'postgres', "CREATE DATABASE $_") foreach qw(erp crm);
sql($hub, 'postgres', 'CREATE DATABASE integration');

sub hub { return sql($hub, 'integration', $_[0]) }

sub subscribe
{
	my ($name, $db, $publication, $options) = @_;
	my $conninfo = connstr($pub, $db);
	hub(qq{CREATE SUBSCRIPTION $name CONNECTION '$conninfo' PUBLICATION $publication WITH ($options)});
}

# note has a default, code has none, at is the hub's own
my $hub_ddl = q{
	CREATE TABLE %1$s (id int PRIMARY KEY, price numeric, note text DEFAULT 'none', code text,
		at timestamptz DEFAULT clock_timestamp())};
my $source_ddl = q{
	CREATE TABLE %1$s (id int PRIMARY KEY, price numeric, note text, code text);
	INSERT INTO %1$s SELECT i, i, CASE WHEN i %% 2 = 0 THEN 'none' ELSE 'n' || i END, CASE WHEN i %% 4 = 0 THEN 'c' || i END
	FROM generate_series(1, %2$s) i};

#
# The guard is there before the subscription.
#
sql($pub, 'erp', sprintf($source_ddl, 'item', $rows) . q{;
	CREATE TABLE strange (id int PRIMARY KEY, code text);
	INSERT INTO strange VALUES (1, 'x');
	CREATE TABLE needed (id int PRIMARY KEY, code text);
	INSERT INTO needed VALUES (1, 'x');
	CREATE TABLE part (id int PRIMARY KEY, code text);
	INSERT INTO part SELECT i, 'c' || i FROM generate_series(1, 4) i;
	CREATE PUBLICATION first FOR TABLE item, strange, needed, part});
hub(sprintf($hub_ddl, 'item'));
hub(q{
	CREATE TABLE strange (id int PRIMARY KEY, code text);
	CREATE TABLE needed (id int PRIMARY KEY, code text NOT NULL);
	CREATE TABLE part (code text, id int PRIMARY KEY) PARTITION BY RANGE (id);
	CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (1) TO (3);
	CREATE TABLE part_2 (id int NOT NULL, code text);
	ALTER TABLE part ATTACH PARTITION part_2 FOR VALUES FROM (3) TO (5);
	CREATE EXTENSION ownership;
	SELECT ownership.add_system('erp', 'erp');
	SELECT ownership.add_system('crm', 'crm');
	SELECT ownership.assign('item', '{id,price}', 'erp');
	SELECT ownership.assign('item', '{note,code,at}', 'crm');
	SELECT ownership.assign('strange', NULL, 'crm');
	SELECT ownership.assign('needed', '{id}', 'erp');
	SELECT ownership.assign('needed', '{code}', 'crm');
	SELECT ownership.assign('part', '{id}', 'erp');
	SELECT ownership.assign('part', '{code}', 'crm');
	-- by name, before it is there
	INSERT INTO ownership.identity (kind, name, system) VALUES ('subscription', 'hub_erp', 'erp')});
subscribe('hub_erp', 'erp', 'first', 'copy_data = true');
$hub->wait_for_subscription_sync($pub, 'hub_erp', 'integration');

is(hub(q{SELECT count(*), sum(price), count(*) FILTER (WHERE note = 'none'), count(code), count(at) FROM item}),
	join('|', $rows, $rows * ($rows + 1) / 2, $rows, 0, $rows), 'the copy obeys the map: defaults stand in');
is(hub(q{SELECT columns, outcome, count(*), count(DISTINCT row_key), min(system), max(system)
		FROM ownership.conflict WHERE table_name = 'item' AND operation = 'INSERT' GROUP BY 1, 2 ORDER BY 1}),
	join("\n", "{code}|kept|@{[$rows / 4]}|@{[$rows / 4]}|erp|erp", "{note}|kept|@{[$rows / 2]}|@{[$rows / 2]}|erp|erp"),
	'what was kept out is evidence, row by row; the default and NULL are no writes');
is(hub(q{SELECT proposed FROM ownership.conflict WHERE table_name = 'item' AND row_key = '{"id": 1}'}), '{"note": "n1"}', 'with its value');
is(hub(q{SELECT count(*) FROM ownership.conflict WHERE origin ~ '^pg_[0-9]+'}), hub('SELECT count(*) FROM ownership.conflict'),
	'and the origin of the sync');
is(hub('SELECT count(*) FROM strange'), '0', 'rows whose key is another\'s are not created');
is(hub(q{SELECT outcome, row_key, proposed FROM ownership.conflict WHERE table_name = 'strange'}),
	'discarded|{"id": 1}|{"id": "1", "code": "x"}', 'but evidence');
is(hub('SELECT count(*) FROM needed'), '0', 'nor are rows where no default stands in');
is(hub(q{SELECT outcome, row_key, proposed FROM ownership.conflict WHERE table_name = 'needed'}),
	'discarded|{"id": 1}|{"id": "1", "code": "x"}', 'but evidence');
is(hub('SELECT tableoid::regclass, id, code FROM part ORDER BY id'), "part_1|1|\npart_1|2|\npart_2|3|\npart_2|4|", 'partitions obey, too');
is(hub(q{SELECT count(*) FROM ownership.conflict WHERE table_name = 'part' AND outcome = 'kept'}), '4', 'as evidence');

# copied again, what was refused is not told again
my $told = hub('SELECT count(*) FROM ownership.conflict');
hub(q{DROP SUBSCRIPTION hub_erp; SET ownership.enforcement = off; TRUNCATE item, strange, needed, part});
subscribe('hub_erp', 'erp', 'first', 'copy_data = true');
$hub->wait_for_subscription_sync($pub, 'hub_erp', 'integration');
is(hub('SELECT count(*) FROM item'), $rows, 'a second copy');
is(hub('SELECT count(*) FROM ownership.conflict'), $told, 'tells nothing twice');

#
# Where all is the feed's own, the guard is lifted off the copy.
#
sql($pub, 'erp', sprintf($source_ddl, 'landing', $rows) . '; CREATE PUBLICATION landing FOR TABLE landing');
hub(sprintf($hub_ddl, 'landing'));
hub(q{
	SELECT ownership.add_tables('landing', source => 'erp');
	INSERT INTO ownership.identity (kind, name, system) VALUES ('subscription', 'hub_landing', 'erp')});
sub calls { return hub(q{SELECT coalesce(sum(calls), 0) FROM pg_stat_user_functions WHERE funcname LIKE 'guard\_%'}) }
my $calls = calls();
subscribe('hub_landing', 'erp', 'landing', 'copy_data = true');
$hub->wait_for_subscription_sync($pub, 'hub_landing', 'integration');
is(hub('SELECT count(*), count(code) FROM landing'), "$rows|@{[$rows / 4]}", 'a landing table');
# calls would be counted when the worker has gone
wait_for($hub, 'integration', q{SELECT count(*) = 0 FROM pg_stat_subscription WHERE relid IS NOT NULL});
is(calls() - $calls, 0, 'is not guarded');
hub('DROP SUBSCRIPTION hub_landing');

#
# A strict identity raises in the copy; corrected, the copy goes on.  Of rows that the
# crm may not create, its own values wait, and the others are discarded.
#
sql($pub, 'crm', sprintf($source_ddl, 'item', 10) . '; UPDATE item SET id = id + 1000; CREATE PUBLICATION strict FOR TABLE item');
hub(q{INSERT INTO ownership.identity (kind, name, system, strict) VALUES ('subscription', 'hub_crm', 'crm', true)});
my $offset = -s $hub->logfile;
subscribe('hub_crm', 'crm', 'strict', 'copy_data = true, disable_on_error = true');
wait_for($hub, 'integration', q{SELECT NOT subenabled FROM pg_subscription WHERE subname = 'hub_crm'});
like(slurp_file($hub->logfile, $offset), qr/ERROR:  system "crm" may not write columns? "id"/, 'strict: the copy raises');
hub(q{UPDATE ownership.identity SET strict = false WHERE name = 'hub_crm';
	ALTER SUBSCRIPTION hub_crm ENABLE});
$hub->wait_for_subscription_sync($pub, 'hub_crm', 'integration');
is(hub('SELECT count(*), count(code) FROM item'), "$rows|0", 'not strict, it goes through, and creates none');
is(hub(q{SELECT count(*) FILTER (WHERE outcome = 'discarded'), count(*) FILTER (WHERE outcome = 'parked') FROM ownership.conflict WHERE system = 'crm' AND (row_key->>'id')::int > 1000}),
	'10|10', 'as evidence: NULLs that the copy brings wait, too');

# a subscription that maps to nothing is nobody in its copy, too
hub(q{DELETE FROM ownership.identity WHERE name = 'hub_crm'; DROP SUBSCRIPTION hub_crm; CREATE TABLE open (id int, code text);
	SELECT ownership.assign('open', '{code}', 'crm')});
sql($pub, 'crm', q{CREATE TABLE open (id int, code text); INSERT INTO open VALUES (1, 'x'); CREATE PUBLICATION open FOR TABLE open});
subscribe('hub_open', 'crm', 'open', 'copy_data = true');
$hub->wait_for_subscription_sync($pub, 'hub_open', 'integration');
is(hub('SELECT id, code FROM open'), '1|', 'nobody may create the row, but not write the field');
is(hub(q{SELECT system IS NULL, row_key IS NULL, proposed FROM ownership.conflict WHERE table_name = 'open'}), 't|t|{"code": "x"}', 'evidence of a table without a key');

# The copy and the stream after it are one writer: what both bring is told once.
sql($pub, 'crm', q{
	CREATE TABLE again (id int PRIMARY KEY, title text, code text);
	INSERT INTO again VALUES (1, 'a', 'x'), (2, 'b', 'x');
	CREATE PUBLICATION again FOR TABLE again});
hub(q{CREATE TABLE again (id int PRIMARY KEY, title text, code text); SELECT ownership.assign('again', '{code}', 'erp', policy => 'keep')});
subscribe('hub_again', 'crm', 'again', 'copy_data = true');
$hub->wait_for_subscription_sync($pub, 'hub_again', 'integration');
sql($pub, 'crm', q{UPDATE again SET title = title || '!'; UPDATE again SET code = 'y' WHERE id = 2});
$pub->wait_for_catchup('hub_again');
is(hub('SELECT * FROM again ORDER BY id'), "1|a!|\n2|b!|", 'copy and stream are kept out');
is(hub(q{SELECT operation, row_key, proposed, origin ~ '^pg_[0-9]+$' FROM ownership.conflict WHERE table_name = 'again' ORDER BY id}),
	qq(INSERT|{"id": 1}|{"code": "x"}|t\nINSERT|{"id": 2}|{"code": "x"}|t\nUPDATE|{"id": 2}|{"code": "y"}|t), 'by one writer, each value once');
hub('DROP SUBSCRIPTION hub_again');

#
# Going live while many tables are copied.
#
my $names = join(', ', map { "many.t$_" } 1 .. $tables);
sql($pub, 'erp', 'CREATE SCHEMA many; ' . join('; ', map { sprintf($source_ddl, "many.t$_", 2000) } 1 .. $tables)
	. "; CREATE PUBLICATION many FOR TABLE $names");
hub('CREATE SCHEMA many; ' . join('; ', map { sprintf($hub_ddl, "many.t$_") } 1 .. $tables));
hub(q{INSERT INTO ownership.identity (kind, name, system) VALUES ('subscription', 'hub_many', 'erp')});
# the map alone: what a restored dump or a sheet has
hub(qq{
	INSERT INTO ownership.mirrored_table SELECT 'many', 't' || i FROM generate_series(1, $tables) i;
	INSERT INTO ownership.field (entity, name, owner, key)
		SELECT 'many.t' || i, c, CASE c WHEN 'note' THEN 'crm' ELSE 'erp' END, c = 'id'
		FROM generate_series(1, $tables) i, unnest('{id,price,note}'::text[]) c;
	INSERT INTO ownership.mirrored_column SELECT 'many', 't' || i, c, 'many.t' || i, c
		FROM generate_series(1, $tables) i, unnest('{id,price,note}'::text[]) c});
is(hub(q{SELECT count(*) FROM ownership.guards WHERE table_schema = 'many' AND guarded}), '0', 'the map alone guards nothing');

$offset = -s $hub->logfile;
subscribe('hub_many', 'erp', 'many', 'copy_data = true');
wait_for($hub, 'integration', q{SELECT count(*) > 0 FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid
	WHERE subname = 'hub_many' AND srsubstate IN ('d', 'f', 's', 'r')});
# again and again, as long as a copy holds a table longer than that
foreach (1 .. 100)
{
	$hub->psql('integration', q{CALL ownership.guard_all('many.*', lock_timeout => '100ms')});
	last if hub(q{SELECT count(*) FROM ownership.guards WHERE table_schema = 'many' AND NOT guarded}) eq '0';
}
my $syncing = hub(q{SELECT count(*) FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid
	WHERE subname = 'hub_many' AND srsubstate <> 'r'});
note("$syncing tables were still to be copied when all were guarded");
is(hub(q{SELECT count(*) FROM ownership.guards WHERE table_schema = 'many' AND guarded}), $tables, 'guard_all guards them all');
# the stream that runs meanwhile goes on
sql($pub, 'erp', q{UPDATE item SET price = 0 WHERE id = 1});
$pub->wait_for_catchup('hub_erp');
is(hub('SELECT price FROM item WHERE id = 1'), '0', 'while another stream goes on');
$hub->wait_for_subscription_sync($pub, 'hub_many', 'integration');
my $log = slurp_file($hub->logfile, $offset);
unlike($log, qr/deadlock/, 'no deadlock');
unlike($log, qr/logical replication table synchronization worker.*(exited|terminated)|ERROR:  .*COPY/, 'no copy was stopped');
is(hub(join(' UNION ALL ', map { "SELECT count(*), sum(price) FROM many.t$_" } 1 .. $tables)),
	join("\n", ("2000|2001000") x $tables), 'every row of every table is there');

# a guarded table's copy kept the notes out; one that was copied before has them
is(hub(join(' UNION ALL ', map { "SELECT count(*) FILTER (WHERE note <> 'none') FROM many.t$_" } 1 .. $tables)),
	join("\n", map { hub(qq{SELECT 1000 - count(*) FROM ownership.conflict WHERE table_schema = 'many' AND table_name = 't$_' AND outcome = 'kept'}) } 1 .. $tables),
	'each refused note is evidence, and no other');
sql($pub, 'erp', join('; ', map { "UPDATE many.t$_ SET price = -1, note = 'late' WHERE id = 1" } 1 .. $tables));
$pub->wait_for_catchup('hub_many');
is(hub(join(' UNION ALL ', map { "SELECT price FROM many.t$_ WHERE id = 1 AND note <> 'late'" } 1 .. $tables)),
	join("\n", ('-1') x $tables), 'and from then on all of them are guarded');

#
# Computed defaults: the copy tells which columns it brings.  What comes later
# does not; but a stable default is known to give another value.
#
sql($pub, 'erp', q{
	CREATE TABLE computed (id int PRIMARY KEY, stamp timestamptz, token text);
	INSERT INTO computed VALUES (1, '2020-01-01', 'mine');
	CREATE PUBLICATION computed FOR TABLE computed});
hub(q{
	CREATE TABLE computed (id int PRIMARY KEY, stamp timestamptz DEFAULT now(), token text DEFAULT 'x' || random(),
		at timestamptz DEFAULT now());
	SELECT ownership.assign('computed', '{id}', 'erp'), ownership.assign('computed', '{stamp,token,at}', 'crm', policy => 'keep')});
$told = hub('SELECT coalesce(max(id), 0) FROM ownership.conflict');
subscribe('hub_computed', 'erp', 'computed', 'enabled = false');
hub(q{SELECT ownership.identify('erp', subscription => 'hub_computed'); ALTER SUBSCRIPTION hub_computed ENABLE});
$hub->wait_for_subscription_sync($pub, 'hub_computed', 'integration');
sql($pub, 'erp', q{INSERT INTO computed VALUES (2, '2020-01-01', 'mine')});
$pub->wait_for_catchup('hub_computed');
is(hub(q{SELECT id, stamp > '2021-01-01', left(token, 1), at > '2021-01-01' FROM computed ORDER BY id}), "1|t|x|t\n2|t|m|t",
	'a value where the default is computed is kept out of the copy; later, where the default is stable');
is(hub(qq{SELECT row_key, outcome, columns, proposed - 'stamp' FROM ownership.conflict WHERE id > $told ORDER BY id}),
	qq({"id": 1}|kept|{stamp,token}|{"token": "mine"}\n{"id": 2}|kept|{stamp}|{}), 'as evidence tells; a default of the hub alone is no write');

$hub->stop;
$pub->stop;
done_testing();
