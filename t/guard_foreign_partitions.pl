# Partitions on another server, by postgres_fdw: the guard of the partitioned table covers
# them, and judges a row before it is sent.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $hub = new_node('hub', preload => 1);
plan(skip_all => 'postgres_fdw is not installed') if sql($hub, 'postgres', q{SELECT count(*) FROM pg_available_extensions WHERE name = 'postgres_fdw'}) eq '0';
my $shard = new_node('shard');
my $version = $hub->pg_version;
sub hub { return sql($hub, 'postgres', $_[0]) }
sub shard { return sql($shard, 'postgres', $_[0]) }

# by(ROLE, SQL): its output, or its error
sub by
{
	my ($role, $sql, @more) = @_;
	my ($rc, $stdout, $stderr) = $hub->psql('postgres', $sql, extra_params => [ '-U', $role, '-v', 'VERBOSITY=terse', @more ]);
	return $rc == 0 ? $stdout : $stderr =~ s/^psql:<stdin>:\d+: //mgr;
}

# On the shard, sequences count the statements and the rows that reach a table, also those
# of transactions that are rolled back.
shard(q{
	CREATE SEQUENCE statements;
	CREATE SEQUENCE rows;
	CREATE FUNCTION counts() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS $$
	BEGIN
		PERFORM nextval(CASE TG_LEVEL WHEN 'ROW' THEN 'rows'::regclass ELSE 'statements'::regclass END);
		RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
	END $$;
	CREATE TABLE us (title text, note text, qty int, price numeric, region text, id int PRIMARY KEY, CHECK (region = 'us'));
	CREATE TABLE ca (LIKE us INCLUDING INDEXES);
	CREATE TRIGGER a AFTER INSERT OR UPDATE OR DELETE ON us FOR EACH STATEMENT EXECUTE FUNCTION counts();
	CREATE TRIGGER b BEFORE INSERT OR UPDATE OR DELETE ON us FOR EACH ROW EXECUTE FUNCTION counts();
	CREATE TRIGGER a AFTER INSERT OR UPDATE OR DELETE ON ca FOR EACH STATEMENT EXECUTE FUNCTION counts();
	CREATE TRIGGER b BEFORE INSERT OR UPDATE OR DELETE ON ca FOR EACH ROW EXECUTE FUNCTION counts();
	CREATE ROLE carrier LOGIN;
	GRANT ALL ON us, ca, statements, rows TO carrier});
my $host = $shard->host;
my $port = $shard->port;
hub(qq{
	CREATE EXTENSION ownership;
	CREATE EXTENSION postgres_fdw;
	CREATE ROLE erp LOGIN; CREATE ROLE pim LOGIN;
	CREATE SERVER shard FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '$host', port '$port', dbname 'postgres');
	CREATE USER MAPPING FOR PUBLIC SERVER shard OPTIONS (user 'carrier', password_required 'false');
	CREATE TABLE stock (id int, region text, price numeric, qty int, note text, title text) PARTITION BY LIST (region);
	CREATE TABLE stock_eu PARTITION OF stock FOR VALUES IN ('eu');
	CREATE FOREIGN TABLE stock_us PARTITION OF stock FOR VALUES IN ('us') SERVER shard OPTIONS (table_name 'us');
	SELECT ownership.add_system('erp', 'erp', role => 'erp'), ownership.add_system('pim', 'pim', role => 'pim');
	SELECT ownership.assign('stock', '{id,region,price}', 'erp'), ownership.assign('stock', '{qty}', 'erp', policy => 'keep'),
		ownership.assign('stock', '{note}', 'erp', policy => 'observe'), ownership.assign('stock', '{title}', 'pim', policy => 'keep');
	UPDATE ownership.field SET key = (name = 'id') WHERE entity = 'stock';
	-- a partition that comes later; it takes a hundred rows at a time
	CREATE FOREIGN TABLE stock_ca PARTITION OF stock FOR VALUES IN ('ca') SERVER shard OPTIONS (table_name 'ca', batch_size '100');
	GRANT ALL ON stock, stock_eu, stock_us, stock_ca TO erp, pim;
	CREATE VIEW evidence AS SELECT table_name, row_key, operation, system, outcome, columns, proposed FROM ownership.conflict ORDER BY id});
is(hub(q{SELECT guarded, problems FROM ownership.guards}), 't|{}', 'the guard covers the foreign partitions');
is(hub(q{SELECT tgrelid::regclass, count(*) FROM pg_trigger WHERE tgname IN ('zzzz_ownership_amend', 'zzzz_ownership_judge') GROUP BY 1 ORDER BY min(tgrelid::regclass::text)}),
	"stock|2\nstock_ca|2\nstock_eu|2\nstock_us|2", 'by triggers of each');

my ($statements, $rows) = (0, 0);
# sent(): statements and rows that have reached the shard since the last call
sub sent
{
	my ($s, $r) = split /\|/, shard(q{SELECT (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM statements), (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM rows)});
	my $result = ($s - $statements) . ' ' . ($r - $rows);
	($statements, $rows) = ($s, $r);
	return $result;
}
sub evidence { my $e = hub('TABLE evidence'); hub('DELETE FROM ownership.conflict'); return $e }

#
# INSERT, COPY, batches
#
is(by('erp', q{INSERT INTO stock VALUES (1, 'eu', 1, 1, 'n', NULL), (2, 'us', 2, 2, 'n', NULL), (3, 'ca', 3, 3, 'n', NULL)}), '', 'the owner of the key inserts');
is(sent(), '2 2', 'which reaches the shard');
like(by('pim', q{INSERT INTO stock (id, region, title) VALUES (9, 'us', 'nine')}), qr/system "pim" may not/, 'another may not');
is(by('erp', q{INSERT INTO stock VALUES (4, 'us', 4, 4, 'n', 'not theirs')}), '', 'a value is kept');
is(shard('TABLE us ORDER BY id'), "|n|2|2|us|2\n|n|4|4|us|4", 'the default is sent instead');
is(evidence(), q(stock|{"id": 4}|INSERT|erp|kept|{title}|{"title": "not theirs"}), 'with evidence');
is(sent(), '1 1', 'and the refused row was not sent');
like(by('pim', "COPY stock (id, region, title) FROM stdin;\n7\tus\tseven\n8\tca\teight\n\\.\n"), qr/may not/, 'COPY is judged');
is(by('erp', "COPY stock (id, region, price, title) FROM stdin;\n5\tus\t5\tnot theirs\n6\tca\t6\tnot theirs\n\\.\n"), '', 'of COPY, values are kept');
is(evidence(), qq(stock|{"id": 5}|INSERT|erp|kept|{title}|{"title": "not theirs"}\nstock|{"id": 6}|INSERT|erp|kept|{title}|{"title": "not theirs"}), 'with evidence');
is(sent(), '2 2', 'and no refused row was sent');
like(by('pim', "COPY stock_us (id, region, title) FROM stdin;\n7\tus\tseven\n\\.\n"), qr/may not/, 'so is COPY of the partition');
is(by('erp', q{INSERT INTO stock_ca (id, region, price, title) SELECT i, 'ca', i, 'not theirs' FROM generate_series(100, 299) i}), '', 'many rows');
is(hub(q{SELECT count(*) FROM evidence WHERE outcome = 'kept'}), 200, 'each is judged');
is(shard(q{SELECT count(*), count(title) FROM ca WHERE id >= 100}), '200|0', 'and sent without what is not theirs');
hub('DELETE FROM ownership.conflict');
is(sent(), '200 200', 'a row at a time: PostgreSQL sends no batches beside row triggers');
is(by('erp', q{INSERT INTO stock (id, region, price) SELECT i, 'ca', i FROM generate_series(300, 399) i}), '', 'rows that need no judgement');
is(sent(), '100 100', 'are sent a row at a time, too');
is(by('erp', q{INSERT INTO stock VALUES (2, 'us', 22, 22, 'n', NULL) ON CONFLICT DO NOTHING}), '', 'ON CONFLICT DO NOTHING');
is(shard(q{SELECT price FROM us WHERE id = 2}), 2, 'leaves the row');
like(by('erp', q{INSERT INTO stock VALUES (2, 'us', 22) ON CONFLICT (id) DO UPDATE SET price = 22}), qr/no unique or exclusion constraint/, 'there is no other upsert: no unique index covers a foreign partition');
like(by('pim', q{INSERT INTO stock (id, region, title) VALUES (2, 'us', 'two') ON CONFLICT DO NOTHING}), qr/may not/, 'which is judged as the INSERT it is');
sent();
evidence();

#
# UPDATE and DELETE do not go round the guard
#
unlike(by('pim', q{EXPLAIN (VERBOSE, COSTS OFF) UPDATE stock_us SET price = 0}), qr/->  Foreign Update/, 'PostgreSQL does not push the UPDATE down');
unlike(by('erp', q{EXPLAIN (VERBOSE, COSTS OFF) DELETE FROM stock WHERE region = 'us'}), qr/->  Foreign Delete/, 'nor the DELETE');
foreach my $target ("stock WHERE region = 'us'", 'stock_us', 'ONLY stock_us')
{
	my ($table, $where) = $target =~ /^(.*?)( WHERE .*)?$/;
	$where //= '';
	like(by('pim', "UPDATE $table SET price = 0$where"), qr/may not write column "price"/, "UPDATE of $target is judged");
	like(by('pim', "DELETE FROM $table$where"), qr/may not delete rows/, "DELETE of $target");
	is(sent(), '0 0', 'before anything is sent');
}
is(by('pim', q{UPDATE stock SET title = 'title', qty = 0, note = 'seen' WHERE id IN (2, 3)}), '', 'an UPDATE of which values are kept');
is(shard('SELECT title, qty, note FROM us WHERE id = 2 UNION ALL SELECT title, qty, note FROM ca WHERE id = 3'), "title|2|seen\ntitle|3|seen", 'the rest is sent');
is(sent(), '2 2', 'a row at a time');
is(evidence(), join("\n", map {; qq(stock|{"id": $_}|UPDATE|pim|observed|{note}|{"note": "seen"}), qq(stock|{"id": $_}|UPDATE|pim|kept|{qty}|{"qty": "0"}) } 3, 2), 'with evidence');
# an UPDATE that needs no judgement
is(by('pim', q{UPDATE stock SET title = 'x' WHERE region = 'us'}), '', 'an UPDATE by who may');
is(sent(), '3 3', 'is sent a row at a time, too');
# a plan that was made before the guard
is(by('postgres', q{SELECT ownership.unguard('stock'); PREPARE p AS UPDATE stock SET price = 0 WHERE region = 'us'; SET plan_cache_mode = force_generic_plan;
	BEGIN; EXECUTE p; ROLLBACK; SELECT ownership.guard('stock'); SET ROLE pim; EXECUTE p}) =~ s/^\s+//r, qq(ERROR:  system "pim" may not write column "price" of table "stock"), 'a plan that was made before the guard is made anew');
is(sent(), '1 3', 'only the one before the guard was pushed down');
is(shard('SELECT count(*) FROM us WHERE price = 0'), 0, 'and that was rolled back');
is(by('erp', q{DELETE FROM stock WHERE id = 5}), '', 'the owner of the key deletes');
is(shard('SELECT count(*) FROM us WHERE id = 5'), 0, 'over there');
is(hub('SELECT count(*) FROM ownership.conflict'), 0, 'nothing is remembered: no unique index covers the key');

#
# Moves
#
is(by('erp', q{UPDATE stock SET region = 'us', title = 'not theirs' WHERE id = 1 AND region = 'eu'}), '', 'a row moves to a foreign partition');
is(hub('SELECT tableoid::regclass, id, title FROM stock WHERE id = 1'), 'stock_us|1|', 'with what may be written');
is(evidence(), q(stock|{"id": 1}|UPDATE|erp|kept|{title}|{"title": "not theirs"}), 'judged as the UPDATE it is');
by('erp', q{INSERT INTO stock VALUES (10, 'eu', 10), (11, 'eu', 11)});
sent();
like(by('pim', q{UPDATE stock SET region = 'us', title = 'x' WHERE id = 10 AND region = 'eu'}), qr/may not write column "region"/, 'who may not move it does not');
is(sent(), '0 0', 'and nothing is sent');
like(by('erp', q{UPDATE stock SET region = 'us' WHERE id = 10}), qr/cannot route tuples into foreign table to be updated/, 'PostgreSQL moves none into a partition that the statement may update, too');
# out of a foreign partition PostgreSQL moves nothing: it sends the UPDATE
like(by('erp', q{UPDATE stock SET region = 'eu' WHERE id = 2 AND region = 'us'}), qr/violates check constraint/, 'none moves out of one: a CHECK over there refuses it');
is(by('erp', q{UPDATE stock SET region = 'eu' WHERE id = 3 AND region = 'ca'}), '', 'without the CHECK it goes through');
is(shard('SELECT region FROM ca WHERE id = 3'), 'eu', 'and the row is where it does not belong');
like(by('pim', q{UPDATE stock SET region = 'us' WHERE region = 'ca'}), qr/may not write column "region"/, 'which is judged, too');
shard(q{UPDATE ca SET region = 'ca'});

#
# TRUNCATE
#
foreach my $table (qw(stock stock_us))
{
	like(by('pim', "TRUNCATE $table"), qr/may not truncate/, "TRUNCATE of $table is judged");
}
is(shard('SELECT count(*) > 0 FROM us'), 't', 'before anything is sent');
is(by('erp', 'TRUNCATE stock_us'), '', 'the owner of the key truncates');
is(shard('SELECT count(*) FROM us'), 0, 'over there');

#
# Without the library at the start: 15 has no trigger for TRUNCATE of a foreign table
#
$hub->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
$hub->restart;
by('erp', q{INSERT INTO stock VALUES (20, 'us', 20)});
like(by('pim', q{UPDATE stock SET price = 0 WHERE id = 20}), qr/may not write/, 'not preloaded: an UPDATE is judged');
if ($version < 16)
{
	like(hub(q{SELECT detail FROM ownership.risks WHERE risk = 'unguarded'}), qr/TRUNCATE of foreign table/, 'the TRUNCATE is a risk');
	is(by('pim', 'TRUNCATE stock_us'), '', 'because it goes through');
}
else
{
	is(hub(q{SELECT detail FROM ownership.risks WHERE risk = 'unguarded'}), '', 'no risk');
	like(by('pim', 'TRUNCATE stock_us'), qr/may not truncate/, 'TRUNCATE is judged by a trigger');
}

#
# A shard with a guard of its own judges by the role that the user mapping names
#
shard(q{
	CREATE EXTENSION ownership;
	CREATE ROLE erp LOGIN; CREATE ROLE pim LOGIN;
	GRANT ALL ON us, ca, statements, rows TO erp, pim;
	SELECT ownership.add_system('erp', 'erp', role => 'erp'), ownership.add_system('pim', 'pim', role => 'pim');
	SELECT ownership.assign('us', '{id,price}', 'erp'), ownership.assign('us', '{title}', 'pim')});
like(by('erp', q{INSERT INTO stock (id, region, price) VALUES (21, 'us', 21)}), qr/unidentified.*may not|may not/, 'one role for all is nobody over there');
hub(qq{CREATE USER MAPPING FOR $_ SERVER shard OPTIONS (user '$_', password_required 'false')}) foreach qw(erp pim);
is(by('erp', q{INSERT INTO stock (id, region, price) VALUES (21, 'us', 21)}), '', 'a role a system is judged as that system');
is(by('pim', q{UPDATE stock SET title = 'x' WHERE id = 21}), '', 'each');
hub(q{UPDATE ownership.field SET policy = 'observe' WHERE entity = 'stock'});
like(by('pim', q{UPDATE stock SET price = 0 WHERE id = 21}), qr/system "pim" may not write column "price" of table "us"/, 'also where the hub lets it through');
done_testing();
