# The extension's tables in publications FOR ALL TABLES: they can be published,
# and the next hub, which has tables of the same names, keeps its own rows and
# map, whatever comes, and no stream stops.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $extra = "ownership.flush_interval = '100ms'\nwal_retrieve_retry_interval = '200ms'\nlogical_decoding_work_mem = '64kB'\n";
my $hub = new_node('hub', preload => 1, activity => 1, extra => $extra);
my $next = new_node('next', preload => 1, activity => 1, extra => $extra);

sub hub { return sql($hub, 'postgres', $_[0]) }
sub next_hub { return sql($next, 'postgres', $_[0]) }

# what a hub starts with: a map, a guarded table, a landing table
sub setup
{
	my ($node, $db) = @_;
	sql($node, $db, q{
		CREATE EXTENSION ownership;
		CREATE TABLE item (id int PRIMARY KEY, price int, note text);
		CREATE TABLE landed (id int PRIMARY KEY, v text);
		GRANT ALL ON item, landed TO PUBLIC;
		SELECT ownership.add_system('erp', 'erp', role => 'erp'), ownership.add_system('crm', 'crm', role => 'crm');
		SELECT ownership.assign('item', '{id,price}', 'erp', policy => 'keep')});
	return;
}

sub map_of
{
	return sql($_[0], $_[1] // 'postgres', q{
		SELECT 'system', name, kind FROM ownership.system
		UNION ALL SELECT 'field', entity || '.' || name, owner FROM ownership.field
		UNION ALL SELECT 'column', table_name || '.' || column_name, entity || '.' || field FROM ownership.mirrored_column
		UNION ALL SELECT 'access', entity || '.' || field, system || ' ' || mode FROM ownership.declared_access
		UNION ALL SELECT 'domain', count(*)::text, NULL FROM ownership.domain
		UNION ALL SELECT 'deleted domain', name, NULL FROM ownership.deleted_domain
		UNION ALL SELECT 'table', table_name, NULL FROM ownership.mirrored_table
		ORDER BY 1, 2, 3});
}

# but what the feed is told
sub evidence { return sql($_[0], $_[1] // 'postgres', q{SELECT id, table_name, row_key, outcome, proposed, resolution FROM ownership.conflict WHERE system IS DISTINCT FROM 'pim' ORDER BY id}) }

foreach my $node ($hub, $next)
{
	sql($node, 'postgres', 'CREATE ROLE erp LOGIN; CREATE ROLE crm LOGIN');
	setup($node, 'postgres');
}

#
# Every table can be published, and refuses what comes from another hub.
#
my $tables = q{SELECT c.oid, c.oid::regclass::text AS name, c.relreplident FROM pg_class c JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid
	AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e' JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'ownership'
	WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p'};
cmp_ok(hub("SELECT count(*) FROM ($tables) t"), '>=', 17, 'the tables of the extension');
is(hub(qq{SELECT name FROM ($tables) t WHERE relreplident <> 'd' OR NOT EXISTS (SELECT FROM pg_index i WHERE i.indrelid = t.oid AND i.indisprimary AND i.indimmediate)}),
	'', 'each has a primary key');
my $unarmed = qq{SELECT name, want FROM ($tables) t, unnest('{another_hub,another_hub_truncate}'::name[]) want
	WHERE NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = t.oid AND g.tgname = want AND g.tgenabled = 'A' AND g.tgfoid = 'ownership.another_hub()'::regprocedure)};
is(hub($unarmed), '', 'each leaves out what another hub sends');
is(hub(qq{SELECT name, g.tgname FROM ($tables) t JOIN pg_trigger g ON g.tgrelid = t.oid WHERE NOT g.tgisinternal AND g.tgtype & 2 = 2 AND g.tgname < 'another_hub'}),
	'', 'before any other trigger of the extension');

# as a dump that was made with --disable-triggers leaves them
hub(qq{ALTER TABLE ownership.$_ DISABLE TRIGGER ALL; ALTER TABLE ownership.$_ ENABLE TRIGGER ALL}) foreach qw(conflict field map_history);
is(hub($unarmed), '', 'also after a restore');

hub(q{CREATE PUBLICATION everything FOR ALL TABLES;
	SET ownership.enforcement = off; INSERT INTO item VALUES (1, 1, 'a'), (2, 2, 'b'), (3, 3, 'c')});
psql_as($hub, 'postgres', 'crm', 'SELECT price FROM item; UPDATE item SET price = 5 WHERE id = 1');
hub('SELECT ownership.flush()');
psql_as($hub, 'postgres', 'crm', 'SELECT price FROM item');
hub('SELECT ownership.flush()');
is(hub(q{SELECT reads FROM ownership.activity WHERE system = 'crm' AND column_name = 'price'}), '2', 'activity is updated');
is(hub(q{SELECT value FROM ownership.status WHERE fact = 'worker'}) =~ /failed/ ? 'failed' : '', '', 'the worker works');
hub('ALTER TABLE item RENAME price TO list_price');
psql_as($hub, 'postgres', 'crm', 'UPDATE item SET list_price = 6 WHERE id = 1');
is(hub('SELECT list_price FROM item WHERE id = 1'), '1', 'the map follows a rename');
is(hub(q{SELECT reads FROM ownership.activity WHERE system = 'crm' AND column_name = 'list_price'}), '2', 'activity, too');
hub('ALTER TABLE item RENAME list_price TO price');

# whatever may be done to a row of each
hub(q{
	SELECT ownership.assign('landed', NULL, 'erp', readers => '{crm}', writers => '{crm}', rationale => 'r');
	INSERT INTO ownership.mirrored_pattern (pattern, source, readers) VALUES ('later.*', 'erp', '{crm}');
	SELECT ownership.assign_rows('item', '{price}', 'crm', 'id = 3');
	UPDATE ownership.system SET name = 'sales' WHERE name = 'crm';
	UPDATE ownership.field SET rationale = 'x';
	UPDATE ownership.domain SET note = 'x' WHERE name = 'price';
	DELETE FROM ownership.domain WHERE name = 'stock';
	UPDATE ownership.mirrored_table SET source = 'erp' WHERE table_name = 'landed';
	UPDATE ownership.row_owner SET row_filter = 'id = 4';
	UPDATE ownership.mirrored_pattern SET readers = '{sales}';
	UPDATE ownership.system SET name = 'crm' WHERE name = 'sales';
	ALTER TABLE landed RENAME TO arrived;
	ALTER TABLE arrived RENAME v TO w;
	ALTER TABLE arrived RENAME w TO v;
	ALTER TABLE arrived RENAME TO landed;
	UPDATE ownership.conflict SET resolution = 'dismissed' WHERE id = 1;
	SELECT ownership.unguard('landed');
	DELETE FROM ownership.row_owner;
	DELETE FROM ownership.mirrored_pattern;
	DELETE FROM ownership.mirrored_table WHERE table_name = 'landed';
	DELETE FROM ownership.field WHERE entity = 'landed'});
pass('edits of each table can be published');

#
# The next hub: evidence of the same ids, its own map; rows that come by the
# first copy and then by apply.
#
next_hub(q{SET ownership.enforcement = off; INSERT INTO item VALUES (7, 7, 'g'), (8, 8, 'h'), (9, 9, 'i')});
psql_as($next, 'postgres', 'crm', 'UPDATE item SET price = 70 WHERE id = 7; UPDATE item SET price = 80 WHERE id = 8; SELECT price FROM item');
next_hub(q{SELECT ownership.flush();
	SELECT ownership.add_system('pim', 'pim'), ownership.assign('item', '{id,note}', 'pim'); INSERT INTO ownership.identity (kind, name, system) VALUES ('subscription', 'from_hub', 'pim')});
my ($map, $own) = (map_of($next), evidence($next));
my $seen = q{SELECT table_name, column_name, system, reads, writes, kept FROM ownership.activity WHERE system <> 'pim' ORDER BY 1, 2, 3};
my $activity = next_hub($seen);
my $history = next_hub('SELECT count(*), max(id) FROM ownership.map_history');
isnt($own, '', 'the next hub has evidence of its own');
my $offset = -s $next->logfile;
my $connection = connstr($hub, 'postgres');
my $parallel = $next->pg_version >= 16 ? 'parallel' : 'on';
next_hub("CREATE SUBSCRIPTION from_hub CONNECTION '$connection' PUBLICATION everything WITH (streaming = $parallel)");
$next->wait_for_subscription_sync($hub, 'from_hub');
is(evidence($next), $own, 'the first copy leaves its evidence alone');
is(next_hub($seen), $activity, 'its activity');
is(next_hub('SELECT count(*), max(id) FROM ownership.map_history'), $history, 'its history');
is(map_of($next), $map, 'and its map');
is(next_hub('SELECT note FROM item WHERE id = 2'), 'b', 'users\' tables are copied');

# edits and evidence of this hub, of the ids that the other one has and of new ones
hub(q{
	SELECT ownership.add_system('wms', 'wms'), ownership.assign('item', '{note}', 'wms', policy => 'keep', readers => '{crm}');
	DELETE FROM ownership.domain WHERE name = 'price';
	UPDATE ownership.system SET kind = 'bi' WHERE name = 'erp';
	UPDATE ownership.field SET policy = 'reject' WHERE name = 'price';
	UPDATE ownership.conflict SET resolution = 'accepted'});
like(error_as($hub, 'postgres', 'crm', "UPDATE item SET price = $_, note = '$_' WHERE id = 2"), qr/42501/, 'a rejected attempt') foreach (200, 201);
hub(q{SELECT ownership.flush(); DELETE FROM ownership.conflict WHERE id = 2;
	SET ownership.enforcement = off; UPDATE item SET note = 'through' WHERE id = 3});
$hub->wait_for_catchup('from_hub');
is(evidence($next), $own, 'apply: evidence');
is(next_hub($seen), $activity, 'activity');
is(next_hub('SELECT count(*), max(id) FROM ownership.map_history'), $history, 'history');
is(map_of($next), $map, 'map');
is(next_hub('SELECT note FROM item WHERE id = 3'), 'through', 'users\' rows come');
psql_as($next, 'postgres', 'crm', 'UPDATE item SET price = 90 WHERE id = 9');
is(next_hub('SELECT price FROM item WHERE id = 9'), '9', 'a client\'s kept write is kept');
is(next_hub(q{SELECT count(*) FROM ownership.conflict WHERE row_key = '{"id": 9}'}), '1', 'with evidence');
is(next_hub(q{SELECT count(*) FROM ownership.activity WHERE column_name = 'price' AND system = 'crm'}), '1', 'and no activity twice');

# what the worker itself leaves is this hub's: evidence of what it applied, and SQL of triggers
next_hub(q{
	CREATE FUNCTION note_system() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
	BEGIN
		INSERT INTO ownership.system (name) VALUES (NEW.note) ON CONFLICT (name) DO UPDATE SET note = 'again';
		DELETE FROM ownership.declared_access;
		RETURN NEW;
	END $$;
	CREATE TRIGGER note_system BEFORE UPDATE ON item FOR EACH ROW WHEN (NEW.note LIKE 'sys%') EXECUTE FUNCTION note_system();
	ALTER TABLE item ENABLE ALWAYS TRIGGER note_system});
hub(q{SET ownership.enforcement = off; UPDATE item SET price = 1000 WHERE id = 1; UPDATE item SET note = 'sys1' WHERE id = 2; UPDATE item SET note = 'sys1' WHERE id = 3});
$hub->wait_for_catchup('from_hub');
is(next_hub(q{SELECT system, outcome, row_key, proposed FROM ownership.conflict WHERE row_key = '{"id": 1}' AND system = 'pim' ORDER BY id DESC LIMIT 1}),
	'pim|kept|{"id": 1}|{"price": "1000"}', 'the worker\'s own evidence');
is(next_hub(q{SELECT note FROM ownership.system WHERE name = 'sys1'}), 'again', 'SQL in the worker edits the map');

# a large transaction, streamed before it ends
hub(q{SET ownership.enforcement = off;
	INSERT INTO ownership.conflict (table_schema, table_name, operation, outcome, proposed)
		SELECT 'public', 'item', 'UPDATE', 'kept', to_jsonb(repeat('x', 200)) FROM generate_series(1, 3000);
	BEGIN; INSERT INTO item SELECT i, i, repeat('y', 100) FROM generate_series(100, 3000) i; UPDATE ownership.conflict SET resolution = 'dismissed';
	DELETE FROM ownership.conflict WHERE table_name = 'item' AND id > 100; COMMIT});
$hub->wait_for_catchup('from_hub');
is(next_hub(q{SELECT count(*) FROM ownership.conflict WHERE proposed = to_jsonb(repeat('x', 200))}), '0', 'a streamed transaction leaves nothing of the other hub\'s');
is(next_hub(q{SELECT count(*) FROM ownership.conflict WHERE resolution IS NOT NULL}), '0', 'nor resolves evidence');
unlike(slurp_file($next->logfile, $offset), qr/ERROR/, 'nothing failed there');

#
# TRUNCATE: refused where it begins; what comes all the same loses nothing.
#
foreach my $table (qw(conflict activity field map_history bound_table))
{
	my $error = error_as($hub, 'postgres', 'postgres', "TRUNCATE ownership.$table CASCADE");
	like($error, qr/ERROR:  55000: cannot truncate table "ownership\.\w+", because a publication would send the TRUNCATE.*HINT:  Use DELETE or ownership\.prune\(\)/s, "TRUNCATE of $table is refused");
}
hub(q{ALTER PUBLICATION everything SET (publish = 'insert, update, delete')});
my $theirs = evidence($next);
hub('TRUNCATE ownership.conflict');
is(hub('SELECT count(*) FROM ownership.conflict'), '0', 'it can be done where it is not published');
hub(q{SET ownership.enforcement = off; UPDATE item SET note = 'after' WHERE id = 3});
$hub->wait_for_catchup('from_hub');
is(evidence($next), $theirs, 'and is not seen on the next hub');
hub(q{ALTER PUBLICATION everything SET (publish = 'insert, update, delete, truncate'); ALTER TABLE ownership.activity DISABLE TRIGGER another_hub_truncate});
$activity = next_hub($seen);
$offset = -s $next->logfile;
hub('TRUNCATE ownership.activity');
ok($next->poll_query_until('postgres', q{SELECT apply_error_count > 0 FROM pg_stat_subscription_stats}), 'one that comes stops the stream');
my $log = slurp_file($next->logfile, $offset);
like($log, qr/ERROR:  another hub's TRUNCATE of table "ownership\.activity" is refused.*HINT:  At the source, publish without TRUNCATE/s, 'and says what to do');
is(next_hub($seen), $activity, 'nothing is lost');
my ($lsn) = $log =~ /finished at ([0-9A-F]+\/[0-9A-F]+)/;
next_hub("ALTER SUBSCRIPTION from_hub SKIP (lsn = '$lsn')");
hub(q{ALTER TABLE ownership.activity ENABLE ALWAYS TRIGGER another_hub_truncate; ALTER PUBLICATION everything SET (publish = 'insert, update, delete');
	SET ownership.enforcement = off; UPDATE item SET note = 'goes on' WHERE id = 3});
$hub->wait_for_catchup('from_hub');
is(next_hub('SELECT note FROM item WHERE id = 3'), 'goes on', 'passed over, it goes on');

#
# A part of the tables, of their columns and rows
#
hub(q{CREATE PUBLICATION part FOR TABLE ownership.conflict (id, outcome), ownership.field (entity, name) WHERE (entity = 'item'), ownership.bound_table});
($map, $own) = (map_of($next), evidence($next));
$offset = -s $next->logfile;
next_hub("CREATE SUBSCRIPTION part CONNECTION '$connection' PUBLICATION part");
$next->wait_for_subscription_sync($hub, 'part');
hub(q{INSERT INTO ownership.conflict (table_schema, table_name, operation, outcome) VALUES ('public', 'item', 'UPDATE', 'kept');
	UPDATE ownership.field SET rationale = 'part'; DELETE FROM ownership.conflict});
$hub->wait_for_catchup('part');
is(evidence($next), $own, 'a part of the columns: evidence');
is(map_of($next), $map, 'a part of the rows: the map');
unlike(slurp_file($next->logfile, $offset), qr/ERROR/, 'nothing failed');
next_hub('DROP SUBSCRIPTION part');
hub('DROP PUBLICATION part');

#
# A clone, as pg_createsubscriber makes one: the same rows on both sides.
#
hub(q{UPDATE ownership.field SET policy = 'keep' WHERE name = 'price'});
psql_as($hub, 'postgres', 'crm', 'UPDATE item SET price = 77 WHERE id = 1; UPDATE item SET note = $$other$$ WHERE id = 2; SELECT note FROM item');
hub(q{SELECT ownership.flush(); SELECT pg_create_logical_replication_slot('to_clone', 'pgoutput')});
$hub->backup('base');
my $clone = PostgreSQL::Test::Cluster->new('clone');
$clone->init_from_backup($hub, 'base', has_streaming => 1);
$clone->start;
$hub->wait_for_catchup($clone);
$clone->promote;
$own = evidence($clone);
$map = map_of($clone);
sql($clone, 'postgres', "CREATE SUBSCRIPTION cloned CONNECTION '$connection' PUBLICATION everything WITH (copy_data = false, create_slot = false, slot_name = 'to_clone')");
psql_as($hub, 'postgres', 'crm', 'UPDATE item SET price = 78 WHERE id = 1; SELECT note FROM item');
hub(q{SELECT ownership.flush(); UPDATE ownership.conflict SET resolution = 'dismissed'; DELETE FROM ownership.declared_access; UPDATE item SET note = 'x' WHERE id = 5; INSERT INTO landed VALUES (1, 'a')});
$hub->wait_for_catchup('cloned');
is(evidence($clone), $own, 'a clone keeps the evidence');
is(map_of($clone), $map, 'and the map that it had');
is(sql($clone, 'postgres', 'SELECT v FROM landed'), 'a', 'while rows come');
psql_as($clone, 'postgres', 'crm', 'UPDATE item SET price = 79 WHERE id = 1');
is(sql($clone, 'postgres', q{SELECT count(*) FROM ownership.conflict WHERE proposed = '{"price": "79"}'}), '1', 'its own evidence has ids of its own');
$clone->stop;
hub(q{SELECT pg_drop_replication_slot('to_clone')});

#
# A hub without the library preloaded: the first that loads it may be a row
# that comes, or SQL that runs in the worker.
#
my $plain = new_node('plain', extra => $extra);
sql($plain, 'postgres', 'CREATE ROLE erp LOGIN; CREATE ROLE crm LOGIN');
foreach my $db ('by_row', 'by_sql')
{
	sql($plain, 'postgres', "CREATE DATABASE $db");
	setup($plain, $db);
	$map = map_of($plain, $db);
	sql($plain, $db, q{
		ALTER TABLE item DISABLE TRIGGER USER;
		CREATE FUNCTION note_system() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $$
		BEGIN
			INSERT INTO ownership.system (name) VALUES (NEW.note);
			RETURN NULL;
		END $$;
		CREATE TRIGGER note_system AFTER UPDATE ON item FOR EACH ROW EXECUTE FUNCTION note_system();
		ALTER TABLE item ENABLE ALWAYS TRIGGER note_system;
		INSERT INTO item SELECT i, i FROM generate_series(1, 10) i});
	hub("SELECT pg_create_logical_replication_slot('plain_$db', 'pgoutput')");
	hub('SET ownership.enforcement = off;' . ($db eq 'by_sql' ? q{UPDATE item SET note = 'from_sql' WHERE id = 2; INSERT INTO ownership.system (name) VALUES ('from_row')}
		: q{INSERT INTO ownership.system (name) VALUES ('from_row2'); UPDATE item SET note = 'from_sql' WHERE id = 3}));
	sql($plain, $db, "CREATE SUBSCRIPTION plain_$db CONNECTION '$connection' PUBLICATION everything WITH (copy_data = false, create_slot = false)");
	$hub->wait_for_catchup("plain_$db");
	is(map_of($plain, $db), $map =~ s/^(?=system\|pim|\z)//r =~ s/(system\|erp\|erp\n)/$1system|from_sql|other\n/r, "not preloaded, loaded $db: SQL counts, rows do not");
	sql($plain, $db, "ALTER SUBSCRIPTION plain_$db DISABLE; ALTER SUBSCRIPTION plain_$db SET (slot_name = NONE); DROP SUBSCRIPTION plain_$db");
	hub("SELECT pg_drop_replication_slot('plain_$db')");
}

$_->stop foreach ($plain, $next, $hub);
done_testing();
