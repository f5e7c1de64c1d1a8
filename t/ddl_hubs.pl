# Two hubs with one map: its tables travel by logical replication.  See doc/how-to/many-hubs.md.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $first = new_node('first', preload => 1, activity => 1);
my $second = new_node('second', preload => 1, activity => 1,
	extra => "wal_retrieve_retry_interval = '100ms'\nownership.guard_arriving = on\n");
sub first { return sql($first, 'postgres', $_[0]) }
sub second { return sql($second, 'postgres', $_[0]) }

my $tables = 'CREATE SCHEMA erp; CREATE TABLE product (sku text PRIMARY KEY, price numeric, title text); CREATE TABLE erp.item (id int PRIMARY KEY, price numeric)';
for my $node ($first, $second) {
	sql($node, 'postgres', "CREATE ROLE erp_role LOGIN; CREATE ROLE pim_role LOGIN; $tables; GRANT ALL ON product TO erp_role, pim_role; CREATE EXTENSION ownership");
}
first(q{SELECT ownership.add_system('erp', 'erp', role => 'erp_role'), ownership.add_system('pim', 'pim', role => 'pim_role');
	SELECT ownership.assign('product', '{sku,price}', 'erp'), ownership.assign('product', '{title}', 'pim', policy => 'keep');
	SELECT ownership.add_tables('erp.*', source => 'erp');
	UPDATE ownership.domain SET note = 'ours' WHERE name = 'price';
	INSERT INTO ownership.domain (name, title) VALUES ('bins', 'Bins');
	DELETE FROM ownership.domain WHERE name = 'tax'});

my $publication = 'CREATE PUBLICATION ownership_map FOR TABLE ownership.system, ownership.identity, ownership.domain, ownership.deleted_domain,
	ownership.field, ownership.declared_access, ownership.mirrored_pattern, ownership.mirrored_table, ownership.mirrored_column,
	ownership.row_owner, ownership.pin, ownership.handover';
first($publication);
my $conninfo = connstr($first, 'postgres');
second("CREATE SUBSCRIPTION ownership_map CONNECTION '$conninfo' PUBLICATION ownership_map");
wait_for($second, 'postgres', "SELECT bool_and(srsubstate IN ('s', 'r')) FROM pg_subscription_rel");
sub there { $first->wait_for_catchup('ownership_map'); return }
sub same
{
	my ($what) = @_;
	there();
	for my $table (qw(system identity domain deleted_domain field declared_access mirrored_pattern mirrored_table mirrored_column row_owner pin handover)) {
		my $query = "SELECT md5(coalesce(string_agg(t::text, ';' ORDER BY t::text), '')) FROM ownership.$table t";
		is(second($query), first($query), "$what: $table");
	}
	return;
}
sub guarded { return second(q{SELECT relation, guarded FROM ownership.guards ORDER BY 1}) }

same('the first copy');
wait_for($second, 'postgres', 'SELECT count(*) = 2 AND bool_and(guarded) FROM ownership.guards');
is(guarded(), "erp.item|t\nproduct|t", 'what arrives is guarded');
like(error_as($second, 'postgres', 'pim_role', q{INSERT INTO product VALUES ('a', 1)}), qr/system "pim" may not write columns "sku", "price"/, 'the rules hold there');
is(second(q{SELECT risk, relation FROM ownership.risks WHERE risk IN ('unguarded', 'map_behind')}), '', 'no risk');

first(q{UPDATE ownership.field SET owner = 'pim', decided_by = 'Anna', rationale = 'it has them' WHERE name = 'price' AND entity = 'product';
	UPDATE ownership.domain SET note = 'theirs' WHERE name = 'stock';
	DELETE FROM ownership.domain WHERE name = 'bins';
	INSERT INTO ownership.domain (name, title) VALUES ('tax', 'Taxes');
	SELECT ownership.assign_rows('product', '{title}', 'erp', 'price > 5')});
same('edits');
is(second(q{SELECT new ->> 'owner', new ->> 'decided_by', new ->> 'rationale' FROM ownership.map_history WHERE map_table = 'field' ORDER BY id DESC LIMIT 1}),
	'pim|Anna|it has them', 'who decided, and why, is in the history there');
second(q{SET ownership.enforcement = off; INSERT INTO product VALUES ('a', 1, 't')});
like(error_as($second, 'postgres', 'erp_role', 'UPDATE product SET price = 2'), qr/system "erp" may not write/, 'the new owner counts');

# a system that gets another name, with activity there
second('SELECT ownership.flush()');
is(second(q{SELECT DISTINCT system FROM ownership.activity WHERE system IS NOT NULL ORDER BY 1}), "erp\npim", 'activity there');
first(q{UPDATE ownership.system SET name = 'netsuite' WHERE name = 'erp'});
same('another name');
is(second(q{SELECT DISTINCT system FROM ownership.activity WHERE system IS NOT NULL ORDER BY 1}), "netsuite\npim", 'activity follows');
is(second(q{SELECT DISTINCT system FROM ownership.conflict ORDER BY 1}), "netsuite\npim", 'evidence follows');
is(second(q{SELECT risk FROM ownership.risks WHERE risk = 'map_behind'}), '', 'the map is whole');

# a table that is locked, and one that comes later
first('CREATE TABLE shelf (id int PRIMARY KEY, place text); CREATE TABLE later (id int PRIMARY KEY)');
second('CREATE TABLE shelf (id int PRIMARY KEY, place text)');
my $holder = $second->background_psql('postgres');
$holder->query_safe('BEGIN; LOCK TABLE shelf');
first(q{SELECT ownership.assign('shelf', NULL, 'pim'), ownership.assign('later', NULL, 'pim')});
same('more tables');
like(guarded(), qr/^shelf\|f/m, 'a table that is locked is not guarded yet');
is(second(q{SELECT risk, relation FROM ownership.risks WHERE risk = 'unguarded'}), 'unguarded|shelf', 'and is a risk');
is(second(q{SELECT count(*) FROM pg_locks WHERE relation = 'product'::regclass AND mode = 'ShareRowExclusiveLock'}), 0, 'others are not locked');
$holder->query_safe('COMMIT');
$holder->quit;
wait_for($second, 'postgres', q{SELECT guarded FROM ownership.guards WHERE relation = 'shelf'});
ok(1, 'and is, when the lock is gone');
second('CREATE TABLE later (id int PRIMARY KEY)');
is(second(q{SELECT guarded FROM ownership.guards WHERE relation = 'later'}), 't', 'a table that comes later');

# a guard that somebody takes away stays away
second(q{SELECT ownership.unguard('shelf')});
first(q{CREATE TABLE more (id int PRIMARY KEY)});
second('CREATE TABLE more (id int PRIMARY KEY)');
first(q{SELECT ownership.assign('more', NULL, 'pim')});
there();
wait_for($second, 'postgres', q{SELECT guarded FROM ownership.guards WHERE relation = 'more'});
like(guarded(), qr/^shelf\|f/m, 'a guard that was taken away stays away');

# a hub that was down catches up
$second->stop('fast');
first(q{UPDATE ownership.field SET policy = 'observe' WHERE entity = 'product'; DELETE FROM ownership.mirrored_table WHERE table_name = 'more'; DELETE FROM ownership.field WHERE entity = 'more';
	INSERT INTO ownership.system (name) VALUES ('bi'); DELETE FROM ownership.system WHERE name = 'bi'});
$second->start;
same('after a stop');

# a hub that subscribes again takes the values, and keeps what refers to the rows
my $columns = second('SELECT count(*) FROM ownership.mirrored_column');
second('DROP SUBSCRIPTION ownership_map');
second(q{UPDATE ownership.field SET label = 'ours' WHERE name = 'price'; UPDATE ownership.system SET title = 'ours'; UPDATE ownership.domain SET note = 'ours' WHERE name = 'tax'});
second("CREATE SUBSCRIPTION ownership_map CONNECTION '$conninfo' PUBLICATION ownership_map");
wait_for($second, 'postgres', "SELECT bool_and(srsubstate IN ('s', 'r')) FROM pg_subscription_rel");
same('subscribed again');
cmp_ok($columns, '>', 0, 'there are columns');
is(second('SELECT count(*) FROM ownership.mirrored_column'), $columns, 'and none is lost');

# not without the setting
second('ALTER SYSTEM SET ownership.guard_arriving = off');
$second->reload;
sleep 1;
first('CREATE TABLE bare (id int PRIMARY KEY)');
second('CREATE TABLE bare (id int PRIMARY KEY)');
first(q{SELECT ownership.assign('bare', NULL, 'pim')});
there();
second('SELECT ownership.flush()');
sleep 1;
is(second(q{SELECT guarded FROM ownership.guards WHERE relation = 'bare'}), 'f', 'not without the setting');
is(second(q{SELECT risk, relation FROM ownership.risks WHERE risk IN ('unguarded', 'map_behind') AND relation = 'bare'}), 'unguarded|bare', 'which is a risk');
second('CALL ownership.guard_all()');
is(second(q{SELECT guarded FROM ownership.guards WHERE relation = 'bare'}), 't', 'guard_all() does it');
done_testing();
