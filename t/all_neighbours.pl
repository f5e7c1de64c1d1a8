# Preloaded beside other libraries, in any order: the guard, lifting, what is
# counted and what is followed stay as they are, and the neighbours go on with
# their own work as if ownership were not there.
#
# Each neighbour stands once before and once after ownership, and all of them
# in an order and in its reverse, which has each pair in both orders.  A
# library that is not installed is left out, and said so.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my @known = qw(pg_stat_statements auto_explain pgaudit pglogical pg_cron);
my %extension = map { $_ => $_ ne 'auto_explain' } @known;
chomp(my $libdir = qx(pg_config --pkglibdir));
my @there = grep { my @file = glob("$libdir/$_.*"); @file } @known;
foreach my $library (@known)
{
	diag("NOT TESTED: $library is not installed") if !grep { $_ eq $library } @there;
}
plan skip_all => 'no neighbour is installed' if !@there;

my $node = new_node('neighbours', activity => 1, extra => <<'END');
ownership.flush_interval = '100ms'
max_replication_slots = 20
pg_stat_statements.save = off
auto_explain.log_min_duration = 0
auto_explain.log_analyze = on
auto_explain.log_timing = off
auto_explain.log_triggers = on
pgaudit.log = 'read, write, ddl'
pgaudit.log_relation = on
pgaudit.log_catalog = off
pgaudit.role = 'auditor'
END
# what has come with a security release asks for the plugins that are trusted
$node->append_conf('postgresql.conf', "output_plugin_libraries = 'pgoutput, pglogical_output'")
  if qx(postgres --describe-config) =~ /^output_plugin_libraries\b/m;
my $db = 'postgres';    # of the combination
my $how;                # the combination, for the names of tests
my $offset;             # where its log begins

sub super { return sql($node, $db, $_[0]) }
sub as { return psql_as($node, $db, @_) }
sub lines { return join("\n", @_) }

# where the setting is a library's own, another one has no use for it
sub loaded
{
	my ($library) = @_;
	return $how =~ /\b$library\b/;
}

sub log_text { return slurp_file($node->logfile, $offset) }

# begin(NAME, LIBRARY ...): a server with these, and an empty database
sub begin
{
	my ($name, @libraries) = @_;

	$how = join(', ', @libraries);
	sql($node, 'postgres', "CREATE DATABASE $name");
	$db = $name;
	$node->append_conf('postgresql.conf', sprintf(<<'END', join(',', @libraries), $name, $node->host, $name =~ /[02468]$/ ? 'on' : 'off'));
shared_preload_libraries = '%s'
cron.database_name = '%s'
cron.host = '%s'
cron.use_background_workers = %s
END
	$node->restart;
	super("CREATE EXTENSION $_") foreach grep { $extension{$_} } @libraries;
	$offset = -s $node->logfile;
	return;
}

# Tables, and with the extension a map of them.
sub setup
{
	super(q{
		CREATE TABLE item (id int PRIMARY KEY, price numeric, title text, seen text, note text);
		CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
		CREATE TRIGGER of_somebody AFTER UPDATE ON item FOR EACH ROW EXECUTE FUNCTION nothing();
		CREATE SCHEMA feed;
		CREATE TABLE feed.item (id int PRIMARY KEY, v int);
		GRANT ALL ON item TO PUBLIC;
		GRANT SELECT (price), UPDATE (price) ON item TO auditor});
	super(q{
		CREATE EXTENSION ownership;
		SELECT ownership.add_system('erp', 'erp', role => 'erp'), ownership.add_system('crm', 'crm', role => 'crm'), ownership.add_system('pim', 'pim');
		SELECT ownership.assign('item', '{id,price}', 'erp'), ownership.assign('item', '{title}', 'pim', policy => 'keep'),
			ownership.assign('item', '{seen}', 'pim', policy => 'observe'), ownership.assign('item', '{note}', 'crm');
		SELECT ownership.add_tables('feed.*', source => 'erp')}) if loaded('ownership');
	return;
}

# What clients do, the same in every combination; the error of the last one.
sub work
{
	as('erp', <<'END');
INSERT INTO item (id, price) VALUES (1, 10), (2, 20), (3, 30);
UPDATE item SET price = price + 1 WHERE id = 1;
UPDATE item SET price = price + 1 WHERE id = 2;
WITH a AS (UPDATE item SET price = 31 WHERE id = 3 RETURNING id) SELECT count(*) FROM a;
PREPARE p (numeric) AS UPDATE item SET price = $1 WHERE id = 3;
EXECUTE p(32);
EXECUTE p(33);
INSERT INTO item (id, price) VALUES (3, 34) ON CONFLICT (id) DO UPDATE SET price = EXCLUDED.price;
SELECT id, price FROM item WHERE id = 1;
COPY item (id, price) FROM stdin;
4	40
5	50
\.
DELETE FROM item WHERE id = 5;
END
	as('crm', <<'END');
UPDATE item SET note = 'mine' WHERE id = 1;
UPDATE item SET note = 'mine', title = 'not mine' WHERE id = 2;
UPDATE item SET seen = 'not mine' WHERE id = 3;
SELECT title FROM item WHERE id = 1;
END
	return error_as($node, $db, 'crm', q{UPDATE item SET price = 0 WHERE id = 1});
}

sub change
{
	super(q{
		ALTER TABLE item RENAME COLUMN price TO list_price;
		ALTER TABLE item RENAME TO article;
		CREATE TABLE feed.later (id int PRIMARY KEY, v int);
		BEGIN;
		CREATE TABLE feed.item_new (id int PRIMARY KEY, v int, w int);
		ALTER TABLE feed.item RENAME TO item_old;
		ALTER TABLE feed.item_new RENAME TO item;
		DROP TABLE feed.item_old;
		COMMIT});
	return;
}

# What the neighbours saw of it.
my %seen = (
	# those that were not rejected
	pg_stat_statements => sub {
		return super(q{
			SELECT r.rolname, query, calls, rows FROM pg_stat_statements s JOIN pg_roles r ON r.oid = userid
			WHERE r.rolname IN ('erp', 'crm') AND dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
				AND query NOT LIKE 'UPDATE item SET price = $1 %' ORDER BY query COLLATE "C"});
	},
	pgaudit => sub {
		# In order.  The extension's own statements are audited, too: they and the
		# statements' numbers are left out.
		return lines(map { s/^(\w+),\d+,\d+,/$1,/r } grep { !/ownership|pg_event_trigger_|pg_stat_statements|,,,,/ } log_text() =~ /AUDIT: (.*)/g);
	},
	# the queries whose plans are logged, those that were not rejected
	auto_explain => sub {
		return lines(grep { !/\bownership\b|price = 0/ } log_text() =~ /Query Text: (.*\bitem\b.*)/g);
	});

# The plan that auto_explain logged of a statement.
sub plan_of
{
	my ($statement) = @_;
	my ($plan) = log_text() =~ /Query Text: \Q$statement\E\n(.*?)\n[^\t]/s;
	return $plan // '';
}

sub guarded
{
	my ($error) = @_;

	like($error, qr/ERROR:  42501: system "crm" may not write column "price" of table "item"/, "$how: a foreign write is rejected");
	wait_for_exits($node, $db);
	super('SELECT ownership.flush()');
	is(super(q{SELECT system, role, operation, outcome, columns, row_key, stored, proposed FROM ownership.conflict ORDER BY outcome}), lines(
			'crm|crm|UPDATE|kept|{title}|{"id": 2}|{"title": null}|{"title": "not mine"}',
			'crm|crm|UPDATE|observed|{seen}|{"id": 3}|{"seen": null}|{"seen": "not mine"}',
			'crm|crm|UPDATE|rejected|{price}|{"id": 1}|{"price": "11"}|{"price": "0"}'),
		"$how: evidence, of the rejected attempt too");
	is(super(q{SELECT column_name, system, reads, writes, observed, kept, rejected FROM ownership.activity WHERE column_name <> '' ORDER BY column_name COLLATE "C", system}), lines(
			'id|crm|5|0|0|0|0', 'id|erp|8|4|0|0|0',
			'note|crm|0|2|0|0|0',
			'price|crm|0|0|0|0|1', 'price|erp|4|8|0|0|0',
			'seen|crm|0|1|1|0|0',
			'title|crm|1|0|0|1|0'),
		"$how: activity");
	return;
}

sub followed
{
	is(super(q{SELECT relation, string_agg(column_name, ' ' ORDER BY column_name), bool_and(guarded) FROM ownership.map GROUP BY 1 ORDER BY 1}),
		"article|id list_price note seen title|t\nfeed.item|id v w|t\nfeed.later|id v|t", "$how: the map follows DDL");
	is(super('SELECT * FROM article ORDER BY id'), "1|11|||mine\n2|21|||mine\n3|34||not mine|\n4|40|||", "$how: rows hold what their writers may write");
	is(super(q{SELECT count(*) FROM ownership.risks WHERE risk IN ('unguarded', 'broken_mirror')}), '0', "$how: and the guard does");
	like(error_as($node, $db, 'crm', 'UPDATE article SET list_price = 0 WHERE id = 1'), qr/ERROR:  42501: .*"list_price" of table "article"/, "$how: as the next write sees");
	# the first statement of a session looks at its first row
	my $analyze = 'EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) UPDATE article SET';
	unlike(as('erp', "UPDATE article SET list_price = 11 WHERE id = 1; $analyze list_price = 11 WHERE id = 1"), qr/Trigger zzzz/, "$how: the owner's statement is lifted");
	like(as('erp', "UPDATE article SET list_price = 11 WHERE id = 1; $analyze title = NULL WHERE id = 1"), qr/Trigger zzzz_ownership_amend: calls=1/, "$how: another one is not");
	return;
}

#
# A feed by pglogical: its writes are judged by its origin's name.
#
sub replicate
{
	my $hub = $db;

	sql($node, 'postgres', "CREATE DATABASE source_of_$hub");
	sql($node, "source_of_$hub", q{
		CREATE TABLE product (id int PRIMARY KEY, title text, price numeric);
		INSERT INTO product VALUES (0, 'copied', 7);
		CREATE EXTENSION pglogical;
		SELECT pglogical.create_node('source', '} . connstr($node, "source_of_$hub") . q{');
		SELECT pglogical.replication_set_add_table('default', 'product')});
	super(q{
		CREATE TABLE product (id int PRIMARY KEY, title text, price numeric);
		SELECT ownership.assign('product', '{id,title}', 'pim'), ownership.assign('product', '{price}', 'erp');
		SELECT pglogical.create_node('hub', '} . connstr($node, $hub) . q{')});
	super(qq{SELECT ownership.identify('pim', origin => 'pgl_${hub}_source_feed')});
	super(q{SELECT pglogical.create_subscription('feed', '} . connstr($node, "source_of_$hub") . q{')});
	wait_for($node, $db, q{SELECT status FROM pglogical.show_subscription_status('feed')}, 'replicating');
	sql($node, "source_of_$hub", $_) foreach
	  q{INSERT INTO product VALUES (1, 'Lamp', NULL), (2, 'Desk', NULL), (3, 'Sofa', 1)},
	  q{UPDATE product SET title = 'LAMP', price = 9 WHERE id = 1},
	  q{DELETE FROM product WHERE id = 2},
	  q{INSERT INTO product VALUES (4, 'last', NULL)};
	wait_for($node, $db, q{SELECT count(*) FROM product WHERE title = 'last'}, '1');
	is(super('SELECT * FROM product ORDER BY id'), "0|copied|\n1|LAMP|\n3|Sofa|\n4|last|", "$how: pglogical brings what its system may write, from the copy on");
	is(super(q{SELECT system, operation, outcome, columns, row_key, proposed, origin = (SELECT sub_slot_name FROM pglogical.subscription)
			FROM ownership.conflict WHERE table_name = 'product' ORDER BY id}), lines(
			'pim|INSERT|kept|{price}|{"id": 0}|{"price": "7"}|t',
			'pim|INSERT|kept|{price}|{"id": 3}|{"price": "1"}|t',
			'pim|UPDATE|kept|{price}|{"id": 1}|{"price": "9"}|t'),
		"$how: the rest is evidence of its origin");
	super(q{DELETE FROM ownership.identity WHERE kind = 'origin'});
	sql($node, "source_of_$hub", q{UPDATE product SET title = 'x' WHERE id = 1; INSERT INTO product VALUES (5, 'nobody', NULL); CREATE TABLE done (id int PRIMARY KEY);
		SELECT pglogical.replication_set_add_table('default', 'done')});
	super('CREATE TABLE done (id int PRIMARY KEY)');
	sql($node, "source_of_$hub", q{INSERT INTO done VALUES (1)});
	wait_for($node, $db, 'SELECT count(*) FROM done', '1');
	is(super('SELECT * FROM product ORDER BY id'), "0|copied|\n1|LAMP|\n3|Sofa|\n4|last|", "$how: an origin that is mapped to nothing is nobody");
	is(super(q{SELECT status FROM pglogical.show_subscription_status('feed')}), 'replicating', "$how: and the stream goes on");
	super(q{SELECT pglogical.drop_subscription('feed')});
	return;
}

#
# Jobs of pg_cron are judged by their role.
#
sub schedule
{
	super('GRANT USAGE ON SCHEMA cron TO crm');
	as('crm', q{SELECT cron.schedule('mine', '@reboot', 'UPDATE article SET note = $$by cron$$ WHERE id = 4');
		SELECT cron.schedule('not mine', '@reboot', 'UPDATE article SET list_price = 0 WHERE id = 4')});
	super(q{SELECT ownership.flush(); TRUNCATE ownership.activity, ownership.conflict});
	$node->restart;
	wait_for($node, $db, q{SELECT count(*) FROM cron.job_run_details WHERE status IN ('succeeded', 'failed')}, '2');
	is(super('SELECT list_price, note FROM article WHERE id = 4'), '40|by cron', "$how: a job of pg_cron writes what its role may");
	is(super(q{SELECT username, status, return_message ~ 'system "crm" may not write column "list_price"' FROM cron.job_run_details ORDER BY status}),
		"crm|failed|t\ncrm|succeeded|f", "$how: and is told of what it may not");
	super('SELECT ownership.flush()');
	wait_for($node, $db, q{SELECT count(*) FROM ownership.conflict}, '1');
	is(super(q{SELECT system, role, outcome, columns FROM ownership.conflict}), 'crm|crm|rejected|{list_price}', "$how: which is evidence");
	return;
}

# As it is without us.
my $n = 0;
my %alone;
sql($node, 'postgres', 'CREATE ROLE erp LOGIN; CREATE ROLE crm LOGIN; CREATE ROLE auditor');
begin('alone', @there);
setup();
is(work(), '', 'without ownership nothing is rejected');
change();
$alone{$_} = $seen{$_}->() foreach grep { $seen{$_} } @there;

my $half = int(@there / 2);
my @all = (@there[ 0 .. $half - 1 ], 'ownership', @there[ $half .. $#there ]);
my @orders = ((map { ([ $_, 'ownership' ], [ 'ownership', $_ ]) } @there), \@all, [ reverse @all ]);

foreach my $order (@orders)
{
	begin('hub' . $n++, @$order);
	setup();
	guarded(work());
	like(plan_of('UPDATE item SET price = price + 1 WHERE id = 2;'), qr/Update on item.*Trigger of_somebody: calls=1$/s, "$how: a lifted statement's plan is logged, with the triggers that fired")
	  if loaded('auto_explain');
	change();
	foreach my $library (grep { loaded($_) && $seen{$_} } @there)
	{
		is($seen{$library}->(), $alone{$library}, "$how: $library sees what it sees without ownership");
	}
	followed();
	replicate() if loaded('pglogical');
	schedule() if loaded('pg_cron');
}

unlike(slurp_file($node->logfile), qr/WARNING:.*(leak|not closed|still referenced)|PANIC:|TRAP:|terminated by signal/, 'nothing is amiss in the log');
$node->stop;
done_testing();
