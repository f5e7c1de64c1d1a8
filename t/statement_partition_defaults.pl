# Replication into partitions whose defaults differ from those of the tables
# above them: a row has the defaults of the table that the subscription names,
# in the first copy and later, and those are nobody's values.
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/lib";
use Ownership;
use PostgreSQL::Test::Utils;
use Test::More;

my $pub = new_node('sources');
my $hub = new_node('hub', preload => 1, extra => "wal_retrieve_retry_interval = '200ms'\n");
sql($pub, 'postgres', 'CREATE DATABASE shop');
sql($hub, 'postgres', 'CREATE DATABASE integration');

sub source { return sql($pub, 'shop', $_[0]) }
sub hub { return sql($hub, 'integration', $_[0]) }

my $columns = q{
	id int %1$s, region text %1$s, note text, status text %2$s, fixed text %3$s, stable int %4$s, drawn int %5$s, bare int %6$s};

# A root, a level between and leaves; none of their defaults are the same.
sub tables
{
	my ($t) = @_;
	my $defaults = sub { return sprintf($columns, @_) };
	return "CREATE SEQUENCE ${t}_seq;"
		. "CREATE TABLE $t (" . $defaults->('NOT NULL', "DEFAULT 'open'", "DEFAULT 'root'", 'DEFAULT base()', "DEFAULT nextval('${t}_seq')", '')
		. ", PRIMARY KEY (id, region)) PARTITION BY LIST (region);"
		# as CREATE TABLE (LIKE) makes it
		. "CREATE TABLE ${t}_de (LIKE $t); ALTER TABLE $t ATTACH PARTITION ${t}_de FOR VALUES IN ('de');"
		. "CREATE TABLE ${t}_us (gone int, bare int DEFAULT 3, " . ($defaults->('NOT NULL', "DEFAULT 'between'", "DEFAULT 'between'", 'DEFAULT base() + 1', 'DEFAULT -1', '') =~ s/, bare int $//r)
		. ") PARTITION BY RANGE (id); ALTER TABLE ${t}_us DROP gone;"
		. "CREATE TABLE ${t}_us_1 (was text, " . $defaults->('NOT NULL', "DEFAULT 'leaf'", "DEFAULT 'leaf'", 'DEFAULT base() + 2', 'DEFAULT -2', 'DEFAULT 4') . ");"
		. "ALTER TABLE ${t}_us_1 DROP was;"
		. "ALTER TABLE ${t}_us ATTACH PARTITION ${t}_us_1 FOR VALUES FROM (0) TO (1000);"
		. "ALTER TABLE $t ATTACH PARTITION ${t}_us FOR VALUES IN ('us');";
}

# "rooted" is one table at the source, "leafed" is published leaf by leaf, of
# "middle" only a level between is known; in "twofold" the root and a leaf are two
# tables at the source, and the hub subscribes to each.
my @tables = qw(rooted leafed middle twofold);
my $plain = "(id int PRIMARY KEY, region text, note text, status text)";
source(qq{
	CREATE TABLE rooted $plain;
	CREATE TABLE middle_us $plain;
	CREATE TABLE twofold $plain;
	CREATE TABLE twofold_us_1 $plain;
	CREATE TABLE leafed (id int, region text, note text, status text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
	CREATE TABLE leafed_de PARTITION OF leafed FOR VALUES IN ('de');
	CREATE TABLE leafed_us_1 PARTITION OF leafed FOR VALUES IN ('us');
	CREATE PUBLICATION shop FOR TABLE rooted, middle_us, twofold, twofold_us_1, leafed WITH (publish_via_partition_root = false)});
hub(q{
	CREATE FUNCTION base() RETURNS int STABLE LANGUAGE sql AS 'SELECT 70';
	CREATE EXTENSION ownership;
	SELECT ownership.add_system('erp', 'erp');
	SELECT ownership.add_system('shop', 'storefront')});
foreach my $t (@tables)
{
	hub(tables($t));
	hub(qq{
		SELECT ownership.assign('$t', '{id,region,note}', 'shop');
		SELECT ownership.assign('$t', '{status,fixed,stable,drawn,bare}', 'erp', policy => 'keep')});
}

# Rows of a table at the source: with and without the values of a default.
sub rows
{
	my ($t, $first) = @_;
	my @regions = $t =~ /_us/ ? ('us') : ('de', 'us');
	my $id = $first;
	foreach my $region (@regions)
	{
		foreach my $status (qw(open between leaf other))
		{
			source("INSERT INTO $t VALUES ($id, '$region', 'n', '$status')");
			$id++;
		}
		source("INSERT INTO $t VALUES ($id, '$region', 'n', NULL)");
		$id++;
	}
}

sub check
{
	my ($t, $named, $first, $what) = @_;
	my ($status, $fixed, $stable, $drawn, $bare) = @{ {
		root => [ 'open', 'root', 70, '+', '' ],
		between => [ 'between', 'between', 71, '-1', 3 ],
		leaf => [ 'leaf', 'leaf', 72, '-2', 4 ],
		# the leaf that has none
		none => [ '', '', '', '', '' ],
	}->{$named} };
	my $region = $named eq 'none' ? 'de' : 'us';
	my @regions = $t eq 'middle' || ($t eq 'twofold' && $named eq 'leaf') ? ('us') : ('de', 'us');
	my $last = $first + 5 * @regions - 1;
	my @expected;
	my @kept;
	my $id = $first;
	foreach my $r (@regions)
	{
		foreach my $proposed (qw(open between leaf other), '')
		{
			# NULL is no value
			my $stored = $proposed eq '' ? '' : $status;
			push @expected, "$id|$r|n|$stored|$fixed|$stable|$drawn|$bare" if $named eq 'root' || $r eq $region;
			push @kept, "$id|{status}|$stored|$proposed"
				if $proposed ne '' && $proposed ne $status && ($named eq 'root' || $r eq $region);
			$id++;
		}
	}
	my $where = "id BETWEEN $first AND $last" . ($named eq 'root' ? '' : " AND region = '$region'");
	is(hub("SELECT id, region, note, status, fixed, stable, CASE WHEN drawn > 0 THEN '+' ELSE drawn::text END, bare FROM $t WHERE $where ORDER BY id"),
		join("\n", @expected), "$what: the rows");
	is(hub(qq{
			SELECT row_key ->> 'id', columns, stored ->> 'status', proposed ->> 'status' FROM ownership.conflict
			WHERE table_name = '$t' AND (row_key ->> 'id')::int BETWEEN $first AND $last}
			. ($named eq 'root' ? '' : " AND row_key ->> 'region' = '$region'") . ' ORDER BY id'),
		join("\n", @kept), "$what: the evidence, and no other");
}

my @named = (
	[ 'rooted', 'rooted', 'root', 0 ],
	[ 'middle_us', 'middle', 'between', 0 ],
	[ 'twofold', 'twofold', 'root', 0 ],
	[ 'twofold_us_1', 'twofold', 'leaf', 200 ],
	[ 'leafed', 'leafed', 'leaf', 0 ],
	[ 'leafed', 'leafed', 'none', 0 ]);

sub rows_of_all
{
	my ($base) = @_;
	my %done;
	foreach (@named)
	{
		my ($at, undef, undef, $offset) = @$_;
		rows($at, $base + $offset) unless $done{$at}++;
	}
}

sub check_all
{
	my ($base, $when) = @_;
	foreach (@named)
	{
		my ($at, $t, $named, $offset) = @$_;
		check($t, $named, $base + $offset, "$when, $at");
	}
}

rows_of_all(1);
my $conninfo = connstr($pub, 'shop');
hub(q{INSERT INTO ownership.identity (kind, name, system) VALUES ('subscription', 'hub', 'shop')});
hub("CREATE SUBSCRIPTION hub CONNECTION '$conninfo' PUBLICATION shop");
$hub->wait_for_subscription_sync($pub, 'hub', 'integration');
check_all(1, 'the first copy');

rows_of_all(51);
$pub->wait_for_catchup('hub');
check_all(51, 'later');

# which table a stream names may change
hub('ALTER SUBSCRIPTION hub DISABLE');
source('ALTER PUBLICATION shop DROP TABLE leafed; CREATE PUBLICATION root FOR TABLE leafed WITH (publish_via_partition_root = true)');
hub(q{
	ALTER SUBSCRIPTION hub SET PUBLICATION shop, root WITH (refresh = false);
	ALTER SUBSCRIPTION hub ENABLE;
	ALTER SUBSCRIPTION hub REFRESH PUBLICATION WITH (copy_data = false)});
$hub->wait_for_subscription_sync($pub, 'hub', 'integration');
rows('leafed', 101);
$pub->wait_for_catchup('hub');
check('leafed', 'root', 101, 'published by its root');

# what a leaf's or a root's default is may change
hub(q{
	ALTER TABLE rooted_us_1 ALTER status SET DEFAULT 'open', ALTER fixed SET DEFAULT 'root';
	ALTER TABLE ONLY rooted ALTER fixed SET DEFAULT 'changed'});
source(q{INSERT INTO rooted VALUES (151, 'us', 'n', 'open'), (152, 'us', 'n', 'leaf')});
$pub->wait_for_catchup('hub');
is(hub('SELECT id, status, fixed FROM rooted WHERE id > 150 ORDER BY id'), "151|open|changed\n152|open|changed", 'the root\'s, as they are now');
is(hub(q{SELECT row_key ->> 'id', proposed FROM ownership.conflict WHERE table_name = 'rooted' AND (row_key ->> 'id')::int > 150}),
	'152|{"status": "leaf"}', 'and no more evidence');

# What the hub's own triggers derive is not written where nothing else is left.
hub(q{
	CREATE FUNCTION derive() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.stable := NEW.stable + 1000; RETURN NEW; END';
	CREATE TRIGGER derive BEFORE UPDATE ON rooted FOR EACH ROW EXECUTE FUNCTION derive();
	ALTER TABLE rooted_us_1 ENABLE ALWAYS TRIGGER derive});
my $version = hub('SELECT ctid, xmin FROM rooted WHERE id = 151');
source('ALTER TABLE rooted REPLICA IDENTITY FULL');
source(q{UPDATE rooted SET status = 'refused' WHERE id = 151});
$pub->wait_for_catchup('hub');
is(hub('SELECT ctid, xmin FROM rooted WHERE id = 151'), $version, 'a replicated UPDATE of which nothing is left is skipped, derived columns or not');
source(q{UPDATE rooted SET status = 'again', note = 'changed' WHERE id = 151});
$pub->wait_for_catchup('hub');
is(hub('SELECT note, status, stable FROM rooted WHERE id = 151'), 'changed|open|1070', 'what is left is written as ever');

$hub->stop;
$pub->stop;
done_testing();
