# Which writes activity counts of statements that write in WITH, and by rules:
# those that wrote a row; and that the writer is the one of the statement's
# beginning.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = new_node('hub', preload => 1, activity => 1, extra => "ownership.flush_interval = '1h'\n");
sub super { return sql($node, 'postgres', $_[0]) }

super(q{
	CREATE EXTENSION ownership;
	CREATE ROLE erp LOGIN;
	CREATE ROLE crm LOGIN;
	GRANT crm TO erp;
	ALTER ROLE erp NOINHERIT;
	CREATE TABLE item (id int PRIMARY KEY, price int, title text);
	CREATE TABLE other (id int PRIMARY KEY, n int);
	CREATE TABLE parted (id int PRIMARY KEY, n int) PARTITION BY RANGE (id);
	CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (1) TO (10);
	CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10) TO (20);
	INSERT INTO item SELECT i, i, 't' FROM generate_series(1, 3) i;
	INSERT INTO parted VALUES (1, 1), (11, 11);
	CREATE TABLE ruled (id int);
	CREATE RULE also AS ON INSERT TO ruled DO ALSO UPDATE item SET price = 9 WHERE id = new.id;
	GRANT ALL ON item, other, parted, ruled TO PUBLIC;
	CREATE FUNCTION become(role name) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN EXECUTE format('SET LOCAL ROLE %I', role); RETURN true; END $$;
	SELECT ownership.add_system('erp', 'erp', role => 'erp'), ownership.add_system('crm', 'crm', role => 'crm');
	SELECT ownership.assign('item', NULL, 'erp'), ownership.assign('other', NULL, 'erp'), ownership.assign('parted', NULL, 'erp')});

# what each piece of SQL, sent by itself in a session of the ERP, adds to writes
sub writes
{
	super('SELECT ownership.flush(); DELETE FROM ownership.activity');
	my ($rc, $out, $err) = $node->psql('postgres', join(";\n", 'SET ownership.lift = ' . $_[0], $_[1], 'SELECT ownership.flush()', ''),
		extra_params => [ '-U', 'erp' ]);
	is($err, '', 'no error') if $err ne '';
	return super(q{SELECT coalesce(string_agg(format('%s.%s %s %s', table_name, column_name, coalesce(system, '?'), writes), ', ' ORDER BY table_name, column_name), 'none')
		FROM ownership.activity WHERE writes > 0});
}

foreach my $lift ('on', 'off')
{
	my $wrote = sub { is(writes($lift, $_[1]), $_[2], "$_[0] (lift $lift)") };

	$wrote->('WITH: no row', q{WITH a AS (UPDATE item SET price = 5 WHERE false RETURNING id) SELECT 1}, 'none');
	$wrote->('WITH: no row, and none returned', q{WITH a AS (UPDATE item SET price = price + 1 WHERE id = 99) SELECT 1}, 'none');
	$wrote->('WITH: rows', q{WITH a AS (UPDATE item SET price = price + 1) SELECT 1}, 'item.price erp 1');
	$wrote->('WITH: one of two', q{WITH a AS (UPDATE item SET price = price + 1 WHERE id = 99), b AS (INSERT INTO other VALUES (1, 1)) SELECT 1}, 'other.id erp 1, other.n erp 1');
	$wrote->('WITH: the other one', q{WITH a AS (UPDATE item SET price = price + 1 WHERE id = 1) UPDATE other SET n = n + 1 WHERE id = 99}, 'item.price erp 1');
	$wrote->('WITH: the main one', q{WITH a AS (UPDATE item SET price = price + 1 WHERE id = 99) UPDATE other SET n = n + 1 WHERE id = 1}, 'other.n erp 1');
	$wrote->('WITH: DELETE', q{WITH a AS (DELETE FROM other WHERE id = 99 RETURNING 1), b AS (DELETE FROM other RETURNING 1) SELECT count(*) FROM a, b}, 'other.id erp 1');
	$wrote->('WITH: ON CONFLICT DO NOTHING', q{WITH a AS (INSERT INTO item VALUES (1, 1), (2, 2) ON CONFLICT DO NOTHING) SELECT 1}, 'none');
	$wrote->('WITH: ON CONFLICT DO UPDATE', q{WITH a AS (INSERT INTO item (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET price = item.price + 1) SELECT 1},
		$lift eq 'on' ? 'item.id erp 1, item.price erp 1' : 'item.price erp 1');
	$wrote->('WITH: partitions', q{WITH a AS (UPDATE parted SET n = n + 1 WHERE id = 11) SELECT 1}, 'parted.n erp 1');
	$wrote->('WITH: partitions, no row', q{WITH a AS (UPDATE parted SET n = n + 1 WHERE id = 12) SELECT 1}, 'none');
	$wrote->('a rule that updates', q{INSERT INTO ruled VALUES (1)}, 'item.price erp 1');
	$wrote->('a rule that does not', q{INSERT INTO ruled VALUES (99)}, 'none');
	super('SET ownership.enforcement = off; UPDATE item SET price = id');
	$wrote->('EXPLAIN ANALYZE', q{EXPLAIN ANALYZE WITH a AS (UPDATE item SET price = price + 1 WHERE id = 99) SELECT 1}, 'none');
	$wrote->('EXPLAIN', q{EXPLAIN WITH a AS (UPDATE item SET price = price + 1) SELECT 1}, 'none');
	# it is the ERP's write, whoever the session is when it ends
	$wrote->('a role switched in the middle', q{BEGIN; UPDATE item SET price = price + 1 RETURNING become('crm'); COMMIT}, 'item.price erp 1');
}

done_testing();
